/**
 * Goal: containers join networks of their own and leave them without a trace, whatever plugins and
 * agents do in between. Method: real namespaces, and plugins that write down how they are called and
 * touch nothing. Needs root and cgroups v2.
 */
import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { brand, type ContainerId } from "../../../../src/base/ids.ts";
import type { Clock } from "../../../../src/base/ports.ts";
import type { Containerizer, ContainerSpec } from "../../../../src/containerizer/containerizer.ts";
import { CNI_RETRY_MS_MIN, LAUNCHES_AT_ONCE } from "../../../../src/containerizer/limits.ts";
import { systemClock } from "../../../../src/platform/system.ts";
import type { ContainerInfo, NetworkInfo } from "../../../../src/protocol/v1/types.ts";
import { BUSYBOX_OBSTACLE, BUSYBOX_PATH } from "../../../harness/static-busybox.ts";
import { failureOf, newRoot, outputOf, removeRoots, specIn, until } from "../../containers.ts";
import { nativeIn, newCgroupRoot, OBSTACLE, removeCgroupRoots } from "../native.ts";

/** A process costs a tenth of a second in the test machine, and some tests here need hundreds. */
setDefaultTimeout(240_000);

const scenes: Scene[] = [];
const reason = OBSTACLE === undefined ? "" : ` (skipped: ${OBSTACLE})`;

afterEach(async () => {
  for (const { root, opened } of scenes.splice(0)) {
    for (const containerizer of opened) await containerizer.close();
    expect(mountsBelow(root)).toEqual([]);
  }
  await removeCgroupRoots();
  removeRoots();
});

