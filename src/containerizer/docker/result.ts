/** How a container ended, from what the Engine remembers of it. Source: semantics 6.3, 7.15. */
import type { ContainerResult, Limitation } from "../containerizer.ts";
import type { ContainerFacts } from "./container-facts.ts";
import { END_DATE_SLACK_MS } from "./limits.ts";

const MEGABYTE = 1024 * 1024;

/**
 * Undefined facts: somebody has removed the container. `goneByMs`: its process is known to have been
 * gone by then, whatever the Engine says; wall time in milliseconds.
 */
export function resultOf(facts: ContainerFacts | undefined, goneByMs?: number): ContainerResult {
  if (facts === undefined) {
    const message = "The container was removed from Docker by somebody else";
    return { exit: { kind: "unknown", message } };
  }
  if (facts.error !== "" && facts.startedAtMs === undefined) {
    return { exit: { kind: "unknown", message: facts.error } };
  }
  if (isMadeUp(facts, goneByMs)) {
    const message = "The container ended while Docker was away, and Docker does not know how";
    return { exit: { kind: "unknown", message } };
  }
  const exit = { kind: "exited", code: facts.exitCode } as const;
  // A container that lost a process to the limit and still succeeded has not failed.
  if (!facts.isOomKilled || facts.exitCode === 0) return { exit };
  return { exit, limitation: memoryLimitation(facts) };
}

/** No process outlives its host: when one that was started before the host must have been gone. */
export function goneByBoot({ startedAtMs }: ContainerFacts, bootedMs: number): number | undefined {
  return startedAtMs !== undefined && startedAtMs < bootedMs ? bootedMs : undefined;
}

/** An Engine that missed an end takes it for a success at the time of its own return. */
function isMadeUp(
  { exitCode, finishedAtMs = 0 }: ContainerFacts,
  goneByMs: number | undefined,
): boolean {
  return exitCode === 0 && goneByMs !== undefined && finishedAtMs > goneByMs + END_DATE_SLACK_MS;
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
