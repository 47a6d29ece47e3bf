/** `allot leader`: which master leads, what the others are, and an orderly hand-over. */
import { setTimeout as sleep } from "node:timers/promises";
import { ok, type Result, refuse } from "../../base/result.ts";
import type { LeaderReport, MasterStanding, NamedMaster } from "../../protocol/leader-report.ts";
import { ClientError } from "../client/client-error.ts";
import { DEFAULT_MASTER } from "../client/master-address.ts";
import type { MasterClient } from "../client/master-client.ts";
import { acts, group } from "../flags/flag-table.ts";
import {
  type Command,
  EXIT_DONE,
  EXIT_FAILED,
  EXIT_USAGE,
  JSON_FLAG,
  type LoneContext,
} from "./command.ts";
import { ageOf, formatLines, formatWhy, printJson } from "./listing.ts";
import { type Column, formatTable } from "./table.ts";

/** Between two looks at who takes over. */
const LOOK_MS = 50;
/** Of waiting for that: a successor that died meanwhile is succeeded within a session's timeout. */
const PATIENCE_MS = 60_000;

/** One element of `masters` in `allot leader --json`. */
interface MasterRow {
  readonly id: string;
  readonly address: string;
  readonly hostname: string;
  /** `silent`: does not answer; `gone`: ended, and its session has not expired yet. */
  readonly standing: MasterStanding | "silent" | "gone";
  readonly registry_position: number | null;
  readonly version: string | null;
}

/** The verb. */
export const LEADER: Command = {
  name: "leader",
  summary: "show which master leads, or have it hand over",
  synopsis: "[step-down] [--force] [--json]",
  description: [
    "Asks any master, or with --master=zk://… ZooKeeper and every master that stands there. The exit status is 1 while nobody leads, with the reason.",
    "step-down: the next master in line takes over, within three seconds as a rule; tasks run on untouched. It is refused where nobody could take over.",
    "--json prints {leader: {id, address, hostname, epoch, since} or null, masters: [{id, address, hostname, standing, registry_position, version}], zookeeper, why: [sentences]}; standing is leading, recovering, following, waiting, silent or gone.",
  ],
  flags: [
    ...group("Step down", [
      acts("force", "boolean", "false", "hand over also to a master that does not answer"),
    ]),
    ...group("Output", [JSON_FLAG]),
  ],
  actions: ["step-down"],
  wordCount: 0,
  wordCountMax: 1,
  runAlone: leader,
};

const COLUMNS: readonly Column<MasterRow>[] = [
  { heading: "MASTER", text: (row) => row.address },
  { heading: "STANDING", text: (row) => row.standing },
  { heading: "REGISTRY", text: (row) => String(row.registry_position ?? ""), isRight: true },
  { heading: "VERSION", text: (row) => row.version ?? "" },
  { heading: "ID", text: (row) => row.id },
];

async function leader(context: LoneContext): Promise<number> {
  const { console, words } = context;
  const [action] = words;
  if (action !== undefined && action !== "step-down") {
    await console.error(`allot leader: ${action} is not step-down\n`);
    return EXIT_USAGE;
  }
  const outcome = await (action === undefined ? showLeader(context) : stepDown(context));
  if (outcome.ok) return outcome.value;
  await console.error(`allot leader: ${outcome.error.message}\n`);
  return EXIT_FAILED;
}

async function showLeader(context: LoneContext): Promise<Result<number>> {
  const { console, flags } = context;
  const found = await reportOfMasters(context);
  if (!found.ok) return found;
  const { report, rows } = found.value;
  const { zookeeper, why } = report;
  if (flags.boolean("json")) {
    await printJson(console, { leader: report.leader, masters: rows, zookeeper, why });
  } else await console.out(formatReport(report, rows));
  return ok(rows.some(({ standing }) => standing === "leading") ? EXIT_DONE : EXIT_FAILED);
}

/** Of the leader where it answers, else of the first that does; and all masters with what they are. */
async function reportOfMasters(
  context: LoneContext,
): Promise<Result<{ readonly report: LeaderReport; readonly rows: readonly MasterRow[] }>> {
  const asked = await mastersOf(context);
  if (!asked.ok) return asked;
  const { masters, first } = asked.value;
  const others = await Promise.all(masters.map(({ address }) => tryReport(context, address)));
  const reports = [
    ...(first === undefined ? [] : [first]),
    ...others.filter((one) => one !== undefined),
  ];
  const report = reports.find(({ self }) => self.standing === "leading") ?? reports[0];
  if (report === undefined) {
    const names = masters.map(({ address }) => address).join(", ");
    const who = names === "" ? "no master stands there" : `none of ${names} answers`;
    return refuse("notReady", `nobody can be asked: ${who}`);
  }
  const rows = masters.map((master, index) => rowOf(master, others[index]));
  const { self } = report;
  // One that cannot reach ZooKeeper stands nowhere.
  if (!rows.some(({ address }) => address === self.address)) rows.push(rowOf(self, report));
  return ok({ report, rows });
}

