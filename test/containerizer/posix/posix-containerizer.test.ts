/**
 * The posix containerizer: the common suite under every shell found on this host that can be a
 * keeper, and what only it does (users, recovery, cost). Agents that die are real processes.
 */
import { afterEach, describe, expect, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { brand, type ContainerId } from "../../../src/base/ids.ts";
import {
  type Containerizer,
  ContainerizerError,
  type ContainerSpec,
  type Limitation,
} from "../../../src/containerizer/containerizer.ts";
import { KeeperRecords } from "../../../src/containerizer/keeper/records.ts";
import { PosixLauncher } from "../../../src/containerizer/posix/posix-launcher.ts";
import { containerizerSuite } from "../containerizer.suite.ts";
import {
  failureOf,
  isRunning,
  newRoot,
  outputOf,
  pidsIn,
  posixIn,
  removeRoots,
  specIn,
  until,
} from "../containers.ts";

/** Further shells to try as keepers, separated by colons, as the busybox of another host. */
const EXTRA_SHELLS = (process.env["ALLOT_TEST_SHELLS"] ?? "").split(":");
const SHELLS = ["/bin/dash", "/bin/bash", "/bin/ash", ...EXTRA_SHELLS].filter(
  (path) => path !== "",
);

for (const shell of SHELLS.filter(existsSync)) {
  describe(`posix containerizer with keepers on ${shell}`, () => {
    containerizerSuite((root) => posixIn(root, { shell }));
  });
}

/** Its processes are beyond the reach of signals. */
class PowerlessLauncher extends PosixLauncher {
  override kill(containerId: ContainerId): Promise<void> {
    const text = `Processes of ${containerId} do not end on SIGKILL`;
    return Promise.reject(new ContainerizerError(text));
  }
}

/** That of the agent process. */
const LIMITATION: Limitation = {
  reason: "REASON_CONTAINER_LIMITATION_DISK",
  message: "too much",
  resources: [{ name: "disk", type: "SCALAR", scalar: { value: 2 } }],
};

const isRoot = process.getuid?.() === 0;
const opened: Containerizer[] = [];
const children: ChildProcess[] = [];

afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  for (const containerizer of opened.splice(0)) await containerizer.close();
  removeRoots();
});

function open(...args: Parameters<typeof posixIn>): Containerizer {
  const containerizer = posixIn(...args);
  opened.push(containerizer);
  return containerizer;
}

describe("users", () => {
  const asRoot = isRoot ? test : test.skip;
  const reason = isRoot ? "" : " (skipped: switching users needs root)";

  asRoot(
    `a task runs as its user with that user's groups and owns its sandbox [semantics 7.5]${reason}`,
    async () => {
      const root = newRoot();
      const containerizer = open(root);
      const spec = specIn(
        root,
        "user",
        "id -un; id -Gn; touch mine; grep CapEff /proc/self/status",
        {
          user: "nobody",
        },
      );
      await containerizer.launch(spec);
      expect((await containerizer.wait(spec.containerId)).exit).toEqual({
        kind: "exited",
        code: 0,
      });
      expect(outputOf(spec)).toBe("nobody\nnogroup\nCapEff:\t0000000000000000\n");
      const sandbox = statSync(spec.directory);
      expect({ mode: sandbox.mode & 0o777, uid: sandbox.uid }).toEqual({ mode: 0o750, uid: 65534 });
      expect(statSync(join(spec.directory, "stdout")).uid).toBe(65534);
      expect(statSync(join(root, "work", "sandboxes")).mode & 0o777).toBe(0o755);
    },
  );

  asRoot(
    `nothing of a task's environment acts on programs that still run as root${reason}`,
    async () => {
      const root = newRoot();
      const containerizer = open(root);
      // A library that is not there makes the loader complain wherever the variable applies.
      const spec = specIn(root, "preload", "true", {
        user: "nobody",
        environment: { PATH: "/usr/bin:/bin", LD_PRELOAD: "/no/such.so" },
      });
      await containerizer.launch(spec);
      await containerizer.wait(spec.containerId);
      // `env` and the command's shell, which both run as the user, and no program before them.
      expect(outputOf(spec, "stderr").match(/cannot be preloaded/g)).toHaveLength(2);
    },
  );

  asRoot(`a task cannot forge its end nor harm its keeper${reason}`, async () => {
    const root = newRoot();
    const containerizer = open(root);
    const exits = join(root, "run", "exits");
    const spec = specIn(root, "forge", `echo 'exited 0' >${exits}/forge; kill -9 0`, {
      user: "nobody",
    });
    await containerizer.launch(spec);
    expect((await containerizer.wait(spec.containerId)).exit).toEqual({
      kind: "signaled",
      signal: 9,
    });
  });
});

