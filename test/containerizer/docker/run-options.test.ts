/** From a task to the call that creates its container: every rule of semantics 7.15, as data. */
import { describe, expect, test } from "bun:test";
import { brand } from "../../../src/base/ids.ts";
import {
  ContainerizerError,
  type ContainerSpec,
} from "../../../src/containerizer/containerizer.ts";
import { type RunPlan, runPlan } from "../../../src/containerizer/docker/run-options.ts";
import type {
  ContainerInfo,
  ContainerInfoDockerInfo,
  Parameter,
} from "../../../src/protocol/v1/types.ts";

const SETTINGS = {
  mark: "mark",
  sandboxPath: "/mnt/mesos/sandbox",
  isCfsEnabled: false,
  hostMemoryBytes: 4096 * 2 ** 20,
  logBounds: { maxBytes: { stdout: undefined, stderr: undefined }, files: 3 },
};

type Info = Partial<Omit<ContainerInfo, "docker">> & { docker?: Partial<ContainerInfoDockerInfo> };

function plan(info: Info = {}, spec: Partial<ContainerSpec> = {}, settings = {}): RunPlan {
  const full: ContainerSpec = {
    containerId: brand("id"),
    command: { value: "run" },
    environment: {},
    directory: "/work/a:b",
    user: undefined,
    resources: [],
    ...spec,
    container: { type: "DOCKER", ...info, docker: { image: "i:1", ...info.docker } },
  };
  return runPlan(full, "i:1", { ...SETTINGS, ...settings });
}

const host = (info?: Info, spec?: Partial<ContainerSpec>, settings = {}): unknown =>
  plan(info, spec, settings).body["HostConfig"];
const scalar = (name: string, value: number) =>
  ({ name, type: "SCALAR", scalar: { value } }) as const;
const ports = (begin: number, end: number) =>
  ({ name: "ports", type: "RANGES", ranges: { range: [{ begin, end }] } }) as const;
const withParameters = (...pairs: readonly (readonly [string, string])[]): Info => ({
  docker: { parameters: pairs.map(([key, value]): Parameter => ({ key, value })) },
});

