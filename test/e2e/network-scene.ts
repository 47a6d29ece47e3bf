/** What end-to-end tests of networks share: a master and an agent as if on a host of their own. */
import { expect } from "bun:test";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  HIERARCHY,
  newCgroupRoot,
  OBSTACLE,
  removeCgroupRoots,
} from "../containerizer/native/native.ts";
import {
  type AllotProcess,
  BINARY,
  makeWorkDir,
  removeWorkDir,
  startAllot,
} from "../harness/allot-process.ts";
import {
  CNI_PLUGINS,
  HOST_NETWORK_OBSTACLE,
  type HostNetwork,
  makeHostNetwork,
} from "../harness/host-network.ts";
import { runProgram } from "../harness/run-program.ts";
import { BUSYBOX_OBSTACLE } from "../harness/static-busybox.ts";
import { type Offer, TestFramework } from "../harness/test-framework.ts";
import { until } from "../harness/wait.ts";

/** Why there can be none here; undefined when there can. */
export const NETWORK_OBSTACLE: string | undefined =
  OBSTACLE ?? HOST_NETWORK_OBSTACLE ?? BUSYBOX_OBSTACLE;

export const BUSYBOX: string = Bun.which("busybox") ?? "busybox";

/** A task that may have networks. */
export interface NetworkTask {
  readonly id: string;
  readonly command: string;
  readonly networks?: readonly object[];
  readonly hostname?: string;
  readonly ports?: readonly number[];
  readonly health_check?: object;
  readonly check?: object;
}

export interface NetworkScene {
  readonly host: HostNetwork;
  readonly workDir: string;
  /** By which an agent has containers here. */
  readonly launcherFlags: readonly string[];
  /** Folder of networks; `web` is in it. */
  readonly configs: string;
  /** Folder of plugins beside those of Debian. */
  readonly plugins: string;
  readonly master: AllotProcess;
  readonly framework: TestFramework;
  agent(): AllotProcess;
  startAgent(): Promise<void>;
  info(offer: Offer, task: NetworkTask): object;
  /** On the oldest offer unless told. */
  launch(tasks: readonly NetworkTask[], offer?: Offer): Promise<void>;
  /** Told with TASK_RUNNING, which is waited for. */
  addressOf(id: string): Promise<string>;
  /** As the status of the task has it. */
  containerIdOf(id: string): Promise<object>;
  /** Without waiting for anything. */
  orderKill(id: string): Promise<void>;
  kill(id: string): Promise<void>;
  /** From the agent's host. */
  get(url: string): Promise<string>;
  /** /name at a port of the agent's host. */
  getOutside(port: number): Promise<string>;
  outputOf(id: string): Promise<string>;
  exec(id: string, ...words: readonly string[]): Promise<string>;
  /** Addresses that are given out. */
  leases(): string[];
  expectNothingLeft(): Promise<void>;
  remove(): Promise<void>;
}

/** Serves the name at /name. */
export function server(name: string): string {
  return `echo ${name} >name; exec ${BUSYBOX} httpd -f -p 80`;
}

/** A network on a bridge, without the plugin that maps ports. */
export const bridgeOf = ({ workDir }: Pick<NetworkScene, "workDir">): object => ({
  cniVersion: "0.4.0",
  name: "web",
  type: "bridge",
  bridge: "web0",
  isGateway: true,
  ipMasq: true,
  ipam: {
    type: "host-local",
    subnet: "10.97.0.0/24",
    dataDir: join(workDir, "leases"),
    routes: [{ dst: "0.0.0.0/0" }],
  },
  dns: { nameservers: ["10.97.0.1"], search: ["example.test"] },
});

