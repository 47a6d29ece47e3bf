/** Runs a command inside a running container by the Engine's exec calls. */
import type { Clock } from "../../base/ports.ts";
import type { CommandInfo } from "../../protocol/v1/types.ts";
import { ContainerizerError, type InsideEnd, type InsideSpec } from "../containerizer.ts";
import { endMarked } from "../posix/marked-processes.ts";
import type { Engine } from "./engine.ts";
import { INSIDE_POLL_MS, INSIDE_POLL_MS_MAX } from "./limits.ts";

/**
 * Resolves with its end; one that takes too long is ended with all it has started, which carries the
 * mark (`NAME=value`) in its environment. Errors: `EngineError`, `ContainerizerError` when nothing is
 * to be run.
 */
export async function runInside(
  engine: Engine,
  clock: Clock,
  engineId: string,
  spec: InsideSpec,
  mark: string,
): Promise<InsideEnd> {
  const insideId = await engine.createInside(engineId, {
    Cmd: wordsOf(spec.command),
    Env: environmentOf(spec.environment, mark),
  });
  const deadlineMs = clock.monotonicMs() + (spec.timeoutMs ?? Number.POSITIVE_INFINITY);
  await engine.startInside(insideId);
  for (let pauseMs = INSIDE_POLL_MS; ; pauseMs = Math.min(pauseMs * 2, INSIDE_POLL_MS_MAX)) {
    const answer = await engine.inspectInside(insideId);
    const code = answer.at("ExitCode").number();
    if (!answer.at("Running").isTrue() && code !== undefined) return { kind: "exited", code };
    const leftMs = deadlineMs - clock.monotonicMs();
    if (leftMs <= 0) {
      // The API has no call for that; the processes are this host's.
      await endMarked(clock, mark);
      return { kind: "timedOut" };
    }
    await new Promise<void>((resolve) => clock.schedule(Math.min(pauseMs, leftMs), resolve));
  }
}

/** As the Engine takes it. */
export function environmentOf(
  environment: Readonly<Record<string, string>>,
  mark: string,
): readonly string[] {
  return [...Object.entries(environment).map(([name, value]) => `${name}=${value}`), mark];
}

/** As for the container's own command, the first of `arguments` is a real one. */
export function wordsOf({ shell, value, arguments: more = [] }: CommandInfo): readonly string[] {
  const words = value === undefined ? more : [value, ...more];
  if (words.length === 0) throw new ContainerizerError("The command has no value");
  return (shell ?? true) ? ["/bin/sh", "-c", value ?? ""] : words;
}
