/** Goes on with work on many agents, the oldest first. */
import { unreachable } from "../../base/assert.ts";
import { type MasterContext, setTimer } from "./context.ts";
import { goOnRemovingFramework, goOnTellingAgents } from "./frameworks.ts";
import { goOnPlanning, goOnShuttingDown } from "./operator/maintenance.ts";
import type { Sweep } from "./state.ts";

/** The timer: one part of the oldest work. */
export function goOnSweeping(ctx: MasterContext): void {
  const { sweeps } = ctx.state;
  const [oldest] = sweeps;
  if (oldest === undefined) return;
  if (goOn(ctx, oldest)) sweeps.shift();
  if (sweeps.length > 0) setTimer(ctx, { kind: "sweep" }, 0);
}

function goOn(ctx: MasterContext, sweep: Sweep): boolean {
  switch (sweep.kind) {
    case "removeFramework":
      return goOnRemovingFramework(ctx, sweep);
    case "updateFramework":
      return goOnTellingAgents(ctx, sweep);
    case "schedule":
      return goOnPlanning(ctx, sweep);
    case "machinesDown":
      return goOnShuttingDown(ctx, sweep);
    default:
      return unreachable(sweep, "sweep");
  }
}
