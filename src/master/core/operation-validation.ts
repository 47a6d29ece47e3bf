/**
 * Whether an operation on resources may be applied: the first fault, in words. Source: semantics 5
 * (`src/master/validation.cpp`).
 */
import type { OfferOperation, Resource } from "../../protocol/v1/types.ts";
import { validateId } from "../../protocol/validation/ids.ts";
import { toPostRefinement } from "../../resources/refinement.ts";
import { validateResources } from "../../resources/validate.ts";
import { heldVolumes, volumeKey } from "./held-volumes.ts";
import { firstFault } from "./message-validation.ts";
import type { AgentEntry, FrameworkEntry } from "./state.ts";

/** Who asks, and for what. */
export interface OperationCandidate {
  readonly agent: AgentEntry;
  /** Undefined for operators. */
  readonly framework: FrameworkEntry | undefined;
  /** Role of the offers; undefined for operators. */
  readonly role: string | undefined;
  readonly principal: string | undefined;
  /** With complete, post-refinement resources. */
  readonly operation: OfferOperation;
}

export function faultOfOperation(candidate: OperationCandidate): string | undefined {
  return (
    faultOfPayload(candidate.operation) ??
    faultOfFeedback(candidate) ??
    faultOfMessages(candidate.operation) ??
    faultOfKind(candidate)
  );
}

/** Every resource a message of an operation names, sources left out. */
function resourcesOf(operation: OfferOperation): readonly Resource[] {
  const { reserve, unreserve, create, destroy, grow_volume, shrink_volume } = operation;
  return [
    ...(reserve?.resources ?? []),
    ...(unreserve?.resources ?? []),
    ...(create?.volumes ?? []),
    ...(destroy?.volumes ?? []),
    ...(grow_volume === undefined ? [] : [grow_volume.volume, grow_volume.addition]),
    ...(shrink_volume === undefined ? [] : [shrink_volume.volume]),
  ];
}

/** All resources in post-refinement form, allocated to `role` unless they say to whom. */
export function normalizeOperation(
  operation: OfferOperation,
  role: string | undefined,
): OfferOperation {
  const one = (resource: Resource): Resource => {
    const post = toPostRefinement(resource);
    if (role === undefined || post.allocation_info?.role !== undefined) return post;
    return { ...post, allocation_info: { role } };
  };
  const all = (resources: readonly Resource[] | undefined): Resource[] =>
    (resources ?? []).map(one);
  const { reserve, unreserve, create, destroy, grow_volume, shrink_volume } = operation;
  return {
    ...operation,
    ...(reserve && {
      reserve: {
        resources: all(reserve.resources),
        ...((reserve.source ?? []).length > 0 && { source: all(reserve.source) }),
      },
    }),
    ...(unreserve && { unreserve: { resources: all(unreserve.resources) } }),
    ...(create && { create: { volumes: all(create.volumes) } }),
    ...(destroy && { destroy: { volumes: all(destroy.volumes) } }),
    ...(grow_volume && {
      grow_volume: { volume: one(grow_volume.volume), addition: one(grow_volume.addition) },
    }),
    ...(shrink_volume && {
      shrink_volume: { ...shrink_volume, volume: one(shrink_volume.volume) },
    }),
  };
}

const PAYLOADS = {
  RESERVE: "reserve",
  UNRESERVE: "unreserve",
  CREATE: "create",
  DESTROY: "destroy",
  GROW_VOLUME: "grow_volume",
  SHRINK_VOLUME: "shrink_volume",
} as const;

function faultOfPayload(operation: OfferOperation): string | undefined {
  const { type } = operation;
  if (type === "CREATE_DISK" || type === "DESTROY_DISK") {
    return `${type} needs disks of a resource provider; this agent has none`;
  }
  if (type === undefined || !(type in PAYLOADS)) return `${type ?? "UNKNOWN"} is not an operation`;
  const field = PAYLOADS[type as keyof typeof PAYLOADS];
  return operation[field] === undefined ? `Expecting '${field}' to be present` : undefined;
}

/** Operations with an id want an answer, which only agents of a certain age give. */
function faultOfFeedback({ agent, operation }: OperationCandidate): string | undefined {
  if (operation.id === undefined) return undefined;
  const checked = validateId(operation.id.value, "id");
  if (!checked.ok) return checked.error.message;
  for (const capability of ["RESOURCE_PROVIDER", "AGENT_OPERATION_FEEDBACK"]) {
    if (!has(agent, capability)) return `Agent ${agent.id} does not support operation feedback`;
  }
  return undefined;
}

function faultOfMessages(operation: OfferOperation): string | undefined {
  const resources = [...resourcesOf(operation), ...(operation.reserve?.source ?? [])];
  if (resources.length === 0) return "Expecting resources to be present";
  const checked = validateResources(resources, "resources");
  if (!checked.ok) return checked.error.message;
  const foreign = resources.find(({ provider_id: id }) => id !== undefined);
  if (foreign === undefined) return undefined;
  return `${foreign.name} is of a resource provider; this agent has none`;
}

