/** Runs a command inside a running container by the Engine's exec calls. */
import type { Clock } from "../../base/ports.ts";
import { type InsideEnd, UnavailableError } from "../containerizer.ts";
import { pause, within } from "../waiting.ts";
import { EngineError } from "./engine-client.ts";
import { type CommandHost, type CommandPlace, EngineCommand, isSilence } from "./engine-command.ts";
import { INSIDE_POLL_MS, INSIDE_POLL_MS_MAX, INSIDE_START_MS, WELL_ANSWER_MS } from "./limits.ts";

/**
 * Resolves with its end; one that takes too long is ended with all it has started. Its time begins
 * when the Engine has started it, and what an Engine does not answer says nothing of it. Errors:
 * `EngineError`, `ContainerizerError` when nothing is to be run, `UnavailableError`.
 */
export async function runInside(
  host: CommandHost,
  place: CommandPlace,
  timeoutMs: number | undefined,
): Promise<InsideEnd> {
  let command: EngineCommand | undefined;
  try {
    command = await EngineCommand.create(host, place);
    const code = (await hasStarted(host, command))
      ? await codeWithin(host.clock, command, timeoutMs ?? Number.POSITIVE_INFINITY)
      : undefined;
    if (code !== undefined) return { kind: "exited", code };
  } catch (error) {
    if (!isSilence(error)) throw error;
    void command?.endWhenever();
    throw new UnavailableError(error.message, { cause: error });
  }
  // The API has no call for that; the processes are this host's.
  if (command.pid === 0) void command.endWhenever();
  else await command.end();
  return { kind: "timedOut" };
}

/** False when it was too late for that though the Engine is well. Errors: `EngineError`. */
async function hasStarted(
  { engine, clock }: CommandHost,
  command: EngineCommand,
): Promise<boolean> {
  const start = command.start().then(() => true);
  if (await within(clock, INSIDE_START_MS, start)) return true;
  if (!(await engine.isWell())) {
    throw new EngineError("silent", "Docker does not answer whether the command was started");
  }
  // It may have hung until just now.
  return (await within(clock, WELL_ANSWER_MS, start)) ?? false;
}

/** Its exit status, or undefined when it runs longer than that. Errors: `EngineError`. */
async function codeWithin(
  clock: Clock,
  command: EngineCommand,
  timeoutMs: number,
): Promise<number | undefined> {
  const deadlineMs = clock.monotonicMs() + timeoutMs;
  for (let pauseMs = INSIDE_POLL_MS; ; pauseMs = Math.min(pauseMs * 2, INSIDE_POLL_MS_MAX)) {
    const code = command.sight === "runs" ? undefined : await command.look();
    if (code !== undefined) return code;
    const leftMs = deadlineMs - clock.monotonicMs();
    if (leftMs <= 0) return undefined;
    await pause(clock, Math.min(pauseMs, leftMs));
  }
}
