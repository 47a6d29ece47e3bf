/** `allot maintenance`: machines that will be away, are down, and come back. */
import { ok, type Result, refuse } from "../../base/result.ts";
import type {
  MachineID,
  MaintenanceClusterStatusDrainingMachine,
  MaintenanceSchedule,
  MaintenanceWindow,
} from "../../protocol/v1/types.ts";
import type { MasterClient } from "../client/master-client.ts";
import { acts, group } from "../flags/flag-table.ts";
import {
  type Command,
  type CommandContext,
  EXIT_DONE,
  EXIT_FAILED,
  EXIT_USAGE,
  JSON_FLAG,
} from "./command.ts";
import { isoTime, printListing, secondsOf } from "./listing.ts";
import { type Column, formatAge } from "./table.ts";

/** Words of one command line: above any number of machines a person names at once. */
const WORDS_MAX = 1024;

/** One element of `allot maintenance --json`. */
interface MachineRow {
  readonly hostname: string | null;
  readonly ip: string | null;
  readonly state: "scheduled" | "down";
  readonly starts_at: string | null;
  readonly duration_secs: number | null;
  /** Frameworks that said they can do without the machine, and that they cannot. */
  readonly accepted: number;
  readonly declined: number;
}

/** The verb. */
export const MAINTENANCE: Command = {
  name: "maintenance",
  summary: "list, plan, start and end the maintenance of machines",
  synopsis: "[schedule|start|stop|cancel MACHINE …] [--in=1hrs] [--for=2hrs] [--json]",
  description: [
    "MACHINE is a host name, an address, or both as HOST/ADDRESS, as the agent on it was started.",
    "schedule: frameworks are told when the machines will be away. start: agents there end now, with all they run. stop: the machines may come back. cancel: takes machines that are not down out of the schedule.",
    "--json prints an array of {hostname, ip, state, starts_at, duration_secs, accepted, declined}.",
  ],
  flags: [
    ...group("Schedule", [
      acts("in", "duration", "0secs", "how long from now until they are away"),
      acts("for", "duration", undefined, "for how long", { defaultText: "without an end" }),
    ]),
    ...group("Output", [JSON_FLAG]),
  ],
  actions: ["schedule", "start", "stop", "cancel"],
  wordCount: 0,
  wordCountMax: WORDS_MAX,
  run: maintenance,
};

const COLUMNS: readonly Column<MachineRow>[] = [
  { heading: "HOST", text: (row) => row.hostname ?? "" },
  { heading: "ADDRESS", text: (row) => row.ip ?? "" },
  { heading: "STATE", text: (row) => row.state },
  { heading: "STARTS", text: (row) => row.starts_at ?? "" },
  {
    heading: "FOR",
    text: (row) => (row.duration_secs === null ? "" : formatAge(row.duration_secs * 1000)),
    isRight: true,
  },
  { heading: "ACCEPTED", text: (row) => String(row.accepted), isRight: true },
  { heading: "DECLINED", text: (row) => String(row.declined), isRight: true },
];

async function maintenance(context: CommandContext): Promise<number> {
  const { client, console, words } = context;
  const [action, ...names] = words;
  if (action === undefined) return await listMachines(context);
  const machines = names.map(machineOf);
  const fault = faultOfWords(action, names);
  if (!fault.ok) {
    await console.error(`allot maintenance: ${fault.error.message}\n`);
    return EXIT_USAGE;
  }
  if (action === "start") {
    await client.call({ type: "START_MAINTENANCE", start_maintenance: { machines } });
  } else if (action === "stop") {
    await client.call({ type: "STOP_MAINTENANCE", stop_maintenance: { machines } });
  } else if (action === "schedule") {
    const named = new Set(machines.map(keyOf));
    const added = [windowOf(context, machines)];
    await reschedule(client, await scheduled(client), (id) => named.has(keyOf(id)), added);
  } else {
    const windows = await scheduled(client);
    const planned = windows.flatMap(({ machine_ids: ids }) => ids ?? []);
    const stray = names.find((name) => !planned.some((id) => isSame(machineOf(name), id)));
    if (stray !== undefined) {
      const remedy = "`allot maintenance` lists those that are; nothing was changed";
      await console.error(`allot maintenance: ${stray} is not in the schedule; ${remedy}\n`);
      return EXIT_FAILED;
    }
    await reschedule(client, windows, (id) => machines.some((machine) => isSame(machine, id)));
  }
  return EXIT_DONE;
}

