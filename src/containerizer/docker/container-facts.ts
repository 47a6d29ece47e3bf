/** What an Engine says about one container, as far as allot needs it. */
import type { NetworkInfo } from "../../protocol/v1/types.ts";
import type { Answer } from "./answer.ts";
import { bytesOf } from "./option-values.ts";

export interface ContainerFacts {
  /** The Engine's own id. */
  readonly engineId: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly phase: "created" | "running" | "ended";
  /** Of its first process, on the host; undefined unless it runs. */
  readonly pid: number | undefined;
  readonly exitCode: number;
  readonly isOomKilled: boolean;
  /** Why it could not be started, in the Engine's words. */
  readonly error: string;
  /** Milliseconds since the epoch. */
  readonly startedAtMs: number | undefined;
  readonly finishedAtMs: number | undefined;
  /** What asks it to end: the image may want another signal than SIGTERM. */
  readonly stopSignal: string;
  readonly networks: readonly NetworkInfo[];
  /** Hard limit, or 0 for none. */
  readonly memoryBytes: number;
  /** What was asked for, if that is less than the limit; or 0. */
  readonly memoryReservationBytes: number;
  /** Of 1024 per processor, or 0. */
  readonly cpuShares: number;
  /** Microseconds of every `cpuPeriod`, or 0 for no bound. */
  readonly cpuQuota: number;
  readonly cpuPeriod: number;
  /** Size at which its log goes on in another file; undefined for never. */
  readonly logFileBytes: number | undefined;
  /** Where the Engine put what the container was given, as `docker inspect` prints it. */
  readonly inspection: string;
}

/** Reads the answer to a container's inspection. */
export function factsOf(answer: Answer): ContainerFacts {
  const state = answer.at("State");
  const host = answer.at("HostConfig");
  const status = state.at("Status").text();
  const phase = status === "created" ? "created" : isRunning(answer) ? "running" : "ended";
  const pid = state.at("Pid").number();
  return {
    engineId: answer.at("Id").text() ?? "",
    labels: labelsOf(answer.at("Config", "Labels")),
    phase,
    pid: pid === undefined || pid === 0 ? undefined : pid,
    exitCode: state.at("ExitCode").number() ?? 0,
    isOomKilled: state.at("OOMKilled").isTrue(),
    error: state.at("Error").text() ?? "",
    startedAtMs: timeOf(state.at("StartedAt")),
    finishedAtMs: timeOf(state.at("FinishedAt")),
    stopSignal: answer.at("Config", "StopSignal").text() ?? "SIGTERM",
    networks: networksOf(answer.at("NetworkSettings")),
    memoryBytes: host.at("Memory").number() ?? 0,
    memoryReservationBytes: host.at("MemoryReservation").number() ?? 0,
    cpuShares: host.at("CpuShares").number() ?? 0,
    cpuQuota: host.at("CpuQuota").number() ?? 0,
    cpuPeriod: host.at("CpuPeriod").number() ?? 0,
    logFileBytes: sizeOf(host.at("LogConfig", "Config", "max-size").text()),
    inspection: `[${answer.toJson()}]`,
  };
}

/** Labels of an inspection or of a row of the list. */
export function labelsOf(answer: Answer): Record<string, string> {
  return Object.fromEntries(answer.entries().map(([key, value]) => [key, value.text() ?? ""]));
}

/** As people write sizes, too. */
function sizeOf(text: string | undefined): number | undefined {
  try {
    return text === undefined ? undefined : bytesOf(text);
  } catch {
    return undefined;
  }
}

/** A container that is paused or restarting has a process or will have one. */
function isRunning(answer: Answer): boolean {
  const state = answer.at("State");
  return state.at("Running").isTrue() || state.at("Restarting").isTrue();
}

/** Never happened is the year 1 to the Engine. */
function timeOf(answer: Answer): number | undefined {
  const ms = Date.parse(answer.text() ?? "");
  return Number.isNaN(ms) || ms <= 0 ? undefined : ms;
}

/** One entry per network with an address of the container's own; none with the host's network. */
function networksOf(settings: Answer): NetworkInfo[] {
  return settings
    .at("Networks")
    .entries()
    .map(([name, network]): NetworkInfo => {
      const addresses = [
        { protocol: "IPv4", ip_address: network.at("IPAddress").text() ?? "" },
        { protocol: "IPv6", ip_address: network.at("GlobalIPv6Address").text() ?? "" },
      ] as const;
      return { name, ip_addresses: addresses.filter(({ ip_address: ip }) => ip !== "") };
    })
    .filter(({ ip_addresses: addresses }) => (addresses ?? []).length > 0);
}