describe.skipIf(OBSTACLE !== undefined)(`networks of native containers${reason}`, () => {
  test("plugins are called in turn before the container starts, and backwards when it is gone [CNI 1.0 §2, 4]", async () => {
    const scene = open();
    const { containerizer, calls } = scene;
    const port_mappings = [{ host_port: 31000, container_port: 80 }];
    const command =
      "hostname; echo $MESOS_CONTAINER_IP $LIBPROCESS_IP; cat /etc/hosts; exec sleep 100";
    const spec = scene.spec("one", command, listing({ name: "pair", port_mappings }), {
      resources: [
        { name: "ports", type: "RANGES", ranges: { range: [{ begin: 31000, end: 31000 }] } },
      ],
    });
    const { pid, status } = await containerizer.launch(spec);
    const network_infos = [
      { name: "pair", port_mappings, ip_addresses: [{ protocol: "IPv4", ip_address: "10.9.0.2" }] },
    ] as const;
    expect(status).toEqual({ network_infos });
    expect(await containerizer.status(spec.containerId)).toMatchObject({
      network_infos,
      executor_pid: pid,
    });
    await until("it has said all", () => outputOf(spec).endsWith("10.9.0.2 one\n"));
    expect(outputOf(spec)).toBe(
      "one\n10.9.0.2 0.0.0.0\n127.0.0.1 localhost\n::1 localhost\n10.9.0.2 one\n",
    );
    expect(namespaceOf(pid)).not.toBe(namespaceOf("self"));
    const inside = await containerizer.runInside({
      containerId: spec.containerId,
      command: {
        value:
          'test "$(hostname)" = one && test "$(readlink /proc/self/ns/net)" = "$(readlink /proc/1/ns/net)"',
      },
      environment: { PATH: "/usr/bin:/bin" },
      directory: spec.directory,
      user: undefined,
      timeoutMs: 30_000,
    });
    expect(inside).toEqual({ kind: "exited", code: 0 });
    await containerizer.destroy(spec.containerId);
    await containerizer.cleanup(spec.containerId);
    const netns = expect.stringMatching(/one\/ns$/);
    const common = { id: "one", ifname: "eth0", path: scene.plugins, netns };
    const result = (plugin: string): object => ({
      cniVersion: "0.4.0",
      by: plugin,
      ips: [{ address: "10.9.0.2/24" }],
    });
    expect(calls().filter(({ plugin }) => plugin !== "loopback")).toMatchObject([
      {
        ...common,
        plugin: "first",
        command: "ADD",
        isHeld: true,
        input: {
          name: "pair",
          cniVersion: "0.4.0",
          args: { "org.apache.mesos": { network_info: { name: "pair", port_mappings } } },
        },
      },
      {
        ...common,
        plugin: "second",
        command: "ADD",
        input: {
          prevResult: result("first"),
          runtimeConfig: {
            portMappings: [{ hostPort: 31000, containerPort: 80, protocol: "tcp" }],
          },
        },
      },
      {
        ...common,
        plugin: "second",
        command: "DEL",
        isHeld: true,
        input: { prevResult: result("second") },
      },
      { ...common, plugin: "first", command: "DEL", input: { prevResult: result("second") } },
    ]);
    expect(calls()[0]).toMatchObject({ plugin: "loopback", command: "ADD", ifname: "lo" });
    expect(calls()[1]?.input).not.toHaveProperty("prevResult");
    expect(calls()[1]?.input).not.toHaveProperty("runtimeConfig");
    expect(scene.left()).toEqual([]);
  });

  test("a plugin that fails fails the launch, and everything before it is undone", async () => {
    const scene = open();
    scene.fail("second", "ADD");
    const spec = scene.spec("bad", "true", listing({ name: "single" }, { name: "pair" }));
    expect(await failureOf(scene.containerizer.launch(spec))).toBe(
      "The CNI plugin second failed to attach the container to network pair: told to fail; as it was",
    );
    const told = scene
      .calls()
      .map(({ plugin, command, ifname }) => `${command} ${plugin} ${ifname}`);
    expect(told.slice(1)).toEqual([
      "ADD first eth0",
      "ADD first eth1",
      "ADD second eth1",
      "DEL second eth1",
      "DEL first eth1",
      "DEL first eth0",
    ]);
    expect(scene.left()).toEqual([]);
  });

  test("plugins that hang hold up nobody else [issue 4]", async () => {
    const scene = open();
    const { containerizer } = scene;
    const hang = join(scene.root, "hang");
    writeFileSync(hang, "");
    const hanging = Array.from({ length: LAUNCHES_AT_ONCE + 1 }, (_, index) =>
      scene.spec(`hanging-${index}`, "true", listing({ name: "single" })),
    );
    const ends = hanging.map((spec) => failureOf(containerizer.launch(spec)));
    const other = specIn(scene.root, "other", "exit 7");
    await containerizer.launch(other);
    const { exit } = await containerizer.wait(other.containerId);
    expect([exit, existsSync(hang)]).toEqual([{ kind: "exited", code: 7 }, true]);
    await containerizer.cleanup(other.containerId);
    scene.fail("loopback", "ADD");
    rmSync(hang);
    for (const end of await Promise.all(ends)) expect(end).toContain("told to fail");
    expect(scene.left()).toEqual([]);
  });

  test("a network that cannot be left holds up nobody, and is left when it can be [issue 4]", async () => {
    const scene = open();
    const spec = scene.spec("stuck", "true", listing({ name: "pair" }));
    await scene.containerizer.launch(spec);
    await scene.containerizer.wait(spec.containerId);
    scene.fail("second", "DEL");
    await scene.containerizer.cleanup(spec.containerId);
    expect(scene.left()).toEqual(["stuck"]);
    await scene.containerizer.close();
    // Another agent process knows of it, with other plugins or none.
    const next = scene.open({
      clock: impatientClock,
      networks: { configDir: undefined, pluginDirs: [], isPersistent: false },
    });
    expect((await next.recover([])).orphans).toEqual([]);
    await until(
      "it is tried again",
      () => scene.calls().filter(({ command }) => command === "DEL").length >= 4,
    );
    expect(scene.left()).toEqual(["stuck"]);
    scene.succeed("second", "DEL");
    await until("nothing is left", () => mountsBelow(scene.root).length === 0);
    expect(scene.left()).toEqual([]);
  });

  test("after a restart of the agent networks are known, and those of nobody go [semantics 7.7]", async () => {
    const scene = open();
    const [kept, orphan] = ["kept", "orphan"].map((name) =>
      scene.spec(name, "exec sleep 100", listing({ name: "pair" })),
    ) as [ContainerSpec, ContainerSpec];
    for (const spec of [kept, orphan]) await scene.containerizer.launch(spec);
    await scene.containerizer.close();
    const next = scene.open();
    const { alive, orphans } = await next.recover([kept]);
    expect(orphans).toEqual([orphan.containerId]);
    expect(alive.get(kept.containerId)?.status?.network_infos).toMatchObject([
      { name: "pair", ip_addresses: [{ ip_address: "10.9.0.2" }] },
    ]);
    await until("the orphan's to be gone", () => scene.left().length === 1);
    // What is nested in it later shares it, as do containers of the same group.
    const child = scene.spec("child", "exec sleep 100", undefined, { parentId: kept.containerId });
    const { pid } = await next.launch(child);
    expect(namespaceOf(pid)).toBe(namespaceOf(alive.get(kept.containerId)?.pid ?? 0));
    await next.destroy(kept.containerId);
    await next.destroy(child.containerId);
    await next.cleanup(kept.containerId);
    expect(scene.left()).toEqual(["kept"]);
    await next.cleanup(child.containerId);
    expect(scene.left()).toEqual([]);
  });

  test("addresses are given back after a restart of the host, when no namespace is there any more", async () => {
    const scene = open();
    const spec = scene.spec("gone", "exec sleep 100", listing({ name: "pair" }));
    await scene.containerizer.launch(spec);
    await scene.containerizer.destroy(spec.containerId);
    await scene.containerizer.close();
    const folder = join(scene.networks(), "gone");
    execFileSync("umount", ["-l", join(folder, "ns")]);
    await scene.open().recover([]);
    await until("nothing is left", () => mountsBelow(scene.root).length === 0);
    expect(scene.left()).toEqual([]);
    expect(scene.calls().at(-1)).toMatchObject({ plugin: "first", command: "DEL", netns: "" });
  });

  test("a group has one network as long as one of it is there; others choose for themselves [semantics 7.16]", async () => {
    const scene = open();
    const { containerizer } = scene;
    const group = {
      groupId: brand<ContainerId>("pod"),
      container: { ...listing({ name: "pair" }), hostname: "pod.test" },
    };
    const member = (name: string): ContainerSpec =>
      scene.spec(name, "hostname; exec sleep 100", undefined, { group });
    const [one, two, own, host] = [
      member("one"),
      member("two"),
      scene.spec("own", "exec sleep 100", listing({ name: "single" }), { group }),
      scene.spec("host", "exec sleep 100", listing({}), { group }),
    ];
    const launched = await Promise.all(
      [one, two, own, host].map((spec) => containerizer.launch(spec)),
    );
    const [first, second, third, fourth] = launched.map(({ pid }) => namespaceOf(pid));
    expect(second).toBe(first);
    expect(new Set([first, third, fourth]).size).toBe(3);
    expect(fourth).toBe(namespaceOf("self"));
    await until("it has said its name", () => outputOf(two) !== "");
    expect(outputOf(two)).toBe("pod.test\n");
    expect(scene.left()).toEqual(["own", "pod"]);
    for (const spec of [one, own, host]) {
      await containerizer.destroy(spec.containerId);
      await containerizer.cleanup(spec.containerId);
    }
    expect(scene.left()).toEqual(["pod"]);
    await containerizer.destroy(two.containerId);
    await containerizer.cleanup(two.containerId);
    expect(scene.left()).toEqual([]);
    expect(
      scene.calls().filter(({ id, command }) => id === "pod" && command === "DEL"),
    ).toHaveLength(2);
  });

  test.skipIf(Bun.which("ip") === null)(
    "its loopback works, also without a plugin for it",
    async () => {
      const scene = open();
      rmSync(join(scene.plugins, "loopback"));
      const spec = scene.spec("lo", "ip -o address show up", listing({ name: "single" }));
      await scene.containerizer.launch(spec);
      await scene.containerizer.wait(spec.containerId);
      await scene.containerizer.cleanup(spec.containerId);
      expect(outputOf(spec)).toContain("lo    inet 127.0.0.1/8");
    },
  );

  test("a namespace goes with its container, whatever containers started in between [issue 4]", async () => {
    const scene = open();
    const { containerizer } = scene;
    const [before, later] = ["before", "later"].map((name) =>
      scene.spec(name, "exec sleep 100", listing({ name: "single" })),
    ) as [ContainerSpec, ContainerSpec];
    const { pid } = await containerizer.launch(before);
    const { pid: laterPid } = await containerizer.launch(later);
    const bystander = specIn(scene.root, "bystander", "exec sleep 100");
    const { pid: bystanderPid } = await containerizer.launch(bystander);
    await containerizer.destroy(before.containerId);
    expect(existsSync(`/proc/${pid}`)).toBe(false);
    await containerizer.cleanup(before.containerId);
    for (const holder of [laterPid, bystanderPid]) {
      expect(readFileSync(`/proc/${holder}/mountinfo`, "utf8")).not.toContain("/before/ns");
    }
    for (const { containerId } of [later, bystander]) {
      await containerizer.destroy(containerId);
      await containerizer.cleanup(containerId);
    }
    expect(scene.left()).toEqual([]);
  });

  test.skipIf(BUSYBOX_OBSTACLE !== undefined)(
    "a root of its own has the network's files, whatever links it brings [semantics 7.16]",
    async () => {
      const scene = open();
      chmodSync(scene.root, 0o755);
      const path = join(scene.root, "rootfs");
      const victim = join(scene.root, "victim");
      writeFileSync(victim, "untouched\n");
      for (const name of ["bin", "etc"]) mkdirSync(join(path, name), { recursive: true });
      copyFileSync(BUSYBOX_PATH, join(path, "bin/busybox"));
      for (const name of ["sh", "cat", "hostname"]) symlinkSync("busybox", join(path, "bin", name));
      symlinkSync(victim, join(path, "etc/hosts"));
      const spec = scene.spec(
        "rooted",
        "cat /etc/hosts /etc/hostname; hostname",
        listing({ name: "pair" }),
        {
          environment: { PATH: "/bin" },
          rootfs: { path, sandboxPath: "/mnt/mesos/sandbox" },
        },
      );
      await scene.containerizer.launch(spec);
      await scene.containerizer.wait(spec.containerId);
      await scene.containerizer.cleanup(spec.containerId);
      expect(outputOf(spec)).toBe(
        "127.0.0.1 localhost\n::1 localhost\n10.9.0.2 rooted\nrooted\nrooted\n",
      );
      expect(readFileSync(victim, "utf8")).toBe("untouched\n");
    },
  );

  test("an agent without networks says so, and one whose --isolation leaves them out too [issue 4]", async () => {
    const scene = open();
    const spec = scene.spec("none", "true", listing({ name: "pair" }));
    const bare = scene.open({
      networks: { configDir: undefined, pluginDirs: [], isPersistent: false },
    });
    expect(await failureOf(bare.launch(spec))).toContain(
      "Unknown CNI network 'pair': this agent has no networks",
    );
    const narrow = scene.open({ isolation: new Set(["cgroups/pids"]) });
    expect(await failureOf(narrow.launch(spec))).toContain("needs the isolator network/cni");
  });
});