function faultOfWords(action: string, names: readonly string[]): Result<void> {
  if (!["schedule", "start", "stop", "cancel"].includes(action)) {
    return refuse("invalid", `${action} is none of schedule, start, stop, cancel`);
  }
  if (names.length === 0)
    return refuse("invalid", `name the machines, as allot maintenance ${action} HOST`);
  return ok(undefined);
}

/** The schedule is replaced as a whole, so the rest of it is read first. */
async function scheduled(client: MasterClient): Promise<readonly MaintenanceWindow[]> {
  const answer = await client.call({ type: "GET_MAINTENANCE_SCHEDULE" });
  return answer.get_maintenance_schedule?.schedule?.windows ?? [];
}

async function reschedule(
  client: MasterClient,
  windows: readonly MaintenanceWindow[],
  isTakenOut: (id: MachineID) => boolean,
  added: readonly MaintenanceWindow[] = [],
): Promise<void> {
  const kept = windows
    .map((window) => ({
      ...window,
      machine_ids: (window.machine_ids ?? []).filter((id) => !isTakenOut(id)),
    }))
    .filter(({ machine_ids: ids }) => ids.length > 0);
  const schedule: MaintenanceSchedule = { windows: [...kept, ...added] };
  const update_maintenance_schedule = { schedule };
  await client.call({ type: "UPDATE_MAINTENANCE_SCHEDULE", update_maintenance_schedule });
}

function windowOf({ flags }: CommandContext, machines: readonly MachineID[]): MaintenanceWindow {
  const startMs = Date.now() + (flags.durationMs("in") ?? 0);
  const durationMs = flags.durationMs("for");
  return {
    machine_ids: machines,
    unavailability: {
      start: { nanoseconds: startMs * 1e6 },
      ...(durationMs !== undefined && { duration: { nanoseconds: durationMs * 1e6 } }),
    },
  };
}

function machineOf(name: string): MachineID {
  const [first = "", second] = name.split("/");
  if (second !== undefined) return { hostname: first, ip: second };
  return /^[\d.]+$|:/.test(first) ? { ip: first } : { hostname: first };
}

/** Whether a machine of the schedule is the one that is named, maybe by its host or address alone. */
function isSame(named: MachineID, { hostname, ip }: MachineID): boolean {
  const host = named.hostname?.toLowerCase();
  const isHost = host === undefined || host === hostname?.toLowerCase();
  return isHost && (named.ip === undefined || named.ip === ip);
}

function keyOf({ hostname, ip }: MachineID): string {
  return `${hostname?.toLowerCase() ?? ""}/${ip ?? ""}`;
}

async function listMachines({ client, console, flags }: CommandContext): Promise<number> {
  const [planned, current] = await Promise.all([
    client.call({ type: "GET_MAINTENANCE_SCHEDULE" }),
    client.call({ type: "GET_MAINTENANCE_STATUS" }),
  ]);
  const status = current.get_maintenance_status?.status;
  const down = new Set((status?.down_machines ?? []).map(keyOf));
  const draining = new Map(
    (status?.draining_machines ?? []).map((machine) => [keyOf(machine.id), machine]),
  );
  const windows = planned.get_maintenance_schedule?.schedule?.windows ?? [];
  const rows = windows.flatMap((window) =>
    (window.machine_ids ?? []).map((id) =>
      machineRow(id, window, down.has(keyOf(id)) ? "down" : draining.get(keyOf(id))),
    ),
  );
  const emptyText = "No maintenance is planned.";
  await printListing(console, { rows, columns: COLUMNS, emptyText }, flags.boolean("json"));
  return EXIT_DONE;
}

function machineRow(
  id: MachineID,
  { unavailability }: MaintenanceWindow,
  state: "down" | MaintenanceClusterStatusDrainingMachine | undefined,
): MachineRow {
  const answers = state === "down" || state === undefined ? [] : (state.statuses ?? []);
  const count = (wanted: string): number =>
    answers.filter(({ status }) => status === wanted).length;
  return {
    hostname: id.hostname ?? null,
    ip: id.ip ?? null,
    state: state === "down" ? "down" : "scheduled",
    starts_at: isoTime(secondsOf(unavailability.start)),
    duration_secs: secondsOf(unavailability.duration) ?? null,
    accepted: count("ACCEPT"),
    declined: count("DECLINE"),
  };
}
