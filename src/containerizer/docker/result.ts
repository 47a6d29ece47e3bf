/** How a container ended, from what the Engine remembers of it. Source: semantics 6.3, 7.15. */
import type { ContainerResult, Limitation } from "../containerizer.ts";
import type { ContainerFacts } from "./container-facts.ts";
import { END_DATE_SLACK_MS } from "./limits.ts";

const MEGABYTE = 1024 * 1024;

/** What the host knows of a container's end, in wall time and milliseconds. */
export interface HostKnowledge {
  /** When its process was seen to be gone, while the Engine was away. */
  readonly goneByMs?: number | undefined;
  /** When the host was started. */
  readonly bootedMs?: number | undefined;
}

/** Undefined facts: somebody has removed the container. */
export function resultOf(
  facts: ContainerFacts | undefined,
  host: HostKnowledge = {},
): ContainerResult {
  if (facts === undefined) {
    const message = "The container was removed from Docker by somebody else";
    return { exit: { kind: "unknown", message } };
  }
  if (facts.error !== "" && facts.startedAtMs === undefined) {
    return { exit: { kind: "unknown", message: facts.error } };
  }
  if (isMadeUp(facts, host)) {
    const message = "The container ended while Docker was away, and Docker does not know how";
    return { exit: { kind: "unknown", message } };
  }
  const exit = { kind: "exited", code: facts.exitCode } as const;
  // A container that lost a process to the limit and still succeeded has not failed.
  if (!facts.isOomKilled || facts.exitCode === 0) return { exit };
  return { exit, limitation: memoryLimitation(facts) };
}

/** An Engine that missed an end takes it for a success at the time of its own return. */
function isMadeUp(facts: ContainerFacts, { goneByMs, bootedMs = 0 }: HostKnowledge): boolean {
  const { exitCode, startedAtMs = bootedMs, finishedAtMs = 0 } = facts;
  // No process outlives its host.
  const endedByMs = goneByMs ?? (startedAtMs < bootedMs ? bootedMs : undefined);
  return exitCode === 0 && endedByMs !== undefined && finishedAtMs > endedByMs + END_DATE_SLACK_MS;
}

function memoryLimitation({ memoryBytes, memoryReservationBytes }: ContainerFacts): Limitation {
  const request = memoryReservationBytes === 0 ? memoryBytes : memoryReservationBytes;
  const megabytes = (bytes: number): number => Math.round(bytes / MEGABYTE);
  return {
    reason: "REASON_CONTAINER_LIMITATION_MEMORY",
    message: `Memory limit exceeded: Requested: ${megabytes(request)}MB Maximum Used: ${megabytes(memoryBytes)}MB`,
    resources: [{ name: "mem", type: "SCALAR", scalar: { value: megabytes(memoryBytes) } }],
  };
}