interface Call {
  readonly plugin: string;
  readonly command: string;
  readonly id: string;
  readonly ifname: string;
  readonly netns: string;
  readonly path: string;
  readonly isHeld: boolean;
  readonly input: Record<string, unknown>;
}

interface Scene {
  readonly root: string;
  readonly plugins: string;
  /** Every one that was opened, to be closed. */
  readonly opened: Containerizer[];
  readonly containerizer: Containerizer;
  open(options?: Parameters<typeof nativeIn>[1]): Containerizer;
  spec(
    name: string,
    command: string,
    container: ContainerInfo | undefined,
    more?: Partial<ContainerSpec>,
  ): ContainerSpec;
  /** How plugins were called so far. */
  calls(): Call[];
  fail(plugin: string, command: string): void;
  succeed(plugin: string, command: string): void;
  /** Folder with the networks of the agent. */
  networks(): string;
  /** Owners of networks that are there. */
  left(): string[];
}

/** Waits before the next attempt to leave a network, which are short for this clock alone. */
const RETRIES_MS: readonly number[] = [1, 2, 4, 8].map((times) => CNI_RETRY_MS_MIN * times);

const impatientClock: Clock = {
  ...systemClock,
  wallMs: () => systemClock.wallMs(),
  monotonicMs: () => systemClock.monotonicMs(),
  nextTurn: (callback) => systemClock.nextTurn(callback),
  schedule: (delayMs, callback) =>
    systemClock.schedule(RETRIES_MS.includes(delayMs) ? delayMs / 50 : delayMs, callback),
};

