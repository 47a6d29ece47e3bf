/**
 * What every containerizer must do, as one suite that runs for each kind of it. Real processes,
 * real files; the only waiting is for facts to become true.
 */
import { afterEach, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brand } from "../../src/base/ids.ts";
import type { ContainerEnd, Containerizer } from "../../src/containerizer/containerizer.ts";
import {
  failureOf,
  isRunning,
  isRunningIn,
  newRoot,
  outputOf,
  pidsIn,
  removeRoots,
  specIn,
  until,
} from "./containers.ts";

/** `open` makes a containerizer of one agent; `root` is the agent's own folder. */
export function containerizerSuite(open: (root: string) => Containerizer): void {
  const opened: Containerizer[] = [];
  const start = (): { containerizer: Containerizer; root: string } => {
    const root = newRoot();
    const containerizer = open(root);
    opened.push(containerizer);
    return { containerizer, root };
  };
  afterEach(async () => {
    for (const containerizer of opened.splice(0)) await containerizer.close();
    removeRoots();
  });

  const ends: readonly (readonly [string, ContainerEnd])[] = [
    ["exit 0", { kind: "exited", code: 0 }],
    ["exit 1", { kind: "exited", code: 1 }],
    ["exit 130", { kind: "exited", code: 130 }],
    ["exit 137", { kind: "exited", code: 137 }],
    ["exit 143", { kind: "exited", code: 143 }],
    ["exit 255", { kind: "exited", code: 255 }],
    ["kill -TERM $$", { kind: "signaled", signal: 15 }],
    ["kill -KILL $$", { kind: "signaled", signal: 9 }],
    ["kill -INT $$", { kind: "signaled", signal: 2 }],
    ["kill -HUP $$", { kind: "signaled", signal: 1 }],
    ["kill -PIPE $$", { kind: "signaled", signal: 13 }],
    ["ulimit -c 0; kill -QUIT $$", { kind: "signaled", signal: 3 }],
    ["kill -STOP $$; exit 7", { kind: "exited", code: 7 }],
  ];

  test("the end of a command is told exactly, a signal apart from a status above 128 [semantics 6.6]", async () => {
    const { containerizer, root } = start();
    await Promise.all(
      ends.map(async ([command, end], index) => {
        const spec = specIn(root, `end-${index}`, command);
        const { pid } = await containerizer.launch(spec);
        if (command.includes("STOP")) {
          await until("the command has stopped itself", () => isStopped(pid));
          process.kill(pid, "SIGCONT");
        }
        const result = await containerizer.wait(spec.containerId);
        expect({ command, ...result.exit }).toEqual({ command, ...end });
        await containerizer.cleanup(spec.containerId);
      }),
    );
  });

  test("a command beside the container's own runs in its sandbox and environment [semantics 6.8]", async () => {
    const { containerizer, root } = start();
    const spec = specIn(root, "beside", "exec sleep 1000");
    await containerizer.launch(spec);
    const inside = (value: string, timeoutMs: number | undefined) =>
      containerizer.runInside({ ...spec, command: { value }, timeoutMs });
    const write = 'pwd >beside; echo "$GREETING" >>beside; exit 7';
    const environment = { ...spec.environment, GREETING: "it's me" };
    expect(
      await containerizer.runInside({
        ...spec,
        environment,
        command: { value: write },
        timeoutMs: undefined,
      }),
    ).toEqual({ kind: "exited", code: 7 });
    expect(readFileSync(join(spec.directory, "beside"), "utf8")).toBe(
      `${spec.directory}\nit's me\n`,
    );
    expect(await inside("kill -TERM $$", 60_000)).toEqual({ kind: "signaled", signal: 15 });
    const late = inside("sleep 1000 & echo $! >child; wait", 2000);
    expect(await late).toEqual({ kind: "timedOut" });
    const child = Number(readFileSync(join(spec.directory, "child"), "utf8"));
    await until("what it started is gone too", () => !isRunningIn(spec, child));
    const open = inside("echo $$ >open; exec sleep 1000", undefined);
    const pidFile = join(spec.directory, "open");
    await until(
      "it runs",
      () => existsSync(pidFile) && readFileSync(pidFile, "utf8").endsWith("\n"),
    );
    await containerizer.destroy(spec.containerId);
    expect(await open).toEqual({ kind: "signaled", signal: 9 });
    expect(await failureOf(inside("true", undefined))).toContain("does not run");
  });

  test("output goes to stdout and stderr in the sandbox, stdin is empty [semantics 7.5]", async () => {
    const { containerizer, root } = start();
    const spec = specIn(root, "output", "pwd; cat; echo oops >&2");
    await containerizer.launch(spec);
    await containerizer.wait(spec.containerId);
    expect(outputOf(spec)).toBe(`${spec.directory}\n`);
    expect(outputOf(spec, "stderr")).toBe("oops\n");
  });

  test("the environment is the one asked for, whatever the names and values [semantics 7.4]", async () => {
    const { containerizer, root } = start();
    const environment = {
      PATH: "/usr/bin:/bin",
      QUOTES: 'it\'s "quoted" $HOME `id` \\ ',
      LINES: "one\ntwo\n",
      EMPTY: "",
      UID: "5",
      OPTIND: "no number",
      "odd.name": "kept",
      UMLAUT: "grün ✓",
    };
    const spec = specIn(
      root,
      "environment",
      { shell: false, value: "env", arguments: ["env", "-0"] },
      { environment },
    );
    await containerizer.launch(spec);
    await containerizer.wait(spec.containerId);
    expect(outputOf(spec, "stderr")).toBe("");
    const found = Object.fromEntries(
      outputOf(spec)
        .split("\0")
        .filter((line) => line !== "")
        .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
    );
    const { ALLOT_CONTAINER_ID, ALLOT_AGENT_MARK, ...rest } = found;
    expect(ALLOT_CONTAINER_ID).toBe("environment");
    expect(ALLOT_AGENT_MARK).toMatch(/^[0-9a-f]{16}$/);
    expect(rest).toEqual(environment);
  });

  test("no signal is ignored or blocked in a task [semantics 7.10]", async () => {
    const { containerizer, root } = start();
    const spec = specIn(root, "signals", {
      shell: false,
      value: "grep",
      arguments: ["grep", "-E", "Sig(Ign|Blk)", "/proc/self/status"],
    });
    await containerizer.launch(spec);
    await containerizer.wait(spec.containerId);
    expect(outputOf(spec)).toBe("SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
  });

  test("arguments reach the command as they are, the first one as its name [semantics 7.2]", async () => {
    const { containerizer, root } = start();
    const plain = specIn(root, "argv", {
      shell: false,
      value: "printf",
      arguments: ["printf", "%s|", "a b", "$HOME", "it's", "", "x\ny", "--"],
    });
    const named = specIn(root, "argv0", {
      shell: false,
      value: "/bin/sh",
      arguments: ["my name", "-c", 'echo "$0"; tr "\\0" "|" </proc/$$/cmdline', "zero"],
    });
    for (const spec of [plain, named]) {
      await containerizer.launch(spec);
      await containerizer.wait(spec.containerId);
    }
    expect(outputOf(plain)).toBe("a b|$HOME|it's||x\ny|--|");
    expect(outputOf(named)).toStartWith("zero\nmy name|-c|");
  });

  test("a missing executable is said in stderr and is status 127 [semantics 6.6]", async () => {
    const { containerizer, root } = start();
    for (const name of [undefined, "another-name"]) {
      const args = name === undefined ? {} : { arguments: [name] };
      const spec = specIn(root, `missing-${name}`, { shell: false, value: "/no/such/x", ...args });
      await containerizer.launch(spec);
      const { exit } = await containerizer.wait(spec.containerId);
      expect(exit).toEqual({ kind: "exited", code: 127 });
      expect(outputOf(spec, "stderr")).toMatch(/\/no\/such\/x.*No such file or directory/);
    }
  });

  test("what a command cannot be given is refused with the reason [style 5]", async () => {
    const { containerizer, root } = start();
    const none = containerizer.launch(specIn(root, "none", {}));
    expect(await failureOf(none)).toContain("command.value");
    const zero = containerizer.launch(specIn(root, "zero", "echo \0"));
    expect(await failureOf(zero)).toContain("zero byte");
    const long = containerizer.launch(specIn(root, "long", `: ${"x".repeat(140_000)}`));
    expect(await failureOf(long)).toContain("131071 bytes");
    const ghost = containerizer.launch(specIn(root, "ghost", "id", { user: "no-such-user" }));
    expect(await failureOf(ghost)).toContain("no-such-user");
    expect(await failureOf(containerizer.wait(brand("ghost")))).toContain("unknown");
  });

  test("SIGTERM reaches the whole tree, also what left its session [semantics 6.6]", async () => {
    const { containerizer, root } = start();
    // The first process stays until both have been told: its end is the end of all.
    const loop = "echo $$; while :; do sleep 0.01; done";
    const both = 'while [ "$(grep -c told stdout)" -lt 2 ]; do sleep 0.01; done';
    const spec = specIn(
      root,
      "term",
      `setsid sh -c 'trap "echo told; exit 0" TERM; ${loop}' & trap 'echo told; ${both}; exit 0' TERM; ${loop}`,
    );
    await containerizer.launch(spec);
    const pids = await pidsIn(spec, 2);
    await containerizer.signal(spec.containerId, "SIGTERM");
    const { exit } = await containerizer.wait(spec.containerId);
    expect(exit).toEqual({ kind: "exited", code: 0 });
    expect(outputOf(spec).match(/told/g)).toHaveLength(2);
    expect(pids.filter(isRunning)).toEqual([]);
  });

  test("destroy ends processes that ignore SIGTERM, fled their session or lost their parent [semantics 6.6]", async () => {
    const { containerizer, root } = start();
    const deaf = "trap '' TERM; echo \\$\\$; while :; do sleep 1; done";
    const spec = specIn(
      root,
      "destroy",
      `setsid sh -c "${deaf}" & (setsid sh -c "${deaf}" &) ; exec sh -c "${deaf}"`,
    );
    await containerizer.launch(spec);
    const pids = await pidsIn(spec, 3);
    await containerizer.signal(spec.containerId, "SIGTERM");
    expect(pids.filter(isRunning)).toEqual(pids);
    await Promise.all([
      containerizer.destroy(spec.containerId),
      containerizer.destroy(spec.containerId),
    ]);
    expect(pids.filter(isRunning)).toEqual([]);
    const { exit } = await containerizer.wait(spec.containerId);
    expect(exit.kind).toBe("signaled");
    await containerizer.destroy(spec.containerId);
    await containerizer.cleanup(spec.containerId);
    await containerizer.cleanup(spec.containerId);
  });

  test("what the first process leaves behind is gone when its end is told [semantics 7.10]", async () => {
    const { containerizer, root } = start();
    const stay = "echo \\$\\$; exec sleep 100";
    const spec = specIn(
      root,
      "leftovers",
      `(setsid sh -c "${stay}" &) ; env -i /bin/sh -c "${stay}" & while [ ! -e go ]; do sleep 0.01; done; exit 4`,
    );
    await containerizer.launch(spec);
    const pids = await pidsIn(spec, 2);
    writeFileSync(join(spec.directory, "go"), "");
    const { exit } = await containerizer.wait(spec.containerId);
    expect(exit).toEqual({ kind: "exited", code: 4 });
    expect(pids.filter(isRunning)).toEqual([]);
  });

  test("usage counts the whole tree and names what was asked for [semantics 7.13]", async () => {
    const { containerizer, root } = start();
    const resources = [
      { name: "cpus", type: "SCALAR", scalar: { value: 0.5 } },
      { name: "mem", type: "SCALAR", scalar: { value: 64 } },
    ] as const;
    const burn = "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done; echo $$; sleep 100";
    const spec = specIn(root, "usage", `(${burn}) & ${burn}`, { resources });
    const { pid } = await containerizer.launch(spec);
    await pidsIn(spec, 2);
    const usage = await containerizer.usage(spec.containerId);
    expect(usage.processes).toBeGreaterThanOrEqual(3);
    expect(usage.cpus_user_time_secs ?? 0).toBeGreaterThan(0);
    expect(usage.mem_rss_bytes ?? 0).toBeGreaterThan(200_000);
    expect(usage.cpus_soft_limit).toBe(0.5);
    expect(usage.mem_limit_bytes).toBe(64 * 1024 * 1024);
    expect(await containerizer.status(spec.containerId)).toMatchObject({ executor_pid: pid });
    await containerizer.destroy(spec.containerId);
  });

  test("a launch that fails leaves nothing but the sandbox, and says why [DESIGN 7]", async () => {
    const { containerizer, root } = start();
    mkdirSync(join(root, "work", "sandboxes", "linked"), { recursive: true });
    symlinkSync("/etc/passwd", join(root, "work", "sandboxes", "linked", "stdout"));
    const linked = containerizer.launch(specIn(root, "linked", "true"));
    expect(await failureOf(linked)).toContain("Sandbox");
    const inFile = specIn(root, "in-file", "true", { directory: "/etc/passwd/sandbox" });
    expect(await failureOf(containerizer.launch(inFile))).toContain("Sandbox /etc/passwd/sandbox");
    const climbing = specIn(root, "climbing", "true", { containerId: brand("../x") });
    expect(await failureOf(containerizer.launch(climbing))).toContain("cannot be a file name");
    // The same id can be used again.
    const good = specIn(root, "in-file", "exit 9");
    await containerizer.launch(good);
    expect((await containerizer.wait(good.containerId)).exit).toEqual({ kind: "exited", code: 9 });
    expect(await failureOf(containerizer.launch(good))).toContain("exists already");
  });

  test("a container destroyed during its launch never runs its command", async () => {
    const { containerizer, root } = start();
    const spec = specIn(root, "unwanted", "touch ran");
    const launch = containerizer.launch(spec);
    const outcome = launch.then(
      () => "launched",
      (error: Error) => error.message,
    );
    await containerizer.destroy(spec.containerId);
    expect(await outcome).toContain("destroyed during its launch");
    expect(existsSync(join(spec.directory, "ran"))).toBe(false);
    expect(await failureOf(containerizer.wait(spec.containerId))).toContain("unknown");
  });
}

function isStopped(pid: number): boolean {
  return /\) T /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
}
