/** How a container ended, from what the Engine remembers of it. Source: semantics 6.3, 7.15. */
import type { ContainerResult, Limitation } from "../containerizer.ts";
import type { ContainerFacts } from "./container-facts.ts";

const MEGABYTE = 1024 * 1024;

/** Undefined facts: somebody has removed the container. */
export function resultOf(facts: ContainerFacts | undefined): ContainerResult {
  if (facts === undefined) {
    const message = "The container was removed from Docker by somebody else";
    return { exit: { kind: "unknown", message } };
  }
  if (facts.error !== "" && facts.startedAtMs === undefined) {
    return { exit: { kind: "unknown", message: facts.error } };
  }
  const exit = { kind: "exited", code: facts.exitCode } as const;
  // A container that lost a process to the limit and still succeeded has not failed.
  if (!facts.isOomKilled || facts.exitCode === 0) return { exit };
  return { exit, limitation: memoryLimitation(facts) };
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