describe("isolators", () => {
  test("a limitation ends the container and is told with its end [semantics 7.10]", async () => {
    const root = newRoot();
    let limit: ((limitation: Limitation) => void) | undefined;
    const order: string[] = [];
    const containerizer = open(root, {
      isolators: [
        {
          name: "test/limiting",
          prepare: async () => ({ environment: { FROM_ISOLATOR: "yes" } }),
          isolate: async (containerId, pid) => {
            order.push(
              `isolate ${isRunning(pid)} ${existsSync(join(root, "run/containers", containerId, "task"))}`,
            );
          },
          usage: async () => ({ timestamp: 0, disk_used_bytes: 5 }),
          update: async () => undefined,
          recover: async () => undefined,
          cleanup: async () => void order.push("cleanup"),
          watch: (_containerId, onLimitation) => {
            limit = onLimitation;
            return () => void order.push("unwatch");
          },
        },
      ],
    });
    const spec = specIn(root, "limited", "echo $FROM_ISOLATOR; exec sleep 100");
    await containerizer.launch(spec);
    await until("the task has spoken", () => outputOf(spec) === "yes\n");
    expect((await containerizer.usage(spec.containerId)).disk_used_bytes).toBe(5);
    const limitation: Limitation = {
      reason: "REASON_CONTAINER_LIMITATION_MEMORY",
      message: "too much",
      resources: [],
    };
    limit?.(limitation);
    const result = await containerizer.wait(spec.containerId);
    expect(result).toEqual({ exit: { kind: "signaled", signal: 9 }, limitation });
    await containerizer.cleanup(spec.containerId);
    expect(order).toEqual(["isolate true false", "unwatch", "cleanup"]);
  });
});