/** A master and an agent with the network `web`, on a network of their own. */
export async function networkScene(): Promise<NetworkScene> {
  const workDir = makeWorkDir();
  const [configs, plugins] = ["configs", "plugins"].map((name) => join(workDir, name)) as [
    string,
    string,
  ];
  for (const folder of [configs, plugins]) mkdirSync(folder);
  const { cniVersion, name, ...bridge } = bridgeOf({ workDir }) as {
    cniVersion: string;
    name: string;
  };
  const portmap = { type: "portmap", capabilities: { portMappings: true } };
  writeFileSync(
    join(configs, "web.conflist"),
    JSON.stringify({ cniVersion, name, plugins: [bridge, portmap] }),
  );
  const host = await makeHostNetwork();
  const cgroupRoot = newCgroupRoot();
  const processes: AllotProcess[] = [];
  const start = async (
    role: "master" | "agent",
    flags: readonly string[],
  ): Promise<AllotProcess> => {
    const started = await startAllot({
      role,
      workDir: join(workDir, role),
      command: [...host.words, BINARY],
      flags: [`--ip=${host.ip}`, ...flags],
    });
    processes.push(started);
    return started;
  };
  const master = await start("master", []);
  let agent: AllotProcess;
  const launcherFlags = [
    "--launcher=linux",
    `--cgroups_hierarchy=${HIERARCHY}`,
    `--cgroups_root=${cgroupRoot}`,
  ];
  const flags = [
    `--master=${new URL(master.url).host}`,
    "--resources=cpus:100;mem:10000;disk:10000;ports:[31000-32000]",
    ...launcherFlags,
    `--network_cni_config_dir=${configs}`,
    `--network_cni_plugins_dir=${plugins}:${CNI_PLUGINS}`,
  ];
  const framework = await TestFramework.subscribe({
    master: master.url,
    info: {
      checkpoint: true,
      failover_timeout: 3600,
      capabilities: [{ type: "MULTI_ROLE" }, { type: "PARTITION_AWARE" }],
    },
  });
  const before = await host.run("iptables-save");
  let port = 0;
  const scene: NetworkScene = {
    host,
    workDir,
    launcherFlags,
    configs,
    plugins,
    master,
    framework,
    agent: () => agent,
    startAgent: async () => {
      agent = await start("agent", [...flags, `--port=${port}`]);
      port = Number(new URL(agent.url).port);
    },
    info: (offer, { id, command, networks = [], hostname, ports = [], ...checks }) => ({
      name: id,
      task_id: { value: id },
      agent_id: offer.agent_id,
      command: { value: command },
      resources: resources(offer, { cpus: 0.01, mem: 32 }, ports),
      ...(networks.length > 0 && {
        container: {
          type: "MESOS",
          network_infos: networks,
          ...(hostname !== undefined && { hostname }),
        },
      }),
      kill_policy: { grace_period: { nanoseconds: 0.1e9 } },
      ...checks,
    }),
    launch: async (tasks, given) => {
      const offer = given ?? (await framework.offer());
      await framework.call("ACCEPT", {
        accept: {
          offer_ids: [offer.id],
          operations: [
            {
              type: "LAUNCH",
              launch: { task_infos: tasks.map((task) => scene.info(offer, task)) },
            },
          ],
          filters: { refuse_seconds: 0 },
        },
      });
    },
    addressOf: async (id) => {
      const [info] = (await runningStatus(framework, id)).network_infos;
      expect(info?.name).toBe("web");
      return info?.ip_addresses[0]?.ip_address ?? "";
    },
    containerIdOf: async (id) => (await runningStatus(framework, id)).container_id,
    orderKill: async (id) => {
      await framework.send("KILL", { kill: { task_id: { value: id } } });
    },
    kill: async (id) => {
      await scene.orderKill(id);
      await framework.status(id, "TASK_KILLED");
    },
    get: (url) =>
      until(`${url} to answer`, () =>
        host.run(BUSYBOX, "wget", "-qO-", url).catch(() => undefined),
      ),
    getOutside: async (hostPort) => (await fetch(`http://${host.ip}:${hostPort}/name`)).text(),
    outputOf: async (id) => {
      const { stdout } = await runProgram(BINARY, [
        "logs",
        id,
        `--master=${new URL(master.url).host}`,
      ]);
      return stdout;
    },
    exec: async (id, ...words) => {
      const { stdout } = await runProgram(BINARY, [
        "exec",
        `--master=${new URL(master.url).host}`,
        id,
        "--",
        ...words,
      ]);
      return stdout;
    },
    leases: () => leasesBelow(join(workDir, "leases")),
    expectNothingLeft: async () => {
      const left = async (): Promise<unknown> => ({
        leases: scene.leases(),
        mounts:
          readFileSync("/proc/self/mountinfo", "utf8")
            .match(/^.*allot-e2e-.*$/gm)
            ?.filter((line) => line.includes(workDir)) ?? [],
        interfaces: (await host.run("ip", "-o", "link")).match(/veth\w+/g) ?? [],
        rules: rulesIn(await host.run("iptables-save")).filter(
          (rule) => !rulesIn(before).includes(rule),
        ),
        networks: existsSync(join(workDir, "agent/runtime/networks"))
          ? readdirSync(join(workDir, "agent/runtime/networks"))
          : [],
      });
      const nothing = { leases: [], mounts: [], interfaces: [], rules: [], networks: [] };
      await until(
        "nothing to be left",
        async () => Bun.deepEquals(await left(), nothing),
        20_000,
      ).catch(() => undefined);
      expect(await left()).toEqual(nothing);
    },
    remove: async () => {
      for (const one of processes) if (one.isRunning()) await one.end("SIGKILL");
      // After a test that failed something may be held.
      await runProgram("sh", [
        "-c",
        `grep -o '${workDir}[^ ]*' /proc/self/mountinfo | tac | xargs -r -n 1 umount -l`,
      ]);
      await removeWorkDir(workDir);
      await host.remove();
      await removeCgroupRoots();
    },
  };
  await scene.startAgent();
  return scene;
}

