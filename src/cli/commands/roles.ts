/** `allot roles`: who shares the pool, by what right and how much of it. */
import type { QuotaQuotaConfig, Role } from "../../protocol/v1/types.ts";
import { group } from "../flags/flag-table.ts";
import { type Command, type CommandContext, EXIT_DONE, JSON_FLAG } from "./command.ts";
import { printListing } from "./listing.ts";
import { amountsOf, amountText, type ResourceAmounts, scalarsText } from "./resource-text.ts";
import type { Column } from "./table.ts";

/** One element of `allot roles --json`. */
interface RoleRow {
  readonly role: string;
  readonly weight: number;
  readonly frameworks: readonly string[];
  /** Offered and allocated. */
  readonly resources: ResourceAmounts;
  readonly guarantees: ResourceAmounts;
  readonly limits: ResourceAmounts;
}

/** The verb. */
export const ROLES: Command = {
  name: "roles",
  summary: "list the roles with weight, quota and what they have",
  synopsis: "[--json]",
  description: [
    "--json prints an array of {role, weight, frameworks, resources, guarantees, limits}; amounts are numbers by name, mem and disk in megabytes.",
  ],
  flags: group("Output", [JSON_FLAG]),
  wordCount: 0,
  run: listRoles,
};

const COLUMNS: readonly Column<RoleRow>[] = [
  { heading: "ROLE", text: (row) => row.role },
  { heading: "WEIGHT", text: (row) => String(row.weight), isRight: true },
  { heading: "FRAMEWORKS", text: (row) => String(row.frameworks.length), isRight: true },
  { heading: "CPUS", text: (row) => amountText(row.resources, "cpus"), isRight: true },
  { heading: "MEMORY", text: (row) => amountText(row.resources, "mem"), isRight: true },
  { heading: "DISK", text: (row) => amountText(row.resources, "disk"), isRight: true },
  { heading: "GUARANTEE", text: (row) => scalarsText(row.guarantees) },
  { heading: "LIMIT", text: (row) => scalarsText(row.limits) },
];

async function listRoles({ client, console, flags }: CommandContext): Promise<number> {
  const [roles, quota] = await Promise.all([
    client.call({ type: "GET_ROLES" }),
    client.call({ type: "GET_QUOTA" }),
  ]);
  const configs = new Map(
    (quota.get_quota?.status.configs ?? []).map((config) => [config.role, config]),
  );
  const rows = (roles.get_roles?.roles ?? []).map((role) => roleRow(role, configs.get(role.name)));
  const emptyText = "No role is known: no framework is registered and no weight or quota is set.";
  await printListing(console, { rows, columns: COLUMNS, emptyText }, flags.boolean("json"));
  return EXIT_DONE;
}

function roleRow(role: Role, quota: QuotaQuotaConfig | undefined): RoleRow {
  return {
    role: role.name,
    weight: role.weight,
    frameworks: (role.frameworks ?? []).map(({ value }) => value),
    resources: amountsOf(role.resources),
    guarantees: valuesOf(quota?.guarantees),
    limits: valuesOf(quota?.limits),
  };
}

function valuesOf(
  scalars: Readonly<Record<string, { readonly value: number }>> | undefined,
): ResourceAmounts {
  return Object.fromEntries(
    Object.entries(scalars ?? {}).map(([name, { value }]) => [name, value]),
  );
}
