/**
 * What every part of the core is given for one step: state to change, time, and the list the
 * effects are appended to. Order of effects is the order of calls here (see effects.ts).
 */

import { must } from "../../base/assert.ts";
import type { LogLevel } from "../../base/ports.ts";
import { uuidToBase64 } from "../../protocol/base64.ts";
import type { AgentToMaster } from "../../protocol/link-frames.ts";
import type { AgentOptions } from "./agent-options.ts";
import type { CheckpointOperation } from "./checkpoint-state.ts";
import type { AgentEffect } from "./effects.ts";
import type { AgentTimer } from "./inputs.ts";
import type { AgentState, FrameworkState, TaskRecord } from "./state.ts";

export interface Step {
  readonly options: AgentOptions;
  readonly state: AgentState;
  /** Milliseconds since the Unix epoch, never less than in the step before. */
  readonly nowMs: number;
  /** A version 4 UUID in text form, new at each call. */
  readonly uuid: () => string;
  readonly effects: AgentEffect[];
  /** Members of task groups that failed, were killed or preempted in this step: see groups.ts. */
  readonly fallen: { readonly frameworkId: string; readonly task: TaskRecord }[];
}

/** Asks for a change on disk, which precedes every other effect of the batch. */
export function checkpoint(step: Step, operation: CheckpointOperation): void {
  step.effects.push({ kind: "checkpoint", operation });
}

/** Sends to the master, or drops the message when there is no link. */
export function send(step: Step, message: AgentToMaster): void {
  if (step.state.isLinkUp) step.effects.push({ kind: "send", message });
}

/** Sets or replaces a timer that fires `delayMs` from now. */
export function setTimer(step: Step, timer: AgentTimer, delayMs: number): void {
  step.effects.push({ kind: "setTimer", timer, atMs: step.nowMs + delayMs });
}

/** Cancels a timer; harmless when it is not set. */
export function cancelTimer(step: Step, timer: AgentTimer): void {
  step.effects.push({ kind: "cancelTimer", timer });
}

/** Writes a log line. Values must not be secrets. */
export function log(
  step: Step,
  level: LogLevel,
  message: string,
  fields: Readonly<Record<string, unknown>> = {},
): void {
  step.effects.push({ kind: "log", level, message, fields });
}

/** Base64 of the 16 raw bytes of a new UUID. */
export function newStatusUuid(step: Step): string {
  return must(uuidToBase64(step.uuid()), "UUID in text form");
}

/** The agent's id. Only called once tasks exist, which need a registered agent. */
export function agentIdOf(state: AgentState): string {
  return must(state.info.id?.value, "agent id");
}

/** Framework by id. */
export function findFramework(step: Step, frameworkId: string): FrameworkState | undefined {
  return step.state.frameworks.get(frameworkId);
}