describe("recovery", () => {
  test("after SIGKILL of the agent fifty containers are found exactly as they are [semantics 7.7]", async () => {
    const root = newRoot();
    const commands: Record<string, string> = {};
    for (let index = 0; index < 50; index++) {
      // Those that end do so only once the agent is gone.
      const gate = `while [ ! -e ${root}/gone ]; do sleep 0.02; done`;
      commands[`task-${index}`] =
        index % 5 === 0
          ? `${gate}; exit ${index}`
          : index % 5 === 1
            ? `${gate}; kill -TERM $$`
            : `echo once; exec sleep 100`;
    }
    const agent = await startAgent(root, commands);
    const pids = new Map(Object.keys(commands).map((name) => [name, recordedPid(root, name)]));
    await killAgent(agent);
    writeFileSync(join(root, "gone"), "");
    const exits = join(root, "run", "exits");
    const hasEnded = (name: string): boolean =>
      readFileSync(join(exits, name), "utf8").includes("\n");
    await until("twenty have ended", () => readdirSync(exits).filter(hasEnded).length === 20);

    const containerizer = open(root);
    const startMs = performance.now();
    const known = Object.keys(commands).map((name) => specIn(root, name, ""));
    const { alive, ended, orphans } = await containerizer.recover(known);
    console.log(`recovered 50 containers in ${(performance.now() - startMs).toFixed(0)} ms`);
    expect(orphans).toEqual([]);
    expect([alive.size, ended.size]).toEqual([30, 20]);
    for (const [index, { containerId }] of known.entries()) {
      if (index % 5 > 1) {
        expect(alive.get(containerId)?.pid).toBe(pids.get(containerId) ?? -1);
        expect(alive.get(containerId)?.startedAtMs).toBeWithin(Date.now() - 60_000, Date.now());
        expect(isRunning(pids.get(containerId) ?? -1)).toBe(true);
        continue;
      }
      const exit = ended.get(containerId)?.exit;
      const expected =
        index % 5 === 0
          ? ({ kind: "exited", code: index } as const)
          : ({ kind: "signaled", signal: 15 } as const);
      expect({ containerId, ...exit }).toEqual({ containerId, ...expected });
    }
    // Adopted containers are watched like any other.
    const [first = brand<ContainerId>("")] = alive.keys();
    await containerizer.signal(first, "SIGTERM");
    expect((await containerizer.wait(first)).exit).toEqual({ kind: "signaled", signal: 15 });
    await Promise.all([...alive.keys()].map((id) => containerizer.destroy(id)));
    for (const { containerId } of known) await containerizer.cleanup(containerId);
    expect([...pids.values()].filter(isRunning)).toEqual([]);
    expect(readdirSync(join(root, "run", "exits"))).toEqual([]);
    expect(readdirSync(join(root, "run", "containers"))).toEqual([]);
  });

  test("what ended a container at its limit is told though the agent died over it [semantics 7.7, 7.10]", async () => {
    const root = newRoot();
    const agent = await startAgent(root, { limited: "exec sleep 100" });
    const keeper = keeperPid(root, "limited");
    // Nobody writes down how the command ends, so that the agent cannot see that it has.
    process.kill(keeper, "SIGSTOP");
    agent.kill("SIGUSR2");
    await until("the command is killed", () => !isRunning(recordedPid(root, "limited")));
    await killAgent(agent);
    process.kill(keeper, "SIGCONT");
    await until("the keeper is gone", () => !isRunning(keeper));
    const containerizer = open(root);
    const spec = specIn(root, "limited", "");
    const { ended } = await containerizer.recover([spec]);
    expect(ended.get(spec.containerId)).toEqual({
      exit: { kind: "signaled", signal: 9 },
      limitation: LIMITATION,
    });
  });

  test("a container that was to be ended at its limit is, once the agent is back", async () => {
    const root = newRoot();
    const agent = await startAgent(root, { limited: "exec sleep 100", other: "exec sleep 100" });
    await killAgent(agent);
    const spec = specIn(root, "limited", "");
    const other = specIn(root, "other", "");
    const records = new KeeperRecords(join(root, "run"), "");
    records.keepLimitation(spec.containerId, LIMITATION);
    // A word that was cut short was before any deed.
    records.keep(other.containerId, "limitation", JSON.stringify(LIMITATION).slice(0, -1));
    const containerizer = open(root);
    const { alive } = await containerizer.recover([spec, other]);
    expect([...alive.keys()].sort()).toEqual([spec.containerId, other.containerId]);
    expect(await containerizer.wait(spec.containerId)).toEqual({
      exit: { kind: "signaled", signal: 9 },
      limitation: LIMITATION,
    });
    await containerizer.destroy(other.containerId);
    expect((await containerizer.wait(other.containerId)).limitation).toBeUndefined();
  });

  test("a command whose agent dies before the word go never runs [DESIGN 7]", async () => {
    const root = newRoot();
    const agent = await startAgent(root, { staged: null }, /staged staged (\d+)\n/);
    await killAgent(agent);
    const containerizer = open(root);
    const spec = specIn(root, "staged", "");
    const { alive, ended } = await containerizer.recover([spec]);
    expect(alive.size).toBe(0);
    const message = "The agent ended before the command was started";
    expect(ended.get(spec.containerId)?.exit).toEqual({ kind: "unknown", message });
    expect(existsSync(join(spec.directory, "ran"))).toBe(false);
    expect(existsSync(join(root, "run", "containers", "staged", "task"))).toBe(false);
  });

  test("a command that takes its time to begin is waited for, and told as what it was [issue 4]", async () => {
    const root = newRoot();
    const gate = join(root, "gate");
    const agent = await startAgent(root, { slow: "echo x >>ran; exit 7" }, undefined, gate);
    await killAgent(agent);
    const spec = specIn(root, "slow", "");
    const containerizer = open(root);
    const recovery = containerizer.recover([spec]);
    await new Promise((resolve) => setTimeout(resolve, 2500));
    writeFileSync(gate, "");
    await recovery;
    expect(await containerizer.wait(spec.containerId)).toMatchObject({
      exit: { kind: "exited", code: 7 },
    });
    expect(readFileSync(join(spec.directory, "ran"), "utf8")).toBe("x\n");
  });

  test("what carries our mark and is not known is destroyed, all else is left alone [semantics 7.7]", async () => {
    const root = newRoot();
    const neighbourRoot = newRoot();
    const shared = { runtimeDir: join(root, "run") };
    const neighbour = open(neighbourRoot, shared);
    const theirs = specIn(neighbourRoot, "theirs", "exec sleep 100");
    const { pid: theirPid } = await neighbour.launch(theirs);
    const stranger = spawn("sleep", ["100"], { detached: true, stdio: "ignore" });
    children.push(stranger);

    const agent = await startAgent(root, {
      kept: "exec sleep 100",
      orphan: "setsid sleep 100 & echo $!; exec sleep 100",
      over: "setsid sleep 100 & echo $!; sleep 0.05; exit 3",
    });
    const orphan = specIn(root, "orphan", "");
    const over = specIn(root, "over", "");
    const pids = [...(await pidsIn(orphan, 1)), recordedPid(root, "orphan")];
    const [leftover = -1] = await pidsIn(over, 1);
    await killAgent(agent);
    const end = join(root, "run", "exits", "over");
    await until("one is over", () => existsSync(end) && readFileSync(end, "utf8").includes("\n"));

    const containerizer = open(root);
    const kept = specIn(root, "kept", "");
    const { alive, ended, orphans } = await containerizer.recover([kept, over]);
    expect([...alive.keys()]).toEqual([kept.containerId]);
    expect([...ended]).toEqual([[over.containerId, { exit: { kind: "exited", code: 3 } }]]);
    expect(orphans).toEqual([orphan.containerId]);
    expect([...pids, leftover].filter(isRunning)).toEqual([]);
    expect(isRunning(theirPid)).toBe(true);
    expect(isRunning(stranger.pid ?? -1)).toBe(true);
    expect(readdirSync(join(root, "run", "containers")).sort()).toEqual(["kept", "over", "theirs"]);
    await Promise.all([
      containerizer.destroy(kept.containerId),
      neighbour.destroy(theirs.containerId),
    ]);
  });

  test("a process that gives another agent's container for its own takes it nowhere", async () => {
    const root = newRoot();
    const neighbourRoot = newRoot();
    const neighbour = open(neighbourRoot, { runtimeDir: join(root, "run") });
    const theirs = specIn(neighbourRoot, "theirs", "exec sleep 100");
    const { pid: theirPid } = await neighbour.launch(theirs);
    const agent = await startAgent(root, {
      sly: "setsid env ALLOT_CONTAINER_ID=theirs sleep 100 & echo $!; exec sleep 100",
    });
    const sly = specIn(root, "sly", "");
    const [slyPid = -1] = await pidsIn(sly, 1);
    await until("it is what it says", () =>
      readFileSync(`/proc/${slyPid}/cmdline`, "utf8").startsWith("sleep"),
    );
    await killAgent(agent);

    const containerizer = open(root);
    const { alive, orphans } = await containerizer.recover([sly]);
    expect([...alive.keys()]).toEqual([sly.containerId]);
    expect(orphans).toEqual([]);
    expect(isRunning(theirPid)).toBe(true);
    expect(readdirSync(join(root, "run", "containers")).sort()).toEqual(["sly", "theirs"]);
    process.kill(slyPid, "SIGKILL");
    await Promise.all([
      containerizer.destroy(sly.containerId),
      neighbour.destroy(theirs.containerId),
    ]);
  });

  test("a process that does not end on SIGKILL, as one that waits for a dead disk, keeps no agent from its start", async () => {
    const root = newRoot();
    const agent = await startAgent(root, {
      well: "exec sleep 100",
      stuck: "exec sleep 100",
      orphan: "exec sleep 100",
    });
    const keeper = readFileSync(join(root, "run/containers/stuck/keeper"), "utf8").split(" ")[1];
    process.kill(Number(keeper), "SIGKILL");
    await killAgent(agent);
    const containerizer = open(root, { launcher: (context) => new PowerlessLauncher(context) });
    const known = ["well", "stuck"].map((name) => specIn(root, name, ""));
    const { alive, ended, orphans } = await containerizer.recover(known);
    expect([[...alive.keys()], [...ended.keys()], orphans].map(String)).toEqual([
      "well",
      "stuck",
      "orphan",
    ]);
    // One who has the power ends them, by what they left.
    await containerizer.close();
    const { orphans: left } = await open(root).recover([]);
    expect(left.map(String).toSorted()).toEqual(["orphan", "stuck", "well"]);
  });

  test("a killed keeper, a reboot and a missing record are ends nobody saw; reused numbers are not touched", async () => {
    const root = newRoot();
    const agent = await startAgent(root, { keeperless: "exec sleep 100" });
    const pid = recordedPid(root, "keeperless");
    const folder = join(root, "run", "containers");
    process.kill(
      Number(readFileSync(join(folder, "keeperless", "keeper"), "utf8").split(" ")[1]),
      "SIGKILL",
    );
    await killAgent(agent);
    // Records of earlier lives that name a process which is somebody else's by now.
    const stranger = spawn("sleep", ["100"], { detached: true, stdio: "ignore" });
    children.push(stranger);
    const stat = readFileSync(`/proc/${stranger.pid}/stat`, "utf8");
    const bootId = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
    for (const [name, boot, line] of [
      ["rebooted", "another-boot", stat],
      ["reused", bootId, withStart(stat, 1)],
    ] as const) {
      mkdirSync(join(folder, name));
      writeFileSync(join(folder, name, "keeper"), `${boot} ${line}`);
      writeFileSync(join(folder, name, "task"), line);
    }
    const containerizer = open(root);
    const names = ["keeperless", "rebooted", "reused", "missing"];
    const { alive, ended } = await containerizer.recover(
      names.map((name) => specIn(root, name, "")),
    );
    expect(alive.size).toBe(0);
    const messages = names.map((name) => {
      const exit = ended.get(brand<ContainerId>(name))?.exit;
      return exit?.kind === "unknown" ? exit.message : exit;
    });
    expect(messages).toEqual([
      "The keeper of the container was killed while the agent was away",
      "The host restarted while the container ran",
      "The keeper of the container was killed while the agent was away",
      "The container left no trace on this host",
    ]);
    expect(isRunning(pid)).toBe(false);
    expect(isRunning(stranger.pid ?? -1)).toBe(true);
  });

  test("a keeper goes on through the signals that end other processes [DESIGN 7]", async () => {
    const root = newRoot();
    const containerizer = open(root);
    const spec = specIn(root, "steadfast", "while [ ! -e go ]; do sleep 0.01; done; exit 6");
    await containerizer.launch(spec);
    for (const signal of ["SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1"] as const) {
      process.kill(keeperPid(root, "steadfast"), signal);
    }
    writeFileSync(join(spec.directory, "go"), "");
    expect((await containerizer.wait(spec.containerId)).exit).toEqual({ kind: "exited", code: 6 });
  });

  test("a launch whose isolator fails never runs the command and leaves no keeper", async () => {
    const root = newRoot();
    let keeper = -1;
    const containerizer = open(root, {
      isolators: [
        {
          name: "test/failing",
          prepare: async () => ({ environment: {} }),
          isolate: async (_containerId, pid) => {
            keeper = pid;
            throw new Error("no such cgroup");
          },
          usage: async () => ({ timestamp: 0 }),
          update: async () => undefined,
          recover: async () => undefined,
          cleanup: async () => undefined,
          watch: () => () => undefined,
        },
      ],
    });
    const spec = specIn(root, "failing", "touch ran");
    expect(await failureOf(containerizer.launch(spec))).toContain("no such cgroup");
    await until("the keeper is gone", () => !isRunning(keeper));
    expect(existsSync(join(spec.directory, "ran"))).toBe(false);
    expect(readdirSync(join(root, "run", "containers"))).toEqual([]);
  });

  test("a keeper killed under a live agent is noticed and its command ended", async () => {
    const root = newRoot();
    const containerizer = open(root);
    const spec = specIn(root, "keeperless", "exec sleep 100");
    const { pid } = await containerizer.launch(spec);
    process.kill(keeperPid(root, "keeperless"), "SIGKILL");
    const { exit } = await containerizer.wait(spec.containerId);
    expect(exit).toEqual({ kind: "unknown", message: "The keeper of the container was killed" });
    expect(isRunning(pid)).toBe(false);
  });
});