interface ContainerStatus {
  readonly container_id: object;
  readonly network_infos: readonly {
    readonly name?: string;
    readonly ip_addresses: readonly { readonly ip_address: string }[];
  }[];
}

/** What is told of the container with TASK_RUNNING, which is waited for. */
async function runningStatus(framework: TestFramework, id: string): Promise<ContainerStatus> {
  const status = await until(`${id} to run`, () => {
    const updates = framework.updates.filter(({ task_id }) => task_id.value === id);
    const failure = updates.find(({ state }) => /FAILED|ERROR/.test(state));
    if (failure !== undefined) throw new Error(failure.message);
    return updates.find(({ state }) => state === "TASK_RUNNING");
  });
  return (status as unknown as { container_status: ContainerStatus }).container_status;
}

/** Of the offer's role. */
export function resources(
  offer: Offer,
  scalars: Readonly<Record<string, number>>,
  ports: readonly number[] = [],
): object[] {
  const allocation_info = offer.resources[0]?.allocation_info;
  const range = ports.map((port) => ({ begin: port, end: port }));
  return [
    ...Object.entries(scalars).map(([name, value]) => ({
      name,
      type: "SCALAR",
      scalar: { value },
      allocation_info,
    })),
    ...(ports.length === 0
      ? []
      : [{ name: "ports", type: "RANGES", ranges: { range }, allocation_info }]),
  ];
}

/** A shell script as a plugin. */
export function writePlugin(folder: string, name: string, text: string): void {
  writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
}

function leasesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .flatMap((network) => readdirSync(join(folder, network)))
    .filter((name) => /^\d+\./.test(name));
}

/** Rules that are about a container; those that only lead to such rules stay, as the plugins have it. */
function rulesIn(saved: string): string[] {
  return saved.split("\n").filter((line) => /10\.97\.|CNI-[0-9a-f]{24}|CNI-DN/.test(line));
}
