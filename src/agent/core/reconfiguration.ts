/**
 * Whether an agent may keep its identity after its description changed between two starts.
 * Source: semantics 7.7.2. Differs from Mesos: the port may change, since nobody needs to reach the
 * agent (DESIGN §2).
 */
import type { AgentInfo, Attribute, Resource } from "../../protocol/v1/types.ts";
import { formatItems, formatRanges } from "../../resources/format.ts";
import type { ReconfigurationPolicy } from "./agent-options.ts";

/** All that changed in a way the policy forbids, in words; empty when the agent may go on. */
export function reconfigurationFaults(
  before: AgentInfo,
  after: AgentInfo,
  policy: ReconfigurationPolicy,
): string[] {
  const faults: string[] = [];
  if (before.hostname !== after.hostname) {
    faults.push(`hostname changed from ${before.hostname} to ${after.hostname}`);
  }
  if (policy === "fitting") return faults;
  const isDomainKept = canonical(before.domain) === canonical(after.domain);
  if (!isDomainKept && (policy === "equal" || before.domain !== undefined)) {
    faults.push("domain changed");
  }
  return [
    ...faults,
    ...faultsOfValues("resource", before.resources ?? [], after.resources ?? [], policy),
    ...faultsOfValues("attribute", before.attributes ?? [], after.attributes ?? [], policy),
  ];
}

type Valued = Resource | Attribute;

function faultsOfValues(
  what: "resource" | "attribute",
  before: readonly Valued[],
  after: readonly Valued[],
  policy: "equal" | "additive",
): string[] {
  const faults: string[] = [];
  const rest = new Map(after.map((value) => [keyOf(what, value), value]));
  for (const old of before) {
    const now = rest.get(keyOf(what, old));
    rest.delete(keyOf(what, old));
    if (now === undefined) {
      faults.push(`${what} ${old.name} is gone`);
      continue;
    }
    const isKept = amountOf(old) === amountOf(now);
    if (isKept || (policy === "additive" && hasGrown(what, old, now))) continue;
    faults.push(`${what} ${old.name} changed from ${describe(old)} to ${describe(now)}`);
  }
  if (policy === "equal") {
    for (const { name } of rest.values()) faults.push(`${what} ${name} is new`);
  }
  return faults;
}

/** What makes two entries the same thing: all but the amount. */
function keyOf(what: "resource" | "attribute", value: Valued): string {
  if (what === "attribute") return value.name;
  const { scalar: _scalar, ranges: _ranges, set: _set, ...rest } = value as Resource;
  return canonical({ ...rest, role: rest.role ?? "*" });
}

function amountOf(value: Valued): string {
  return canonical([value.scalar, value.ranges, value.set, "text" in value ? value.text : 0]);
}

function hasGrown(what: "resource" | "attribute", before: Valued, after: Valued): boolean {
  if (before.type !== after.type) return false;
  if (before.scalar !== undefined && after.scalar !== undefined) {
    return what === "resource" && after.scalar.value >= before.scalar.value;
  }
  if (before.ranges !== undefined) {
    const now = after.ranges?.range ?? [];
    return (before.ranges.range ?? []).every((old) =>
      now.some((range) => range.begin <= old.begin && range.end >= old.end),
    );
  }
  const now = new Set(after.set?.item ?? []);
  return before.set !== undefined && (before.set.item ?? []).every((item) => now.has(item));
}

function describe(value: Valued): string {
  if (value.scalar !== undefined) return String(value.scalar.value);
  if (value.ranges !== undefined) return formatRanges(value.ranges, ",");
  if (value.set !== undefined) return formatItems(value.set.item ?? [], ",");
  return "text" in value ? (value.text?.value ?? "") : "";
}

/** JSON with sorted keys and without undefined, so that equal messages are equal texts. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value ?? null);
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  entries.sort(([left], [right]) => (left < right ? -1 : 1));
  return `{${entries.map(([key, each]) => `${key}:${canonical(each)}`).join(",")}}`;
}
