/** The pause between two parts of a registry that is written in turns of the loop. */
import type { Clock } from "../../base/ports.ts";

/** Resolves once other events had their turn. */
export function nextTurnOf(clock: Clock): Promise<void> {
  return new Promise((resolve) => clock.nextTurn(resolve));
}