interface Asked {
  readonly masters: readonly NamedMaster[];
  readonly first: LeaderReport | undefined;
}

async function mastersOf(context: LoneContext): Promise<Result<Asked>> {
  const text = context.flags.string("master") ?? DEFAULT_MASTER;
  if (text.startsWith("zk://")) {
    const masters = await context.tools.findMasters(text);
    return masters.ok ? ok({ masters: masters.value, first: undefined }) : masters;
  }
  const client = context.clientAt(text);
  if (!client.ok) return client;
  const first = await client.value.leaderReport();
  return ok({ masters: first.masters, first });
}

/** Undefined where nobody answers, or somebody else does. */
async function tryReport(
  { clientAt }: LoneContext,
  address: string,
): Promise<LeaderReport | undefined> {
  const client = clientAt(address);
  if (!client.ok) return undefined;
  try {
    return await client.value.leaderReport();
  } catch (error) {
    if (error instanceof ClientError && error.status !== 401) return undefined;
    throw error;
  }
}

function rowOf(
  { id, address, hostname }: NamedMaster,
  report: LeaderReport | undefined,
): MasterRow {
  const named = { id, address, hostname };
  if (report === undefined) {
    return { ...named, standing: "silent", registry_position: null, version: null };
  }
  const { standing, registry_position, version } = report.self;
  return {
    ...named,
    standing: report.self.id === id ? standing : "gone",
    registry_position,
    version,
  };
}

function formatReport({ leader: found, why }: LeaderReport, rows: readonly MasterRow[]): string {
  const isLed = found !== null && rows.some(({ standing }) => standing === "leading");
  const epoch = found?.epoch == null ? "" : `, epoch ${found.epoch}`;
  const since = found?.since == null ? "" : `, for ${ageOf(found.since)} (since ${found.since})`;
  const head = formatLines([["Leader", isLed ? `${found.address}${epoch}${since}` : "none"]]);
  return `${head}${formatWhy(why)}\n${formatTable(COLUMNS, rows)}`;
}

async function stepDown(context: LoneContext): Promise<Result<number>> {
  const { console, flags, tools, clientAt } = context;
  const address = await tools.findLeader(flags.string("master") ?? DEFAULT_MASTER);
  if (!address.ok) return address;
  const client = clientAt(address.value);
  if (!client.ok) return client;
  const before = await client.value.leaderReport();
  const startMs = performance.now();
  const { successor } = await client.value.stepDown(flags.boolean("force"));
  const next = await untilLed(context, client.value, { successor, former: before.leader?.id });
  const tookMs = Math.round(performance.now() - startMs);
  if (next === undefined) {
    const remedy = "`allot leader` shows what became of it";
    return refuse(
      "notReady",
      `${successor.address} was to take over and does not lead yet; ${remedy}`,
    );
  }
  if (flags.boolean("json")) await printJson(console, { leader: next, took_ms: tookMs });
  else {
    const epoch = next.epoch === null ? "" : ` (epoch ${next.epoch})`;
    await console.out(`${next.address} leads${epoch}, ${tookMs} ms after it was asked to\n`);
  }
  return ok(EXIT_DONE);
}

/** The new leader: by its own word, or by that of the former one, where it cannot be reached from here. */
async function untilLed(
  context: LoneContext,
  former: MasterClient,
  who: { readonly successor: NamedMaster; readonly former: string | undefined },
): Promise<NonNullable<LeaderReport["leader"]> | undefined> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  while (performance.now() < deadlineMs) {
    const own = await tryReport(context, who.successor.address);
    if (own?.self.standing === "leading" && own.leader !== null) return own.leader;
    const told = own ?? (await former.leaderReport());
    const { leader: found } = told;
    const isAnother = found !== null && found.id !== who.former && found.epoch !== null;
    if (isAnother && (own === undefined || found.id !== own.self.id)) return found;
    await sleep(LOOK_MS);
  }
  return undefined;
}
