/**
 * Containers with a root of their own, made of a busybox that needs no libraries. Needs root and
 * cgroups v2, with or without controllers.
 */
import { afterEach, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { brand } from "../../../src/base/ids.ts";
import type { Containerizer, ContainerSpec } from "../../../src/containerizer/containerizer.ts";
import { loadTerminals } from "../../../src/platform/terminal.ts";
import { BUSYBOX_OBSTACLE, BUSYBOX_PATH } from "../../harness/static-busybox.ts";
import { failureOf, newRoot, outputOf, removeRoots, specIn, until } from "../containers.ts";
import { nativeIn, newCgroupRoot, OBSTACLE, removeCgroupRoots } from "./native.ts";

const opened: Containerizer[] = [];
const openTerminal = await loadTerminals();

afterEach(async () => {
  for (const containerizer of opened.splice(0)) await containerizer.close();
  await removeCgroupRoots();
  removeRoots();
});

const OBSTACLE_HERE = OBSTACLE ?? BUSYBOX_OBSTACLE;
const reason = OBSTACLE_HERE === undefined ? "" : ` (skipped: ${OBSTACLE_HERE})`;

describe.skipIf(OBSTACLE_HERE !== undefined)(`containers with a root of their own${reason}`, () => {
  test("a command sees its root, a small /dev, its own processes and its sandbox [semantics 7.16]", async () => {
    const { run } = open();
    const command = [
      "pwd",
      "echo $0",
      "ls / | tr '\\n' ' '",
      "ls /dev | tr '\\n' ' '",
      "ls /proc | grep -c '^[0-9]'",
      "echo hidden >/dev/null",
      "cat /sys/fs/cgroup/cgroup.procs | head -1",
      "test -e /etc/resolv.conf && echo resolvers",
      "echo kept >kept; touch /made",
    ].join("; echo; ");
    const { spec, rootfs } = await run("own", command);
    expect(outputOf(spec, "stderr")).toBe("");
    const lines = outputOf(spec)
      .split("\n")
      .filter((line) => line !== "");
    expect(lines[0]).toBe("/mnt/mesos/sandbox");
    expect(lines[2]).toBe("bin dev etc mnt proc sys ");
    expect(lines[3]).toBe("fd full null ptmx pts random shm stderr stdin stdout tty urandom zero ");
    expect(Number(lines[4])).toBeLessThanOrEqual(6);
    expect(lines.at(-1)).toBe("resolvers");
    expect(readFileSync(join(spec.directory, "kept"), "utf8")).toBe("kept\n");
    expect(existsSync(join(rootfs, "made"))).toBe(true);
    expect(existsSync(join(rootfs, "proc/self"))).toBe(false);
  });

  test("users and capabilities hold in there, with nothing of the host's groups [semantics 7.16]", async () => {
    const { run } = open();
    const linux_info = { effective_capabilities: { capabilities: ["NET_BIND_SERVICE"] as const } };
    const { spec } = await run(
      "user",
      "id -u; id -G; grep CapEff /proc/self/status; touch mine; touch /no 2>/dev/null || echo no",
      { user: "nobody", container: { type: "MESOS", linux_info } },
    );
    expect(outputOf(spec)).toBe("65534\n65534\nCapEff:\t0000000000000400\nno\n");
    expect(existsSync(join(spec.directory, "mine"))).toBe(true);
  });

  test("an image needs no shell for a command that needs none, and its environment is as asked", async () => {
    const { run } = open();
    const { spec } = await run(
      "bare",
      { shell: false, value: "/bin/busybox", arguments: ["/bin/busybox", "env"] },
      { environment: { PATH: "/bin", GREETING: "it's me", "odd.name": "x" } },
      (rootfs) => execFileSync("rm", [join(rootfs, "bin/sh")]),
    );
    const lines = outputOf(spec).trim().split("\n").sort();
    expect(lines.filter((line) => !line.startsWith("ALLOT_"))).toEqual([
      "GREETING=it's me",
      "PATH=/bin",
      "odd.name=x",
    ]);
  });

  test("exact ends, volumes at absolute places, and commands beside it [semantics 6.6, 6.8]", async () => {
    const { containerizer, root, rooted } = open();
    const host = join(root, "host");
    mkdirSync(host);
    const { spec } = rooted("beside", "echo $$ >started; exec sleep 1000", {
      container: {
        type: "MESOS",
        volumes: [
          { mode: "RW", container_path: "/data/deep", host_path: host },
          { mode: "RW", container_path: "/mnt/mesos/sandbox/near", host_path: host },
        ],
      },
    });
    await containerizer.launch(spec);
    const inside = await containerizer.runInside({
      ...spec,
      command: { value: "ls / | grep -q allot; echo 1 >/data/deep/one; cat near/one >two; exit 9" },
      timeoutMs: 20_000,
    });
    expect(inside).toEqual({ kind: "exited", code: 9 });
    expect(readFileSync(join(host, "one"), "utf8")).toBe("1\n");
    expect(readFileSync(join(spec.directory, "two"), "utf8")).toBe("1\n");
    await containerizer.signal(spec.containerId, "SIGTERM");
    expect((await containerizer.wait(spec.containerId)).exit).toEqual({
      kind: "signaled",
      signal: 15,
    });
    await containerizer.cleanup(spec.containerId);
  });

  test("nothing of the image or of a volume runs before the user is switched [issue 4]", async () => {
    const { containerizer, root, run, rooted } = open();
    const command = "wc -c </etc/ld.so.preload; echo /x >/etc/ld.so.preload || echo kept";
    const { spec } = await run("preload", command, { user: "nobody" }, (rootfs) => {
      mkdirSync(join(rootfs, "etc"), { recursive: true });
      writeFileSync(join(rootfs, "etc/ld.so.preload"), "/evil.so\n");
    });
    expect(outputOf(spec)).toBe("0\nkept\n");
    for (const [name, container_path] of [
      ["tools", "/.allot"],
      ["inner", "/.allot/loader"],
      ["names", "/etc"],
      ["file", "/etc/../etc/ld.so.preload"],
      ["kernel", "/proc/sys/kernel"],
    ] as const) {
      const volumes = [{ mode: "RW", container_path, host_path: root }] as const;
      const { spec: bad } = rooted(name, "true", { container: { type: "MESOS", volumes } });
      expect(await failureOf(containerizer.launch(bad))).toContain("would cover");
    }
  });

  test("what keeps libraries from our programs stays in its place, whoever may write to the root", async () => {
    const { run } = open();
    const evil = "echo /evil.so >/etc/ld.so.preload";
    const command = `busybox mv /etc /old && busybox mkdir /etc && ${evil} || echo kept; ls /; busybox wc -c </etc/ld.so.preload`;
    const { spec } = await run("renamed", command, { user: "nobody" }, (rootfs) => {
      mkdirSync(join(rootfs, "etc"));
      chmodSync(rootfs, 0o777);
    });
    expect(outputOf(spec)).toBe("kept\nbin\ndev\netc\nmnt\nproc\nsys\n0\n");
  });

  test("a volume is where the image's own links lead, and never outside of its root [semantics 7.16]", async () => {
    const { containerizer, root, run, rooted } = open();
    const host = join(root, "host");
    mkdirSync(host);
    writeFileSync(join(host, "given"), "from the host\n");
    const links = (rootfs: string): void => {
      for (const [name, target] of [
        ["var/run", "/run"],
        ["var/lock", "../run/lock"],
        ["var/up", "../../../../../../run/up"],
        ["sandbox", "/mnt/mesos/sandbox"],
        ["tools", "/.allot"],
        ["kernel", "../../proc"],
        ["circle", "circle"],
      ] as const) {
        mkdirSync(join(rootfs, "var"), { recursive: true });
        symlinkSync(target, join(rootfs, name));
      }
    };
    const volumesAt = (...paths: readonly string[]): Partial<ContainerSpec> => ({
      container: {
        type: "MESOS",
        volumes: paths.map((container_path) => ({ mode: "RW", container_path, host_path: host })),
      },
    });
    const { spec } = await run(
      "links",
      "cat /run/one/given /run/lock/given /run/up/given near/given; ls /var/run",
      volumesAt("/var/run/one", "/var/lock", "/var/up", "/sandbox/near"),
      links,
    );
    expect(outputOf(spec)).toBe(`${"from the host\n".repeat(4)}lock\none\nup\n`);
    expect(existsSync("/run/up")).toBe(false);
    for (const [name, path, message] of [
      ["tools", "/tools/x", "would cover /.allot"],
      ["kernel", "/kernel", "would cover /proc"],
      ["circle", "/circle/x", "leads in circles"],
    ] as const) {
      const { spec: bad, rootfs } = rooted(name, "true", volumesAt(path));
      links(rootfs);
      expect(await failureOf(containerizer.launch(bad))).toContain(message);
    }
  });

  test("a session has a terminal or three pipes in there too [http-api 7.3]", async () => {
    const { containerizer, rooted } = open();
    const { spec } = rooted("session", "exec sleep 1000");
    await containerizer.launch(spec);
    for (const terminal of [{ columns: 80, rows: 25 }, undefined]) {
      let output = "";
      const session = await containerizer.runInteractive?.({
        ...spec,
        sessionId: brand("session-1"),
        command: { value: "read -r line; echo got $line; test -t 0 && echo terminal; exit 5" },
        terminal,
        onOutput: (_stream, data) => {
          output += Buffer.from(data).toString();
        },
      });
      void session?.write(Buffer.from("hello\n"));
      expect(await session?.end).toEqual({ kind: "exited", code: 5 });
      expect(output).toContain("got hello");
      expect(output.includes("terminal")).toBe(terminal !== undefined);
    }
    await containerizer.destroy(spec.containerId);
    await containerizer.cleanup(spec.containerId);
  });

  test("a link in place of the working folder leads a command beside out of no root", async () => {
    const { containerizer, root, rooted } = open();
    writeFileSync(join(root, "outside"), "of the host\n");
    for (const [name, target, end] of [
      ["out", root, 1],
      ["root", "/", 9],
    ] as const) {
      const command = `cd /; busybox rmdir /app/work; busybox ln -s ${target} /app/work; sleep 1000`;
      const { spec, rootfs } = rooted(name, command, { user: "nobody" });
      mkdirSync(join(rootfs, "app/work"), { recursive: true });
      execFileSync("chown", ["-R", "nobody", join(rootfs, "app")]);
      const own = {
        path: rootfs,
        sandboxPath: "/mnt/mesos/sandbox",
        workingDirectory: "/app/work",
      };
      await containerizer.launch({ ...spec, rootfs: own });
      const isLink = (): boolean =>
        lstatSync(join(rootfs, "app/work"), { throwIfNoEntry: false })?.isSymbolicLink() === true;
      await until("there is a link", isLink);
      const inside = await containerizer.runInside({
        ...spec,
        command: { value: "test -e outside && exit 7; test -e .allot && exit 9" },
        timeoutMs: 20_000,
      });
      expect(inside).toEqual({ kind: "exited", code: end });
      await containerizer.destroy(spec.containerId);
      await containerizer.cleanup(spec.containerId);
    }
  });

  test("an image whose folders are links leads nowhere [issue 4]", async () => {
    const { containerizer, root, rooted } = open();
    const { spec, rootfs } = rooted("linked", "true");
    symlinkSync(root, join(rootfs, "mnt"));
    expect(await failureOf(containerizer.launch(spec))).toContain("leads through the link");
    expect(existsSync(join(root, "mesos"))).toBe(false);
    const { spec: resolved, rootfs: second } = rooted("resolv", "cat /etc/resolv.conf");
    const victim = join(root, "victim");
    writeFileSync(victim, "untouched\n");
    mkdirSync(join(second, "etc"));
    symlinkSync(victim, join(second, "etc/resolv.conf"));
    await containerizer.launch(resolved);
    await containerizer.wait(resolved.containerId);
    expect(readFileSync(victim, "utf8")).toBe("untouched\n");
    expect(outputOf(resolved)).toBe(readFileSync("/etc/resolv.conf", "utf8"));
  });
});

interface Rooted {
  readonly spec: ContainerSpec;
  readonly rootfs: string;
}

type Command = string | ContainerSpec["command"];

function open(): {
  containerizer: Containerizer;
  root: string;
  rooted: (name: string, command: Command, more?: Partial<ContainerSpec>) => Rooted;
  run: (
    name: string,
    command: Command,
    more?: Partial<ContainerSpec>,
    change?: (rootfs: string) => void,
  ) => Promise<Rooted>;
} {
  const root = newRoot();
  chmodSync(root, 0o755);
  const containerizer = nativeIn(root, { openTerminal, cgroups: { root: newCgroupRoot() } });
  opened.push(containerizer);
  const rooted = (name: string, command: Command, more: Partial<ContainerSpec> = {}): Rooted => {
    const rootfs = join(root, `rootfs-${name}`);
    mkdirSync(join(rootfs, "bin"), { recursive: true });
    copyFileSync(BUSYBOX_PATH, join(rootfs, "bin/busybox"));
    for (const applet of [
      "sh",
      "ls",
      "cat",
      "tr",
      "grep",
      "id",
      "touch",
      "head",
      "sleep",
      "test",
    ]) {
      symlinkSync("busybox", join(rootfs, "bin", applet));
    }
    const spec = specIn(root, name, command, {
      environment: { PATH: "/bin" },
      rootfs: { path: rootfs, sandboxPath: "/mnt/mesos/sandbox" },
      ...more,
    });
    return { spec, rootfs };
  };
  const run = async (
    name: string,
    command: Command,
    more: Partial<ContainerSpec> = {},
    change: (rootfs: string) => void = () => undefined,
  ): Promise<Rooted> => {
    const made = rooted(name, command, more);
    change(made.rootfs);
    await containerizer.launch(made.spec);
    await containerizer.wait(made.spec.containerId);
    await containerizer.cleanup(made.spec.containerId);
    return made;
  };
  return { containerizer, root, rooted, run };
}
