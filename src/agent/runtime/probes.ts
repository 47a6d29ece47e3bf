/**
 * Carries out the probes of checks: commands through the containerizer, HTTP and TCP from the
 * network that the container is in. A probe always comes to a result in the time it has; commands
 * are held to theirs by the containerizer, which knows what of it was theirs.
 * Source: semantics 6.8.
 */
import type { Clock } from "../../base/ports.ts";
import {
  type Containerizer,
  type InsideSpec,
  UnavailableError,
} from "../../containerizer/containerizer.ts";
import { isShortOfDescriptors } from "../../containerizer/system-errors.ts";
import { variablesOf } from "../../executor/executor-environment.ts";
import type { DueProbe, ProbeResult } from "../../executor/task-checks.ts";
import type { CommandInfo } from "../../protocol/v1/types.ts";
import { type NetworkProbe, probeNetwork } from "./network-probe.ts";
import { isInOtherNetwork, type ProbeHelper, probeInNetworkOf } from "./probe-helper.ts";

/** The container that is looked at. */
export type ProbePlace = Omit<InsideSpec, "command" | "timeoutMs"> & {
  readonly containerizer: Containerizer;
  readonly clock: Clock;
  /** Of the container's first process; undefined where its network is the agent's for certain. */
  readonly pid: number | undefined;
  /** Undefined: networks of containers are not entered. */
  readonly helper: ProbeHelper | undefined;
};

/** Never rejects. `unwanted` ends the waiting. */
export async function runProbe(
  due: DueProbe,
  place: ProbePlace,
  unwanted: AbortSignal,
): Promise<ProbeResult> {
  const result = await tryProbe(due, place, unwanted);
  const isBad = result.kind === "failed" || result.kind === "refused";
  // An agent that can open nothing learns nothing of the task.
  return isBad && isShortOfDescriptors() ? { ...result, kind: "unknown" } : result;
}

async function tryProbe(
  { probe, timeoutMs }: DueProbe,
  place: ProbePlace,
  unwanted: AbortSignal,
): Promise<ProbeResult> {
  const stop = new AbortController();
  const { promise: early, resolve: end } = Promise.withResolvers<ProbeResult>();
  const onUnwanted = (): void => end({ kind: "failed", message: "the task is being ended" });
  unwanted.addEventListener("abort", onUnwanted, { once: true });
  if (unwanted.aborted) onUnwanted();
  const cancel =
    timeoutMs === undefined || probe.kind === "command"
      ? () => undefined
      : place.clock.schedule(timeoutMs, () => end(lateResult(timeoutMs)));
  try {
    const result =
      probe.kind === "command"
        ? runCommand(probe.command, timeoutMs, place)
        : tryNetwork(probe, place, stop.signal);
    return await Promise.race([result, early]);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { kind: error instanceof UnavailableError ? "unknown" : "failed", message };
  } finally {
    cancel();
    stop.abort();
    unwanted.removeEventListener("abort", onUnwanted);
  }
}

async function runCommand(
  command: CommandInfo,
  timeoutMs: number | undefined,
  { containerizer, containerId, directory, user, ...place }: ProbePlace,
): Promise<ProbeResult> {
  const environment = { ...place.environment, ...variablesOf(command.environment) };
  const spec = { containerId, directory, user: command.user ?? user, command, environment };
  const end = await containerizer.runInside({ ...spec, timeoutMs });
  if (end.kind === "exited") return end;
  if (end.kind === "timedOut") return lateResult(timeoutMs ?? 0);
  return { kind: "failed", message: `command terminated by signal ${end.signal}` };
}

function tryNetwork(
  probe: NetworkProbe,
  { pid, helper }: ProbePlace,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const isOther = pid === undefined ? false : isInOtherNetwork(pid);
  if (isOther === false || pid === undefined) return probeNetwork(probe, signal);
  if (isOther === undefined || helper === undefined) {
    const message = "the container's network cannot be entered: the agent has to be root for that";
    return Promise.resolve({ kind: "failed", message });
  }
  return probeInNetworkOf(pid, helper, probe, signal);
}

function lateResult(timeoutMs: number): ProbeResult {
  return { kind: "failed", message: `timed out after ${timeoutMs / 1000} s` };
}
