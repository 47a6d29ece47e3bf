/**
 * QoS controllers: which containers on revocable resources must end so that the others get what they
 * were promised. Source: semantics 8.4.
 */
import type { ContainerId } from "../../../base/ids.ts";
import { isRevocable, type Usage } from "./usage.ts";

/** The containers to preempt now; each takes the rest of its executor along. */
export type QosController = (usage: Usage) => readonly ContainerId[];

/** Runnable processes per host above which all revocable containers end; undefined: no bound. */
export interface LoadThresholds {
  readonly fiveMinutes: number | undefined;
  readonly fifteenMinutes: number | undefined;
}

/** All of them when the host's load is above a threshold. */
export function loadController({ fiveMinutes, fifteenMinutes }: LoadThresholds): QosController {
  return ({ load, containers }) => {
    const isOver =
      load.fiveMinutes > (fiveMinutes ?? Number.POSITIVE_INFINITY) ||
      load.fifteenMinutes > (fifteenMinutes ?? Number.POSITIVE_INFINITY);
    return isOver ? revocable(containers) : [];
  };
}

/** Percent of time in which something waits, above which the newest revocable container ends. */
export interface PressureThresholds {
  readonly cpu: number;
  readonly memory: number;
}

/** One after another, the newest first, for as long as the host is under pressure. */
export function pressureController({ cpu, memory }: PressureThresholds): QosController {
  return ({ pressure, containers }) => {
    const isOver = pressure !== undefined && (pressure.cpu > cpu || pressure.memory > memory);
    return isOver ? revocable(containers).slice(-1) : [];
  };
}

function revocable(containers: Usage["containers"]): ContainerId[] {
  return containers
    .filter(({ resources }) => resources.some(isRevocable))
    .map(({ containerId }) => containerId);
}
