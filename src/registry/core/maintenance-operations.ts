/**
 * Maintenance: machines are planned to be away (draining), taken down, and taken up again.
 * Source: semantics 4.9.
 */
import { ok, type Result, refuse } from "../../base/result.ts";
import type {
  MachineID,
  MachineInfo,
  MaintenanceSchedule,
  MaintenanceWindow,
} from "../../protocol/v1/types.ts";
import { SCHEDULE_MACHINES_MAX } from "./limits.ts";
import { machineKey, type RegistryState } from "./registry-state.ts";

/**
 * Replaces the whole schedule. Refusals: `invalid` for an empty window, a machine without a name or
 * named twice, too many of them, a negative duration, and for leaving out a machine that is down.
 */
export function updateSchedule(
  state: RegistryState,
  schedule: MaintenanceSchedule,
): Result<boolean> {
  const excess = faultOfSize(schedule);
  if (excess !== undefined) return refuse("invalid", excess, "schedule.windows.machine_ids");
  const planned = new Map<string, MachineInfo>();
  for (const window of schedule.windows ?? []) {
    const fault = planWindow(state, window, planned);
    if (fault !== undefined) return refuse("invalid", fault, "schedule");
  }
  for (const [key, machine] of state.machines) {
    if (machine.mode !== "DOWN" || planned.has(key)) continue;
    const remedy = "stop its maintenance before it leaves the schedule";
    return refuse("invalid", `Machine '${nameOf(machine.id)}' is deactivated; ${remedy}`);
  }
  state.machines.clear();
  for (const [key, machine] of planned) state.machines.set(key, machine);
  state.schedule = planned.size === 0 ? undefined : schedule;
  return ok(true);
}

/** Takes scheduled machines down. Refusals: `invalid` for one that is not draining. */
export function startMaintenance(
  state: RegistryState,
  machines: readonly MachineID[],
): Result<boolean> {
  const fault = faultOfMode(state, machines, "DRAINING");
  if (fault !== undefined) return refuse("invalid", fault, "machines");
  for (const id of machines) {
    const key = machineKey(id);
    state.machines.set(key, { id, ...state.machines.get(key), mode: "DOWN" });
  }
  return ok(machines.length > 0);
}

/** Takes machines up and out of the schedule. Refusals: `invalid` for one that is not down. */
export function stopMaintenance(
  state: RegistryState,
  machines: readonly MachineID[],
): Result<boolean> {
  const fault = faultOfMode(state, machines, "DOWN");
  if (fault !== undefined) return refuse("invalid", fault, "machines");
  const up = new Set(machines.map(machineKey));
  for (const key of up) state.machines.delete(key);
  const windows = (state.schedule?.windows ?? [])
    .map((window) => ({
      ...window,
      machine_ids: (window.machine_ids ?? []).filter((id) => !up.has(machineKey(id))),
    }))
    .filter((window) => window.machine_ids.length > 0);
  state.schedule = windows.length === 0 ? undefined : { windows };
  return ok(machines.length > 0);
}

/**
 * The machines of a schedule by `machineKey`: what a registry says of them beside it is which are
 * down, by the same key.
 */
export function machinesOf(
  schedule: MaintenanceSchedule | undefined,
  down: ReadonlySet<string>,
): Map<string, MachineInfo> {
  const machines = new Map<string, MachineInfo>();
  for (const { machine_ids: ids, unavailability } of schedule?.windows ?? []) {
    for (const id of ids ?? []) {
      const key = machineKey(id);
      machines.set(key, { id, mode: down.has(key) ? "DOWN" : "DRAINING", unavailability });
    }
  }
  return machines;
}

function faultOfSize({ windows }: MaintenanceSchedule): string | undefined {
  let count = 0;
  for (const { machine_ids } of windows ?? []) count += machine_ids?.length ?? 0;
  if (count <= SCHEDULE_MACHINES_MAX) return undefined;
  const remedy = "leave out those whose maintenance comes later";
  return `Schedule has ${count} machines, more than ${SCHEDULE_MACHINES_MAX}; ${remedy}`;
}

function planWindow(
  state: RegistryState,
  { machine_ids: ids, unavailability }: MaintenanceWindow,
  planned: Map<string, MachineInfo>,
): string | undefined {
  if (ids === undefined || ids.length === 0)
    return "List of machines in the maintenance window is empty";
  if ((unavailability.duration?.nanoseconds ?? 0) < 0)
    return "Unavailability 'duration' is negative";
  for (const id of ids) {
    const fault = faultOfMachine(id);
    if (fault !== undefined) return fault;
    const key = machineKey(id);
    if (planned.has(key)) return `Machine '${nameOf(id)}' appears more than once in the schedule`;
    const mode = state.machines.get(key)?.mode === "DOWN" ? "DOWN" : "DRAINING";
    planned.set(key, { id, mode, unavailability });
  }
  return undefined;
}

function faultOfMode(
  state: RegistryState,
  machines: readonly MachineID[],
  mode: "DRAINING" | "DOWN",
): string | undefined {
  if (machines.length === 0) return "List of machines is empty";
  const seen = new Set<string>();
  for (const id of machines) {
    const fault = faultOfMachine(id);
    if (fault !== undefined) return fault;
    const key = machineKey(id);
    if (seen.has(key)) return `Machine '${nameOf(id)}' appears more than once`;
    seen.add(key);
    const machine = state.machines.get(key);
    if (machine === undefined) {
      return `Machine '${nameOf(id)}' is not part of a maintenance schedule`;
    }
    if (machine.mode === mode) continue;
    const remedy = mode === "DOWN" ? "start its maintenance first" : "it is down already";
    return `Machine '${nameOf(id)}' is not in ${mode} mode; ${remedy}`;
  }
  return undefined;
}

/** Hostname or ip must be there; an ip must be one. */
function faultOfMachine({ hostname, ip }: MachineID): string | undefined {
  if ((hostname ?? "") === "" && (ip ?? "") === "") {
    return "Both 'hostname' and 'ip' of a machine are empty";
  }
  if (ip !== undefined && ip !== "" && !/^[\d.]+$|^[\da-fA-F:.]+$/.test(ip)) {
    return `'ip' of a machine is not an address: ${ip.slice(0, 60)}`;
  }
  return undefined;
}

function nameOf({ hostname, ip }: MachineID): string {
  return [hostname, ip].filter((part) => part !== undefined && part !== "").join(" ");
}
