/**
 * `container.docker.parameters`: options of `docker run` by their long names, put into what the
 * Engine API takes. Mesos hands them to the command line unseen; here what is not known is refused
 * by name, since a task that runs without what it asked for is worse than none. Source: semantics 7.15.
 */
import type { Parameter } from "../../protocol/v1/types.ts";
import {
  booleanOf,
  bytesOf,
  deviceOf,
  exposedPortOf,
  fullPairOf,
  gpusOf,
  integerOf,
  mountOf,
  nanosecondsOf,
  numberOf,
  pairOf,
  publishedPortOf,
  throttleOf,
  ulimitOf,
  weightOf,
} from "./option-values.ts";
import type { RunBody } from "./run-body.ts";

type Put = (body: RunBody, value: string) => void;

const text = (value: string): unknown => value;

const config =
  (key: string, read: (value: string) => unknown = text): Put =>
  (body, value) => {
    body.config[key] = read(value);
  };

const host =
  (key: string, read: (value: string) => unknown = text): Put =>
  (body, value) => {
    body.host[key] = read(value);
  };

const hostList =
  (key: string, read: (value: string) => unknown = text): Put =>
  (body, value) =>
    body.push(body.host, key, read(value));

const hostMap =
  (key: string): Put =>
  (body, value) =>
    body.put(body.host, key, fullPairOf(value));

const health =
  (key: string, read: (value: string) => unknown): Put =>
  (body, value) =>
    body.put(body.config, "Healthcheck", [key, read(value)]);

/** Address of the container in the network it joins. */
const address =
  (key: string): Put =>
  (body, value) =>
    body.put(body.endpoint, "IPAMConfig", [key, value]);

const putLogOption: Put = (body, value) => {
  const log = body.host["LogConfig"];
  const known = typeof log === "object" && log !== null && "Config" in log ? log.Config : {};
  const options = typeof known === "object" ? known : {};
  const [name, setting] = fullPairOf(value);
  body.put(body.host, "LogConfig", ["Config", { ...options, [name]: setting }]);
};

const putPublished: Put = (body, value) => {
  const { port, binding } = publishedPortOf(value);
  body.publish(port, binding);
};

const putTmpfs: Put = (body, value) => {
  const colon = value.indexOf(":");
  const path = colon < 0 ? value : value.slice(0, colon);
  body.put(body.host, "Tmpfs", [path, colon < 0 ? "" : value.slice(colon + 1)]);
};

/** A path alone is a volume without a name. */
const putVolume: Put = (body, value) => {
  if (value.includes(":")) body.push(body.host, "Binds", value);
  else body.put(body.config, "Volumes", [value, {}]);
};