function open(): Scene {
  const root = newRoot();
  const cgroupRoot = newCgroupRoot();
  const [plugins, configs] = ["plugins", "configs"].map((name) => join(root, name)) as [
    string,
    string,
  ];
  for (const folder of [plugins, configs]) mkdirSync(folder);
  for (const name of ["loopback", "first", "second"]) writePlugin(root, name);
  const second = { type: "second", capabilities: { portMappings: true } };
  const pair = { name: "pair", cniVersion: "0.4.0", plugins: [{ type: "first" }, second] };
  writeFileSync(join(configs, "pair.conflist"), JSON.stringify(pair));
  writeFileSync(join(configs, "single.conf"), JSON.stringify({ name: "single", type: "first" }));
  const opened: Containerizer[] = [];
  const networks = join(root, "run/networks");
  const openOne: Scene["open"] = (options) => {
    const containerizer = nativeIn(root, {
      networks: { configDir: configs, pluginDirs: [plugins], isPersistent: false },
      ...options,
      cgroups: { root: cgroupRoot },
    });
    opened.push(containerizer);
    return containerizer;
  };
  const folder = (): string =>
    join(networks, namesIn(networks).find((name) => !name.endsWith(".lock")) ?? "none");
  const scene: Scene = {
    root,
    plugins,
    opened,
    containerizer: openOne(),
    open: openOne,
    spec: (name, command, container, more) =>
      specIn(root, name, command, { ...(container === undefined ? {} : { container }), ...more }),
    calls: () =>
      readFileSync(join(root, "calls"), "utf8")
        .split("\n")
        .filter((line) => line !== "")
        .map((line) => JSON.parse(line) as Call),
    fail: (plugin, command) => writeFileSync(join(root, `fail-${plugin}-${command}`), ""),
    succeed: (plugin, command) => rmSync(join(root, `fail-${plugin}-${command}`)),
    networks: folder,
    left: () => namesIn(folder()).sort(),
  };
  scenes.push(scene);
  return scene;
}

