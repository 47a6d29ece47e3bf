/**
 * Looks at every agent with the eyes of one client and finds the rule that keeps it from an offer.
 * The rules are those of allocator.ts, asked without taking or noting anything; a cycle never comes
 * here, so that asking why costs the asking only.
 */
import type { Bundle } from "../resources/bundle.ts";
import type { ResourceKinds } from "../resources/kinds.ts";
import type { ScalarSummary } from "../resources/summary.ts";
import type { AgentRecord } from "./agents.ts";
import type { Amounts, Finding, Reason } from "./explanation.ts";
import type { Filters } from "./filters.ts";
import type { Ledger } from "./ledger.ts";
import { type Minimum, meets } from "./minimum.ts";
import { isWithin, Offerable, refusalOf } from "./offerable.ts";
import type { Client } from "./role-tree.ts";

/** What the rules are asked with. */
export interface Question {
  readonly ledger: Ledger;
  readonly filters: Filters;
  readonly client: Client;
  /** The one that applies to the client. */
  readonly minimum: Minimum;
  readonly nowMs: number;
}

/** In the order in which the rules are asked. */
const KINDS: readonly Finding["kind"][] = [
  "agentInactive",
  "notWhitelisted",
  "agentCapability",
  "gpuRule",
  "remoteRegion",
  "constraint",
  "nothingFree",
  "reservedToOthers",
  "frameworkCapability",
  "tooSmall",
  "quotaLimit",
  "headroom",
  "filtered",
  "possible",
];

/** One reason for each kind that was found. O(agents). */
export function reasonsAgainst(question: Question): Reason[] {
  const { ledger, minimum } = question;
  const reasons = new Map<Finding["kind"], Reason>();
  const offerable = new Offerable(minimum);
  const asked = minimum.map(({ names, milli }) =>
    Object.fromEntries(names.map((name, place) => [name, milli[place] ?? 0])),
  );
  for (const agent of ledger.pool.all()) {
    const finding = judge(question, offerable, agent, asked);
    const known = reasons.get(finding.kind);
    reasons.set(
      finding.kind,
      known === undefined ? { ...finding, agents: 1 } : merged(known, finding),
    );
  }
  return KINDS.flatMap((kind) => reasons.get(kind) ?? []);
}

function judge(
  question: Question,
  offerable: Offerable,
  agent: AgentRecord,
  asked: readonly Amounts[],
): Finding {
  const { client, minimum, ledger } = question;
  if (!agent.isActive) return { kind: "agentInactive" };
  if (!agent.isListed) return { kind: "notWhitelisted" };
  const refusal = refusalOf(agent, client);
  if (refusal !== undefined) return { kind: refusal };
  if (agent.free.isEmpty()) return { kind: "nothingFree" };
  offerable.look(agent, agent.shared);
  const { resources } = offerable.candidateFor(client);
  const summary = resources.summary();
  if (!summary.hasUnshared) {
    const roles = rolesReservedTo(agent, client.role);
    return roles.length > 0 ? { kind: "reservedToOthers", roles } : { kind: "frameworkCapability" };
  }
  if (!meets(minimum, summary)) {
    const free = namedAmounts(summary, ledger.kinds);
    return { kind: "tooSmall", nearestAgentId: agent.id, free, minimum: asked };
  }
  return judgeQuota(question, agent, resources);
}

/** The rules about amounts: limit, headroom and refusals of an offer of what they leave. */
function judgeQuota(question: Question, agent: AgentRecord, resources: Bundle): Finding {
  const { client, ledger, filters, minimum, nowMs } = question;
  const { quotas } = ledger;
  const isWanted = (offer: Bundle): boolean =>
    offer.summary().hasUnshared && meets(minimum, offer.summary());
  const limited = shrunk(question, resources, (index) => leftOf(client, index));
  if (!isWanted(limited)) return { kind: "quotaLimit", role: client.top.path };
  const offer = guaranteedOf(question, resources) ?? extraOf(question, resources);
  if (!isWanted(offer)) {
    const others = [...quotas.roles()].filter(
      (role) => role.unsatisfiedCount > 0 && role !== client.top.quota,
    );
    return { kind: "headroom", roles: others.map(({ name }) => name) };
  }
  const endMs = filters.refusedUntilMs(client.number, agent.number, offer, nowMs);
  return endMs === undefined ? { kind: "possible" } : { kind: "filtered", earliestEndMs: endMs };
}