describe("a Docker container", () => {
  test("has the name, the marks and the sandbox of its own, which wins [semantics 7.15]", () => {
    const origin = { frameworkId: "fw", executorId: "ex", taskId: "task" };
    const info = withParameters(["label", "allot.agent_mark=forged"], ["label", "own=1"]);
    const { name, body } = plan(info, { origin, environment: { A: "1", MESOS_SANDBOX: "no" } });
    expect(name).toBe("mesos-id");
    expect(body["Labels"]).toEqual({
      own: "1",
      "allot.agent_mark": "mark",
      "allot.container_id": "id",
      "allot.framework_id": "fw",
      "allot.executor_id": "ex",
      "allot.task_id": "task",
    });
    expect(body["Env"]).toEqual([
      "A=1",
      "MESOS_SANDBOX=/mnt/mesos/sandbox",
      "MESOS_CONTAINER_NAME=mesos-id",
    ]);
    expect(body["HostConfig"]).toMatchObject({
      NetworkMode: "host",
      Mounts: [
        { Type: "bind", Source: "/work/a:b", Target: "/mnt/mesos/sandbox", ReadOnly: false },
      ],
    });
  });

  test("runs a shell line, words or what the image says [semantics 7.15]", () => {
    const commandOf = (command: ContainerSpec["command"]): unknown => {
      const { Entrypoint, Cmd } = plan({}, { command }).body;
      return [Entrypoint, Cmd];
    };
    expect(commandOf({ value: "echo $A" })).toEqual([["/bin/sh"], ["-c", "echo $A"]]);
    expect(commandOf({ shell: false, value: "echo", arguments: ["a", "b"] })).toEqual([
      undefined,
      ["echo", "a", "b"],
    ]);
    expect(commandOf({ shell: false, arguments: ["a"] })).toEqual([undefined, ["a"]]);
    expect(commandOf({ shell: false })).toEqual([undefined, undefined]);
    expect(() => commandOf({ shell: true })).toThrow("command.value is missing");
  });

  test("weighs and is limited as asked [semantics 7.11, 7.15]", () => {
    const some = [scalar("cpus", 0.5), scalar("mem", 64)];
    expect(host({}, { resources: some })).toMatchObject({ CpuShares: 512, Memory: 64 << 20 });
    expect(host({}, { resources: some })).not.toHaveProperty("CpuQuota");
    expect(host({}, { resources: some }, { isCfsEnabled: true })).toMatchObject({
      CpuQuota: 50_000,
    });
    const tiny = [scalar("cpus", 0.001), scalar("mem", 1)];
    expect(host({}, { resources: tiny })).toMatchObject({ CpuShares: 2, Memory: 32 << 20 });
    const limits = { cpus: { value: 2 }, mem: { value: 128 } };
    expect(host({}, { resources: some, limits })).toMatchObject({
      CpuShares: 512,
      CpuPeriod: 100_000,
      CpuQuota: 200_000,
      Memory: 128 << 20,
      MemoryReservation: 64 << 20,
      OomScoreAdj: 984,
    });
    const infinite = {
      cpus: { value: Number.POSITIVE_INFINITY },
      mem: { value: Number.POSITIVE_INFINITY },
    };
    const unbound = host({}, { resources: some, limits: infinite });
    expect(unbound).toMatchObject({ MemoryReservation: 64 << 20 });
    expect(unbound).not.toHaveProperty("Memory");
    expect(unbound).not.toHaveProperty("CpuQuota");
  });

  test("joins the network it names, with ports of its own only [semantics 7.15]", () => {
    const mapping = (hostPort: number, protocol?: string): Info => ({
      docker: {
        network: "BRIDGE",
        port_mappings: [{ host_port: hostPort, container_port: 80, protocol }],
      },
    });
    expect(host(mapping(31_005, "UDP"), { resources: [ports(31_000, 31_010)] })).toMatchObject({
      NetworkMode: "bridge",
      PortBindings: { "80/udp": [{ HostIp: "", HostPort: "31005" }] },
    });
    expect(() => host(mapping(5000), { resources: [ports(31_000, 31_010)] })).toThrow(
      "Failed to create docker run options: container.docker.port_mappings[0]: Port [5000] not included in resources",
    );
    expect(() => host(mapping(5000))).toThrow("need ports among the resources");
    const onHost: Info = { docker: { port_mappings: [{ host_port: 1, container_port: 1 }] } };
    expect(() => host(onHost, { resources: [ports(1, 1)] })).toThrow(
      "only supported for bridge and user-defined networks",
    );
    const user: Info = {
      docker: { network: "USER" },
      network_infos: [{ name: "mine" }],
      hostname: "h",
    };
    expect(host(user)).toMatchObject({ NetworkMode: "mine" });
    expect(plan(user).body["Hostname"]).toBe("h");
    expect(() => host({ docker: { network: "USER" } })).toThrow("network_infos[0].name is missing");
    const two: Info = {
      docker: { network: "USER" },
      network_infos: [{ name: "a" }, { name: "b" }],
    };
    expect(() => host(two)).toThrow("exactly one network");
    expect(() => host({ hostname: "h" })).toThrow("container.hostname cannot be set");
    expect(host({ docker: { network: "NONE" } })).toMatchObject({ NetworkMode: "none" });
    expect(host(withParameters(["net", "other"]))).toMatchObject({ NetworkMode: "other" });
  });

  test("sees folders, volumes of the Engine and persistent volumes [semantics 7.15]", () => {
    const volumes = [
      { mode: "RO", host_path: "/srv/data", container_path: "/data" },
      { mode: "RW", host_path: "/srv", container_path: "in/side" },
      { mode: "RW", host_path: "mine", container_path: "/mine" },
      {
        mode: "RW",
        container_path: "/vol",
        source: { type: "DOCKER_VOLUME", docker_volume: { name: "v", driver: "d" } },
      },
    ] as const;
    const persistent = [
      { hostPath: "/work/volumes/x", containerPath: "kept" },
      { hostPath: "/work/volumes/y", containerPath: "shared", isReadOnly: true },
    ];
    const mount = (Source: string, name: string) => ({
      Source,
      Target: `/mnt/mesos/sandbox/${name}`,
    });
    const made = plan({ volumes }, { volumes: persistent });
    expect(made.folders).toEqual(["/work/a:b/mine"]);
    expect(made.body["HostConfig"]).toMatchObject({
      Binds: ["/srv/data:/data:ro", "/srv:/mnt/mesos/sandbox/in/side:rw"],
      VolumeDriver: "d",
      Mounts: [
        { Type: "bind", Source: "/work/a:b/mine", Target: "/mine" },
        { Type: "volume", Source: "v", Target: "/vol" },
        { Type: "bind", ...mount("/work/volumes/x", "kept"), ReadOnly: false },
        { Type: "bind", ...mount("/work/volumes/y", "shared"), ReadOnly: true },
        { Type: "bind", Source: "/work/a:b", Target: "/mnt/mesos/sandbox" },
      ],
    });
  });

  test.each([
    [{ mode: "RW", host_path: "a", container_path: "b" }, "cannot both be relative"],
    [{ mode: "RW", host_path: "../../etc", container_path: "/b" }, "leads out of the sandbox"],
    [{ mode: "RW", host_path: "/x", container_path: "../b" }, "leads out of the sandbox"],
    [{ mode: "RW", host_path: "/x:y", container_path: "/b" }, "with a colon"],
    [{ mode: "RW", container_path: "/b" }, "container.volumes[0]: a Docker container takes"],
  ] as const)("refuses the volume %j", (volume, message) => {
    expect(() => plan({ volumes: [volume] })).toThrow(message);
    expect(() => plan({ volumes: [volume] })).toThrow(ContainerizerError);
  });

  test("has its cgroup where the agent wants it, or the task", () => {
    expect(host()).not.toHaveProperty("CgroupParent");
    const settings = { cgroupParent: "allot-docker.slice" };
    expect(host({}, {}, settings)).toMatchObject({ CgroupParent: "allot-docker.slice" });
    const asked = withParameters(["cgroup-parent", "own.slice"]);
    expect(host(asked, {}, settings)).toMatchObject({ CgroupParent: "own.slice" });
  });

  test("takes one volume driver [semantics 7.15]", () => {
    const volume = (driver: string) =>
      ({
        mode: "RW",
        container_path: `/${driver}`,
        source: { type: "DOCKER_VOLUME", docker_volume: { name: "v", driver } },
      }) as const;
    expect(() => plan({ volumes: [volume("a"), volume("b")] })).toThrow("only one volume driver");
    const named: Info = {
      volumes: [{ mode: "RW", host_path: "vol", container_path: "/v" }],
      docker: { volume_driver: "rexray" },
    };
    expect(host(named)).toMatchObject({ VolumeDriver: "rexray" });
    expect(plan(named).folders).toEqual([]);
  });
});