/** Writes down its call and answers with one address. */
function writePlugin(root: string, name: string): void {
  const text = `#!/bin/sh
held=false
[ "$(stat -f -c %T "$CNI_NETNS" 2>/dev/null)" != nsfs ] || held=true
printf '{"plugin":"${name}","command":"%s","id":"%s","ifname":"%s","netns":"%s","path":"%s","isHeld":%s,"input":%s}\\n' \\
  "$CNI_COMMAND" "$CNI_CONTAINERID" "$CNI_IFNAME" "$CNI_NETNS" "$CNI_PATH" "$held" "$(cat)" >>${root}/calls
while [ -e "${root}/hang" ]; do sleep 0.5; done
if [ -e "${root}/fail-${name}-$CNI_COMMAND" ]; then
  echo '{"code": 100, "msg": "told to fail", "details": "as it was"}'
  exit 1
fi
[ "$CNI_COMMAND" = DEL ] || echo '{"cniVersion": "0.4.0", "by": "${name}", "ips": [{"address": "10.9.0.2/24"}]}'
`;
  writeFileSync(join(root, "plugins", name), text, { mode: 0o755 });
}

function listing(...network_infos: readonly NetworkInfo[]): ContainerInfo {
  return { type: "MESOS", network_infos };
}

function namespaceOf(pid: number | "self"): string {
  return readlinkSync(`/proc/${pid}/ns/net`);
}

function mountsBelow(folder: string): string[] {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .filter((line) => line.includes(`${folder}/`));
}

function namesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}