describe("cost", () => {
  test("a keeper costs less than 2 MiB, and many containers start and end together [DESIGN 7, 13]", async () => {
    const root = newRoot();
    const containerizer = open(root);
    const count = Number(process.env["ALLOT_TEST_CONTAINERS"] ?? 100);
    const specs: ContainerSpec[] = [];
    for (let index = 0; index < count; index++) {
      specs.push(
        specIn(root, `many-${index}`, {
          shell: false,
          value: "sleep",
          arguments: ["sleep", "100"],
        }),
      );
    }
    const startMs = performance.now();
    await Promise.all(specs.map((spec) => containerizer.launch(spec)));
    const launchedMs = performance.now();
    const pss = specs.map(({ containerId }) => pssKilobytes(keeperPid(root, containerId)));
    const destroyMs = performance.now();
    await Promise.all(specs.map(({ containerId }) => containerizer.destroy(containerId)));
    const endMs = performance.now();
    await Promise.all(specs.map(({ containerId }) => containerizer.wait(containerId)));
    const average = pss.reduce((total, one) => total + one, 0) / count;
    console.log(
      `${count} containers: launched in ${(launchedMs - startMs).toFixed(0)} ms, destroyed in ${(endMs - destroyMs).toFixed(0)} ms, keeper PSS ${average.toFixed(0)} kB`,
    );
    expect(Math.max(...pss)).toBeLessThan(2048);
    for (const { containerId } of specs) await containerizer.cleanup(containerId);
  }, 60_000);
});