function faultOfKind(candidate: OperationCandidate): string | undefined {
  const { operation } = candidate;
  switch (operation.type) {
    case "RESERVE":
      return faultOfReserve(candidate);
    case "CREATE":
      return (
        firstFault(operation.create?.volumes, (volume) => faultOfVolume(candidate, volume)) ??
        faultOfTwins(candidate, operation.create?.volumes ?? [])
      );
    case "GROW_VOLUME":
      return faultOfResize(candidate, operation.grow_volume?.volume);
    case "SHRINK_VOLUME":
      return faultOfResize(candidate, operation.shrink_volume?.volume);
    default:
      return undefined;
  }
}

function faultOfReserve(candidate: OperationCandidate): string | undefined {
  const { framework, operation } = candidate;
  const { resources, source } = operation.reserve ?? {};
  if (framework !== undefined && (source ?? []).length > 0) {
    return "'reserve.source' may be set by operators only";
  }
  // It would be destroyed by the way, whoever uses it and whoever may do that.
  if (source?.some(({ disk }) => disk?.persistence !== undefined) === true) {
    return "A persistent volume cannot be reserved anew; destroy it first";
  }
  return firstFault(resources, (resource) => faultOfReservation(candidate, resource));
}

function faultOfReservation(
  { agent, framework, role, principal }: OperationCandidate,
  resource: Resource,
): string | undefined {
  const last = resource.reservations?.at(-1);
  if (last?.type !== "DYNAMIC") return `${resource.name} is not dynamically reserved`;
  if (resource.revocable !== undefined) return `Revocable ${resource.name} cannot be reserved`;
  if (resource.disk?.persistence !== undefined) {
    return "A persistent volume cannot be reserved; reserve its disk first";
  }
  if ((resource.reservations?.length ?? 0) > 1 && !has(agent, "RESERVATION_REFINEMENT")) {
    return `Agent ${agent.id} does not support reservation refinement`;
  }
  if (principal !== undefined && last.principal !== principal) {
    return `Reservation by ${shownPrincipal(last.principal)} is not of principal '${principal}'`;
  }
  if (framework === undefined) return undefined;
  if (last.role !== role) {
    return `Reservation for role '${last.role}' does not match the offer's role '${role}'`;
  }
  const isOwn = framework.roles.includes(last.role ?? "");
  return isOwn
    ? undefined
    : `Reservation for role '${last.role}', which the framework does not have`;
}

function faultOfVolume(
  { framework, principal }: OperationCandidate,
  volume: Resource,
): string | undefined {
  const { disk, reservations, revocable, shared } = volume;
  const persistence = disk?.persistence;
  if (persistence === undefined) return "Expecting 'disk.persistence' of a volume to be present";
  if (disk?.volume === undefined) return "Expecting 'disk.volume' of a volume to be present";
  if (disk.volume.host_path !== undefined) return "'disk.volume.host_path' must not be set";
  if (disk.volume.mode !== undefined && disk.volume.mode !== "RW") {
    return "'disk.volume.mode' of a persistent volume must be RW";
  }
  if ((reservations ?? []).length === 0) return "A persistent volume needs reserved disk";
  if (revocable !== undefined) return "A persistent volume cannot be revocable";
  const named = persistence.principal;
  if (principal !== undefined && named !== principal) {
    return `Volume of ${shownPrincipal(named)} is not of principal '${principal}'`;
  }
  if (shared !== undefined && framework?.capabilities.has("SHARED_RESOURCES") === false) {
    return "Shared volumes need the framework capability SHARED_RESOURCES";
  }
  return undefined;
}

/** Volumes that are there already, or to be made twice. */
function faultOfTwins(
  { agent }: OperationCandidate,
  volumes: readonly Resource[],
): string | undefined {
  const held = heldVolumes(agent);
  const seen = new Set<string>();
  for (const volume of volumes) {
    const key = volumeKey(volume);
    const id = volume.disk?.persistence?.id;
    const role = volume.reservations?.at(-1)?.role;
    if (held.has(key)) return `Volume '${id}' of role '${role}' exists already`;
    if (seen.has(key)) return `Volume '${id}' is to be created twice`;
    seen.add(key);
  }
  return undefined;
}

function faultOfResize(
  { agent }: OperationCandidate,
  volume: Resource | undefined,
): string | undefined {
  if (!has(agent, "RESIZE_VOLUME")) return `Agent ${agent.id} does not support resizing volumes`;
  if (volume?.disk?.persistence === undefined) return "Only a persistent volume can be resized";
  if (volume.shared !== undefined) return "A shared volume cannot be resized";
  if (volume.disk.source?.type === "MOUNT") return "A volume on a MOUNT disk cannot be resized";
  return undefined;
}

function has(agent: AgentEntry, capability: string): boolean {
  return agent.capabilities.some(({ type }) => type === capability);
}

/** Whoever has a principal has to name it, so that ACLs can tell later whose the resources are. */
function shownPrincipal(principal: string | undefined): string {
  return principal === undefined ? "nobody" : `principal '${principal}'`;
}
