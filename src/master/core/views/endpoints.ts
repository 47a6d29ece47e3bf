/**
 * Bodies of the JSON endpoints that exporters, service discovery and old tools read, as documents
 * that are written in pieces. They speak of slaves, because their readers do. Pure; what only the
 * process knows comes in as `facts`; `jsonp` is the function that a body is handed to, if any.
 * Source: reference/http-api.md 9.2.
 */
import type { VersionInfo } from "../../../protocol/v1/types.ts";
import type { Viewer } from "../../../security/viewer.ts";
import { isAgentActive, type MasterState } from "../state.ts";
import { type Document, JsonDocument } from "./document.ts";
import { agentFullText, agentText } from "./endpoint-agents.ts";
import { addFrameworks, frameworkSummary } from "./endpoint-frameworks.ts";
import { agentInfoJson, capabilityTypes, type Json } from "./endpoint-json.ts";
import { tasksOf } from "./endpoint-tasks.ts";
import { Holdings, type RoleUse, RoleUses } from "./sums.ts";
import { TaskCounts } from "./task-counts.ts";

/** What the process knows and the core does not. */
export interface EndpointFacts {
  readonly version: VersionInfo;
  readonly cluster: string | undefined;
  /** Undefined for those who may not see them. */
  readonly flags: Readonly<Record<string, string>> | undefined;
}

/** `/state`: everything. */
export function stateDocument(state: MasterState, facts: EndpointFacts, jsonp?: string): Document {
  const document = new JsonDocument(jsonp);
  const agents = [...state.agents.values()];
  const holdings = new Holdings();
  document.fields(() => stateHead(state, facts));
  document.texts("slaves", agents, (agent) => agentText(state, agent));
  document.work(agents, (agent) => holdings.add(agent));
  addRecoveredAgents(document, state);
  addFrameworks(document, state, holdings);
  document.fields(() => ({ orphan_tasks: [], unregistered_frameworks: [] }));
  return document.end();
}

/** `/slaves`, all or the one of `agentId`. */
export function slavesDocument(
  state: MasterState,
  agentId: string | undefined,
  jsonp?: string,
): Document {
  const document = new JsonDocument(jsonp);
  const agents = [...state.agents.values()].filter(({ id }) => (agentId ?? id) === id);
  document.texts("slaves", agents, (agent) => agentFullText(state, agent));
  addRecoveredAgents(document, state);
  return document.end();
}

/** `/frameworks`, all or the one of `frameworkId`. */
export function frameworksDocument(
  state: MasterState,
  frameworkId: string | undefined,
  jsonp?: string,
): Document {
  const document = new JsonDocument(jsonp);
  const holdings = new Holdings();
  document.work([...state.agents.values()], (agent) => holdings.add(agent));
  addFrameworks(document, state, holdings, frameworkId);
  document.fields(() => ({ unregistered_frameworks: [] }));
  return document.end();
}

/** `/roles`. */
export function rolesDocument(state: MasterState, viewer: Viewer, jsonp?: string): Document {
  const document = new JsonDocument(jsonp);
  const uses = new RoleUses(state);
  document.work([...state.agents.values()], (agent) => uses.addAgent(agent));
  document.work([...state.offers.values()], (offer) => uses.addOffer(offer));
  document.texts(
    "roles",
    () => uses.sorted((role) => viewer.seesRole(role)),
    (use) => JSON.stringify(roleJson(state, use)),
  );
  return document.end();
}

/** `/state-summary`: counts instead of tasks. */
export function stateSummaryDocument(
  state: MasterState,
  facts: EndpointFacts,
  jsonp?: string,
): Document {
  const document = new JsonDocument(jsonp);
  const agents = [...state.agents.values()];
  const frameworks = [...state.frameworks.values()];
  const counts = new TaskCounts();
  const holdings = new Holdings();
  for (const framework of frameworks) {
    document.work(
      () => tasksOf(framework),
      (task) => counts.add(task),
    );
  }
  document.work(agents, (agent) => holdings.add(agent));
  document.fields(() => ({
    hostname: state.info.hostname ?? "",
    ...(facts.cluster !== undefined && { cluster: facts.cluster }),
  }));
  document.texts("slaves", agents, (agent) =>
    agentText(state, agent, {
      ...counts.byState(agent.id),
      framework_ids: counts.peers(agent.id),
    }),
  );
  document.texts("frameworks", frameworks, (framework) =>
    JSON.stringify({
      ...frameworkSummary(state, framework, holdings),
      ...counts.byState(framework.id),
      slave_ids: counts.peers(framework.id),
    }),
  );
  return document.end();
}

function stateHead(state: MasterState, facts: EndpointFacts): Json {
  const { info } = state;
  const pid = masterPid(state);
  const { hostname, domain } = info;
  const { flags } = facts;
  let activeCount = 0;
  for (const agent of state.agents.values()) if (isAgentActive(state, agent)) activeCount += 1;
  return {
    ...facts.version,
    start_time: state.startedMs / 1000,
    elected_time: state.startedMs / 1000,
    id: info.id,
    pid,
    hostname: hostname ?? "",
    capabilities: capabilityTypes(info.capabilities),
    activated_slaves: activeCount,
    deactivated_slaves: state.agents.size - activeCount,
    unreachable_slaves: state.unreachableAgents.size,
    ...(domain !== undefined && { domain }),
    leader: pid,
    leader_info: {
      id: info.id,
      pid,
      port: info.port,
      hostname: hostname ?? "",
      ...(domain !== undefined && { domain }),
    },
    ...(flags !== undefined && flagFields(facts, flags)),
  };
}

function flagFields({ cluster }: EndpointFacts, flags: NonNullable<EndpointFacts["flags"]>): Json {
  const { log_dir: logDir, external_log_file: logFile } = flags;
  return {
    ...(cluster !== undefined && { cluster }),
    ...(logDir !== undefined && { log_dir: logDir }),
    ...(logFile !== undefined && { external_log_file: logFile }),
    flags,
  };
}

function addRecoveredAgents(document: JsonDocument, state: MasterState): void {
  document.texts("recovered_slaves", [...state.recoveredAgents.values()], ({ info }) =>
    JSON.stringify(agentInfoJson(info)),
  );
}

function masterPid({ info }: MasterState): string {
  return info.pid ?? `master@${info.address?.ip ?? info.hostname ?? ""}:${info.port}`;
}

function roleJson(state: MasterState, [name, use]: readonly [string, RoleUse]): Json {
  const { held, allocated, offered, reserved, consumed, frameworks } = use;
  const names = new Set(["cpus", "gpus", "mem", "disk", ...held.keys()]);
  const quota = state.policy.quotas.get(name);
  return {
    name,
    weight: state.policy.weights.get(name) ?? 1,
    quota: {
      role: name,
      guarantee: amounts(quota?.guarantees),
      limit: amounts(quota?.limits),
      consumed: Object.fromEntries(consumed),
    },
    resources: Object.fromEntries([...names].map((key) => [key, held.get(key) ?? 0])),
    allocated: Object.fromEntries(allocated),
    offered: Object.fromEntries(offered),
    reserved: Object.fromEntries(reserved),
    frameworks,
  };
}

function amounts(milli: Readonly<Record<string, number>> | undefined): Record<string, number> {
  return Object.fromEntries(
    Object.entries(milli ?? {}).map(([name, value]) => [name, value / 1000]),
  );
}