describe("parameters", () => {
  const known: readonly (readonly [string, string, object])[] = [
    ["add-host", "db:10.0.0.1", { ExtraHosts: ["db:10.0.0.1"] }],
    ["blkio-weight", "300", { BlkioWeight: 300 }],
    ["cap-add", "NET_ADMIN", { CapAdd: ["NET_ADMIN"] }],
    ["cpus", "1.5", { NanoCpus: 1_500_000_000 }],
    ["cpuset-cpus", "0-2", { CpusetCpus: "0-2" }],
    [
      "device",
      "/dev/fuse",
      {
        Devices: [
          { PathOnHost: "/dev/fuse", PathInContainer: "/dev/fuse", CgroupPermissions: "rwm" },
        ],
      },
    ],
    [
      "device",
      "/dev/a:/dev/b:r",
      { Devices: [{ PathOnHost: "/dev/a", PathInContainer: "/dev/b", CgroupPermissions: "r" }] },
    ],
    [
      "device-read-bps",
      "/dev/sda:1m",
      { BlkioDeviceReadBps: [{ Path: "/dev/sda", Rate: 1 << 20 }] },
    ],
    ["dns", "10.0.0.2", { Dns: ["10.0.0.2"] }],
    ["gpus", "all", { DeviceRequests: [{ Driver: "", Count: -1, Capabilities: [["gpu"]] }] }],
    ["init", "", { Init: true }],
    ["ipc", "host", { IpcMode: "host" }],
    ["log-driver", "local", { LogConfig: { Type: "local" } }],
    ["log-opt", "max-size=10m", { LogConfig: { Config: { "max-size": "10m" } } }],
    ["memory", "1g", { Memory: 1 << 30 }],
    ["memory-swap", "-1", { MemorySwap: -1 }],
    [
      "mount",
      "type=bind,src=/a,dst=/b,readonly",
      {
        Mounts: [
          { Target: "/mnt/mesos/sandbox" },
          { Type: "bind", Source: "/a", Target: "/b", ReadOnly: true },
        ],
      },
    ],
    ["pids-limit", "100", { PidsLimit: 100 }],
    ["privileged", "true", { Privileged: true }],
    [
      "publish",
      "127.0.0.1:8080:80/tcp",
      { PortBindings: { "80/tcp": [{ HostIp: "127.0.0.1", HostPort: "8080" }] } },
    ],
    ["read-only", "true", { ReadonlyRootfs: true }],
    ["security-opt", "no-new-privileges", { SecurityOpt: ["no-new-privileges"] }],
    ["shm-size", "64m", { ShmSize: 64 << 20 }],
    ["sysctl", "net.core.somaxconn=1024", { Sysctls: { "net.core.somaxconn": "1024" } }],
    ["tmpfs", "/run:size=1m", { Tmpfs: { "/run": "size=1m" } }],
    ["ulimit", "nofile=1024:2048", { Ulimits: [{ Name: "nofile", Soft: 1024, Hard: 2048 }] }],
    ["volume", "/a:/b:ro", { Binds: ["/a:/b:ro"] }],
    ["volume-driver", "nfs", { VolumeDriver: "nfs" }],
  ];
  test.each(known)("%s=%s reaches the Engine", (key, value, expected) => {
    expect(host(withParameters([key, value]))).toMatchObject(expected);
  });

  test("settings of the container itself reach the Engine, lists add up, later ones win", () => {
    const { body } = plan(
      withParameters(
        ["user", "1:1"],
        ["workdir", "/w"],
        ["env", "A=2"],
        ["entrypoint", "/init"],
        ["stop-signal", "SIGINT"],
        ["health-cmd", "true"],
        ["health-interval", "1m30s"],
        ["hostname", "one"],
        ["hostname", "two"],
        ["cap-add", "A"],
        ["cap-add", "B"],
        ["network", "mine"],
        ["network-alias", "web"],
        ["ip", "10.1.0.2"],
      ),
    );
    expect(body).toMatchObject({
      User: "1:1",
      WorkingDir: "/w",
      Entrypoint: ["/init"],
      StopSignal: "SIGINT",
      Healthcheck: { Test: ["CMD-SHELL", "true"], Interval: 90_000_000_000 },
      Hostname: "two",
      HostConfig: { CapAdd: ["A", "B"] },
      NetworkingConfig: {
        EndpointsConfig: { mine: { Aliases: ["web"], IPAMConfig: { IPv4Address: "10.1.0.2" } } },
      },
    });
    expect(body["Env"]).toContain("A=2");
  });

  test.each([
    ["no-such-option", "1", "parameters[0]: no-such-option cannot be set: it is no option"],
    ["restart", "always", "restart cannot be set: the scheduler decides"],
    ["rm", "true", "rm cannot be set"],
    ["tty", "true", "tty cannot be set"],
    ["name", "x", "name cannot be set"],
    ["memory", "lots", 'memory="lots": expected a size'],
    ["cpus", "-1", "expected a number"],
    ["init", "maybe", "expected true or false"],
    ["mount", "type=bind,src=/a", "expected target="],
    ["mount", "type=npipe,dst=/a", "no type of mount"],
    ["ulimit", "nofile", "expected name=soft"],
    ["publish", "a:b", "expected [[ip:]host port:]"],
    ["sysctl", "x", "expected key=value"],
    ["health-interval", "soon", "expected a duration"],
  ])("%s=%s is refused by name", (key, value, message) => {
    const fails = (): unknown => plan(withParameters([key, value]));
    expect(fails).toThrow("Failed to create docker run options: container.docker.");
    expect(fails).toThrow(message);
  });
});

