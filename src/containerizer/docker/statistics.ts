/** A sample of the Engine as ResourceStatistics, under cgroups v1 and v2. Source: semantics 7.13. */
import type { ResourceStatistics } from "../../protocol/v1/types.ts";
import type { Answer } from "./answer.ts";
import type { ContainerFacts } from "./container-facts.ts";

const NANOSECONDS = 1e9;

/** What can be told from a sample and from the container's own limits. */
export function statisticsOf(
  sample: Answer,
  facts: ContainerFacts | undefined,
  wallMs: number,
): ResourceStatistics {
  return defined({
    timestamp: wallMs / 1000,
    processes: sample.at("pids_stats", "current").number(),
    ...cpuOf(sample.at("cpu_stats")),
    ...memoryOf(sample.at("memory_stats")),
    ...networkOf(sample.at("networks")),
    ...limitsOf(facts),
  });
}

function cpuOf(cpu: Answer): Partial<ResourceStatistics> {
  const seconds = (answer: Answer): number | undefined => {
    const nanoseconds = answer.number();
    return nanoseconds === undefined ? undefined : nanoseconds / NANOSECONDS;
  };
  return {
    cpus_user_time_secs: seconds(cpu.at("cpu_usage", "usage_in_usermode")),
    cpus_system_time_secs: seconds(cpu.at("cpu_usage", "usage_in_kernelmode")),
    cpus_nr_periods: cpu.at("throttling_data", "periods").number(),
    cpus_nr_throttled: cpu.at("throttling_data", "throttled_periods").number(),
    cpus_throttled_time_secs: seconds(cpu.at("throttling_data", "throttled_time")),
  };
}

/** The two versions of cgroups have names of their own for the same. */
function memoryOf(memory: Answer): Partial<ResourceStatistics> {
  const stat = (...names: readonly string[]): number | undefined =>
    names.map((name) => memory.at("stats", name).number()).find((value) => value !== undefined);
  const rss = stat("rss", "anon");
  const cache = stat("cache", "file");
  return {
    mem_total_bytes: memory.at("usage").number(),
    mem_rss_bytes: rss,
    mem_anon_bytes: rss,
    mem_cache_bytes: cache,
    mem_file_bytes: cache,
    mem_mapped_file_bytes: stat("mapped_file", "file_mapped"),
    mem_swap_bytes: stat("swap"),
    mem_unevictable_bytes: stat("unevictable"),
  };
}

/** All networks of the container together; none of its own with the host's. */
function networkOf(networks: Answer): Partial<ResourceStatistics> {
  const all = networks.entries().map(([, network]) => network);
  if (all.length === 0) return {};
  const sum = (name: string): number =>
    all.reduce((total, network) => total + (network.at(name).number() ?? 0), 0);
  return {
    net_rx_packets: sum("rx_packets"),
    net_rx_bytes: sum("rx_bytes"),
    net_rx_errors: sum("rx_errors"),
    net_rx_dropped: sum("rx_dropped"),
    net_tx_packets: sum("tx_packets"),
    net_tx_bytes: sum("tx_bytes"),
    net_tx_errors: sum("tx_errors"),
    net_tx_dropped: sum("tx_dropped"),
  };
}

function limitsOf(facts: ContainerFacts | undefined): Partial<ResourceStatistics> {
  if (facts === undefined) return {};
  const { memoryBytes, memoryReservationBytes, cpuShares, cpuQuota, cpuPeriod } = facts;
  const cpus = cpuShares === 0 ? undefined : Math.round((cpuShares / 1024) * 1000) / 1000;
  return {
    cpus_limit: cpuQuota > 0 && cpuPeriod > 0 ? cpuQuota / cpuPeriod : cpus,
    cpus_soft_limit: cpus,
    mem_limit_bytes: memoryBytes === 0 ? undefined : memoryBytes,
    mem_soft_limit_bytes: memoryReservationBytes === 0 ? undefined : memoryReservationBytes,
  };
}

function defined(statistics: ResourceStatistics): ResourceStatistics {
  const pairs = Object.entries(statistics).filter(([, value]) => value !== undefined);
  return { timestamp: statistics.timestamp, ...Object.fromEntries(pairs) };
}