/** Starts an agent process and waits for what it prints once it stands. */
async function startAgent(
  root: string,
  commands: Record<string, string | null>,
  ready: RegExp = /running\n/,
  gate?: string,
): Promise<ChildProcess> {
  const script = join(import.meta.dir, "agent-process.ts");
  const words = [root, JSON.stringify(commands), ...(gate === undefined ? [] : [gate])];
  const agent = spawn(process.execPath, [script, ...words], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  children.push(agent);
  let output = "";
  agent.stdout?.on("data", (chunk: Uint8Array) => {
    output += String(chunk);
  });
  await until("the agent stands", () => {
    return gate === undefined ? ready.test(output) : existsSync(`${gate}.reached`);
  });
  return agent;
}

async function killAgent(agent: ChildProcess): Promise<void> {
  agent.kill("SIGKILL");
  await until("the agent is gone", () => agent.signalCode !== null);
}

function recordedPid(root: string, name: string): number {
  return Number.parseInt(readFileSync(join(root, "run", "containers", name, "task"), "utf8"), 10);
}

function keeperPid(root: string, name: string): number {
  const line = readFileSync(join(root, "run", "containers", name, "keeper"), "utf8");
  return Number(line.split(" ")[1]);
}

function pssKilobytes(pid: number): number {
  const match = /^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, "utf8"));
  return Number(match?.[1]);
}

/** The stat line of a process that started at another time. */
function withStart(stat: string, ticks: number): string {
  const nameEnd = stat.lastIndexOf(")") + 2;
  const fields = stat.slice(nameEnd).split(" ");
  fields[19] = String(ticks);
  return stat.slice(0, nameEnd) + fields.join(" ");
}