describe("what the Engine keeps of the output", () => {
  const maxBytes = { stdout: 10 * 2 ** 20, stderr: 20 * 2 ** 20 };
  const bounded = { logBounds: { maxBytes, files: 3 }, logDriver: "json-file" };
  const logOf = (info: Info, settings: object): unknown =>
    Object(host(info, {}, settings))["LogConfig"];

  test("is bounded as the sandbox is, where the Engine's driver can do that", () => {
    const twice = 2 * 4 * 30 * 2 ** 20;
    const config = { "max-size": String(twice / 4), "max-file": "5" };
    expect(logOf({}, bounded)).toEqual({ Type: "json-file", Config: config });
    const small = { maxBytes: { stdout: 4096, stderr: 4096 }, files: 0 };
    expect(logOf({}, { ...bounded, logBounds: small })).toEqual({
      Type: "json-file",
      Config: { ...config, "max-size": String(16 * 2 ** 20) },
    });
    for (const logDriver of ["journald", undefined]) {
      expect(logOf({}, { ...bounded, logDriver })).toBeUndefined();
    }
    const half = { maxBytes: { ...maxBytes, stderr: undefined }, files: 3 };
    expect(logOf({}, { ...bounded, logBounds: half })).toBeUndefined();
  });

  test("is what the task has chosen, if it has", () => {
    const sized = withParameters(["log-opt", "max-size=1m"]);
    expect(logOf(sized, bounded)).toEqual({ Config: { "max-size": "1m" } });
    const other = withParameters(["log-driver", "syslog"]);
    expect(logOf(other, bounded)).toEqual({ Type: "syslog" });
    const local = withParameters(["log-driver", "local"], ["log-opt", "compress=false"]);
    expect(logOf(local, bounded)).toMatchObject({
      Type: "local",
      Config: { compress: "false", "max-file": "5" },
    });
  });
});
