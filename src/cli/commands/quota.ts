/** `allot quota`: what a role is sure to get, and what it may have at most. */
import { ok, type Result, refuse } from "../../base/result.ts";
import type { QuotaQuotaConfig } from "../../protocol/v1/types.ts";
import { parseResources } from "../../resources/parse.ts";
import { acts, group } from "../flags/flag-table.ts";
import { type Command, type CommandContext, EXIT_DONE, EXIT_USAGE, JSON_FLAG } from "./command.ts";
import { printListing } from "./listing.ts";
import { scalarsText } from "./resource-text.ts";

type Amounts = Readonly<Record<string, number>>;

/** One element of `allot quota --json`. */
interface QuotaRow {
  readonly role: string;
  readonly guarantees: Amounts;
  readonly limits: Amounts;
}

/** The verb. */
export const QUOTA: Command = {
  name: "quota",
  summary: "list, set or remove the quota of roles",
  synopsis:
    "[ROLE [--guarantee=cpus:4;mem:1024] [--limit=cpus:8] [--force] | ROLE --remove] [--json]",
  description: [
    "Without flags lists quotas, of the one role if it is named. What is not given stays as it was. A limit must not be below what the role uses, and all guarantees together must fit into the cluster, unless --force is given.",
    "--json prints an array of {role, guarantees, limits}; amounts are numbers by name, mem and disk in megabytes.",
  ],
  flags: [
    ...group("Quota", [
      acts("guarantee", "string", undefined, "amounts the role is sure to get"),
      acts("limit", "string", undefined, "amounts the role may have at most"),
      acts("remove", "boolean", "false", "take guarantee and limit away"),
      acts("force", "boolean", "false", "set it even if it cannot be kept now"),
    ]),
    ...group("Output", [JSON_FLAG]),
  ],
  wordCount: 0,
  wordCountMax: 1,
  run: quota,
};

async function quota(context: CommandContext): Promise<number> {
  const { client, console, flags, words } = context;
  const rows = await readQuota(context);
  const [role] = words;
  const isChange = ["guarantee", "limit"].some((name) => flags.string(name) !== undefined);
  if (!isChange && !flags.boolean("remove")) return await listQuota(context, rows);
  const wanted = quotaFrom(
    context,
    rows.find((row) => row.role === role),
  );
  if (!wanted.ok) {
    await console.error(`allot quota: ${wanted.error.message}\n`);
    return EXIT_USAGE;
  }
  const update_quota = { force: flags.boolean("force"), quota_configs: [wanted.value] };
  await client.call({ type: "UPDATE_QUOTA", update_quota });
  return EXIT_DONE;
}

async function readQuota({ client }: CommandContext): Promise<readonly QuotaRow[]> {
  const answer = await client.call({ type: "GET_QUOTA" });
  return (answer.get_quota?.status.configs ?? []).map(({ role, guarantees, limits }) => ({
    role,
    guarantees: valuesOf(guarantees),
    limits: valuesOf(limits),
  }));
}

async function listQuota(
  { console, flags, words }: CommandContext,
  all: readonly QuotaRow[],
): Promise<number> {
  const rows = all.filter(({ role }) => (words[0] ?? role) === role);
  const columns = [
    { heading: "ROLE", text: (row: QuotaRow) => row.role },
    { heading: "GUARANTEE", text: (row: QuotaRow) => scalarsText(row.guarantees) },
    { heading: "LIMIT", text: (row: QuotaRow) => scalarsText(row.limits) },
  ];
  const emptyText = words[0] === undefined ? "No quota is set." : `${words[0]} has no quota.`;
  await printListing(console, { rows, columns, emptyText }, flags.boolean("json"));
  return EXIT_DONE;
}

function quotaFrom(
  { flags, words }: CommandContext,
  known: QuotaRow | undefined,
): Result<QuotaQuotaConfig> {
  const [role] = words;
  if (role === undefined)
    return refuse("invalid", "name the role, as allot quota web --limit=cpus:4");
  if (flags.boolean("remove")) return ok({ role });
  const guarantees = amountsFrom(flags.string("guarantee"), "guarantee", known?.guarantees);
  if (!guarantees.ok) return guarantees;
  const limits = amountsFrom(flags.string("limit"), "limit", known?.limits);
  if (!limits.ok) return limits;
  return ok({ role, guarantees: scalarsOf(guarantees.value), limits: scalarsOf(limits.value) });
}

function amountsFrom(
  text: string | undefined,
  flag: string,
  known: Amounts | undefined,
): Result<Amounts> {
  if (text === undefined) return ok(known ?? {});
  const parsed = parseResources(text, "*");
  if (!parsed.ok) return refuse("invalid", `--${flag}: ${parsed.error.message}`);
  const amounts: Record<string, number> = {};
  for (const { name, scalar, reservations } of parsed.value) {
    if (scalar === undefined || (reservations ?? []).length > 0) {
      return refuse("invalid", `--${flag}: ${name} must be a plain number, as cpus:4;mem:1024`);
    }
    if (Object.hasOwn(amounts, name)) return refuse("invalid", `--${flag}: ${name} is named twice`);
    amounts[name] = scalar.value;
  }
  return ok(amounts);
}

function scalarsOf(amounts: Amounts): Record<string, { value: number }> {
  return Object.fromEntries(Object.entries(amounts).map(([name, value]) => [name, { value }]));
}

function valuesOf(
  scalars: Readonly<Record<string, { readonly value: number }>> | undefined,
): Record<string, number> {
  return Object.fromEntries(
    Object.entries(scalars ?? {}).map(([name, { value }]) => [name, value]),
  );
}