const KNOWN: ReadonlyMap<string, Put> = new Map<string, Put>([
  ["add-host", hostList("ExtraHosts")],
  ["blkio-weight", host("BlkioWeight", integerOf)],
  ["blkio-weight-device", hostList("BlkioWeightDevice", weightOf)],
  ["cap-add", hostList("CapAdd")],
  ["cap-drop", hostList("CapDrop")],
  ["cgroup-parent", host("CgroupParent")],
  ["cgroupns", host("CgroupnsMode")],
  ["cpu-period", host("CpuPeriod", integerOf)],
  ["cpu-quota", host("CpuQuota", integerOf)],
  ["cpu-rt-period", host("CpuRealtimePeriod", integerOf)],
  ["cpu-rt-runtime", host("CpuRealtimeRuntime", integerOf)],
  ["cpu-shares", host("CpuShares", integerOf)],
  ["cpus", host("NanoCpus", (value) => Math.round(numberOf(value) * 1e9))],
  ["cpuset-cpus", host("CpusetCpus")],
  ["cpuset-mems", host("CpusetMems")],
  ["device", hostList("Devices", deviceOf)],
  ["device-cgroup-rule", hostList("DeviceCgroupRules")],
  ["device-read-bps", hostList("BlkioDeviceReadBps", throttleOf)],
  ["device-read-iops", hostList("BlkioDeviceReadIOps", throttleOf)],
  ["device-write-bps", hostList("BlkioDeviceWriteBps", throttleOf)],
  ["device-write-iops", hostList("BlkioDeviceWriteIOps", throttleOf)],
  ["dns", hostList("Dns")],
  ["dns-opt", hostList("DnsOptions")],
  ["dns-option", hostList("DnsOptions")],
  ["dns-search", hostList("DnsSearch")],
  ["domainname", config("Domainname")],
  ["entrypoint", config("Entrypoint", (value) => (value === "" ? [] : [value]))],
  ["env", (body, value) => body.push(body.config, "Env", value)],
  ["expose", (body, value) => body.put(body.config, "ExposedPorts", [exposedPortOf(value), {}])],
  ["gpus", hostList("DeviceRequests", gpusOf)],
  ["group-add", hostList("GroupAdd")],
  ["health-cmd", health("Test", (value) => ["CMD-SHELL", value])],
  ["health-interval", health("Interval", nanosecondsOf)],
  ["health-retries", health("Retries", integerOf)],
  ["health-start-period", health("StartPeriod", nanosecondsOf)],
  ["health-timeout", health("Timeout", nanosecondsOf)],
  ["hostname", config("Hostname")],
  ["init", host("Init", booleanOf)],
  ["interactive", config("OpenStdin", booleanOf)],
  ["ip", address("IPv4Address")],
  ["ip6", address("IPv6Address")],
  ["ipc", host("IpcMode")],
  ["label", (body, value) => body.put(body.config, "Labels", pairOf(value))],
  ["link", hostList("Links")],
  ["log-driver", (body, value) => body.put(body.host, "LogConfig", ["Type", value])],
  ["log-opt", putLogOption],
  ["mac-address", config("MacAddress")],
  ["memory", host("Memory", bytesOf)],
  ["memory-reservation", host("MemoryReservation", bytesOf)],
  ["memory-swap", host("MemorySwap", bytesOf)],
  ["memory-swappiness", host("MemorySwappiness", integerOf)],
  ["mount", hostList("Mounts", mountOf)],
  ["net", host("NetworkMode")],
  ["net-alias", (body, value) => body.push(body.endpoint, "Aliases", value)],
  ["network", host("NetworkMode")],
  ["network-alias", (body, value) => body.push(body.endpoint, "Aliases", value)],
  ["no-healthcheck", (body) => body.put(body.config, "Healthcheck", ["Test", ["NONE"]])],
  ["oom-kill-disable", host("OomKillDisable", booleanOf)],
  ["oom-score-adj", host("OomScoreAdj", integerOf)],
  ["pid", host("PidMode")],
  ["pids-limit", host("PidsLimit", integerOf)],
  ["privileged", host("Privileged", booleanOf)],
  ["publish", putPublished],
  ["publish-all", host("PublishAllPorts", booleanOf)],
  ["read-only", host("ReadonlyRootfs", booleanOf)],
  ["runtime", host("Runtime")],
  ["security-opt", hostList("SecurityOpt")],
  ["shm-size", host("ShmSize", bytesOf)],
  ["stop-signal", config("StopSignal")],
  ["stop-timeout", config("StopTimeout", integerOf)],
  ["storage-opt", hostMap("StorageOpt")],
  ["sysctl", hostMap("Sysctls")],
  ["tmpfs", putTmpfs],
  ["ulimit", hostList("Ulimits", ulimitOf)],
  ["user", config("User")],
  ["userns", host("UsernsMode")],
  ["uts", host("UTSMode")],
  ["volume", putVolume],
  ["volume-driver", host("VolumeDriver")],
  ["volumes-from", hostList("VolumesFrom")],
  ["workdir", config("WorkingDir")],
]);

/** Known to Docker, and of no use under a scheduler; the reason is told. */
const UNWELCOME: ReadonlyMap<string, string> = new Map([
  ["name", "the container has its name from its id"],
  ["detach", "the agent attends to the container itself"],
  ["rm", "the agent has to see how the container ended, and removes it later"],
  ["restart", "the scheduler decides what runs again"],
  ["tty", "there is no terminal, and stdout and stderr are kept apart"],
  ["cidfile", "the agent runs no Docker program; see MESOS_CONTAINER_NAME"],
  ["env-file", "the agent runs no Docker program; set command.environment"],
  ["label-file", "the agent runs no Docker program; use label"],
  ["pull", "set container.docker.force_pull_image"],
]);

/** Puts all parameters in, in order. Errors: an `Error` that names the one to blame. */
export function applyParameters(body: RunBody, parameters: readonly Parameter[]): void {
  parameters.forEach(({ key, value }, index) => {
    const field = `container.docker.parameters[${index}]`;
    const put = KNOWN.get(key);
    if (put === undefined) {
      const reason = UNWELCOME.get(key) ?? "it is no option of docker run that allot knows";
      throw new Error(`${field}: ${key} cannot be set: ${reason}`);
    }
    try {
      put(body, value);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`${field}: ${key}=${JSON.stringify(value)}: ${reason}`);
    }
  });
}