/** `allowanceOf` says how much of a scalar name, by index, may be taken of what counts for quota. */
function shrunk(
  { ledger }: Question,
  resources: Bundle,
  allowanceOf: (index: number) => number,
): Bundle {
  const left = new Float64Array(ledger.kinds.scalarNames.length);
  for (const index of resources.summary().indexes) left[index] = allowanceOf(index);
  return resources.shrunk(left);
}

function leftOf({ top }: Client, index: number): number {
  return top.quota?.leftOf(index) ?? Number.POSITIVE_INFINITY;
}

/**
 * What is missing of the guarantee, and beyond it what limit and headroom allow; undefined when
 * nothing goes to the guarantee. Apart from each other, since some kinds are taken whole.
 */
function guaranteedOf(question: Question, resources: Bundle): Bundle | undefined {
  const { quota } = question.client.top;
  if (quota === undefined || quota.unsatisfiedCount === 0) return undefined;
  const offer = shrunk(question, resources, (index) => quota.unsatisfiedOf(index));
  const { indexes, quotaMilli } = offer.summary();
  if (quotaMilli.every((milli) => milli === 0)) return undefined;
  const guaranteed = new Map([...indexes].map((index, place) => [index, quotaMilli[place] ?? 0]));
  const rest = resources.clone();
  rest.subtract(offer);
  offer.add(extraOf(question, rest, guaranteed));
  return offer;
}

/** As far as limit and headroom go, `guaranteed` by name index being taken besides. */
function extraOf(
  question: Question,
  resources: Bundle,
  guaranteed: ReadonlyMap<number, number> = new Map(),
): Bundle {
  const { ledger, client } = question;
  const { quotas } = ledger;
  return shrunk(question, resources, (index) => {
    const left = Math.max(0, leftOf(client, index) - (guaranteed.get(index) ?? 0));
    return quotas.unsatisfiedRoles === 0 ? left : Math.min(left, quotas.slackOf(index));
  });
}

/** Roles that something free on the agent is reserved to, without those that `role` may use. */
function rolesReservedTo(agent: AgentRecord, role: string): string[] {
  const roles = new Set<string>();
  for (const { reservationRole: owner } of agent.free.presentKinds()) {
    if (owner !== "*" && !isWithin(role, owner)) roles.add(owner);
  }
  return [...roles];
}

/** `known` with one more agent, of which `finding` tells. */
function merged(known: Reason, finding: Finding): Reason {
  const agents = known.agents + 1;
  if (known.kind === "reservedToOthers" && finding.kind === "reservedToOthers") {
    return { ...known, agents, roles: [...new Set([...known.roles, ...finding.roles])].sort() };
  }
  if (known.kind === "filtered" && finding.kind === "filtered") {
    const earliestEndMs = Math.min(known.earliestEndMs, finding.earliestEndMs);
    return { ...known, agents, earliestEndMs };
  }
  if (known.kind === "tooSmall" && finding.kind === "tooSmall") {
    const isNearer =
      nearnessOf(finding.free, finding.minimum) > nearnessOf(known.free, known.minimum);
    return { ...(isNearer ? finding : known), agents };
  }
  return { ...known, agents };
}

/** Of the entry that is met best: the smallest part of what it asks for that is there, 0 to 1. */
function nearnessOf(free: Amounts, minimum: readonly Amounts[]): number {
  const parts = minimum.map((entry) =>
    Math.min(
      1,
      ...Object.entries(entry).map(([name, milli]) => (free[name] ?? 0) / Math.max(1, milli)),
    ),
  );
  return Math.max(0, ...parts);
}

function namedAmounts(
  { indexes, milli }: Pick<ScalarSummary, "indexes" | "milli">,
  kinds: ResourceKinds,
): Amounts {
  return Object.fromEntries(
    indexes.map((index, place) => [kinds.scalarNames[index] ?? "", milli[place] ?? 0]),
  );
}
