/**
 * Watches operations on resources from outside: what schedulers and operators asked for, what they
 * were told, and what servers keep of it. What somebody was told to have, and nobody asked to give
 * back, must be there in the end, and each operation must have one end only.
 */
import type { CheckpointOperation } from "../../src/agent/core/checkpoint-state.ts";
import type {
  OfferOperation,
  OperationState,
  OperationStatus,
  Resource,
} from "../../src/protocol/v1/types.ts";
import { toPostRefinement } from "../../src/resources/refinement.ts";
import type { World } from "./world.ts";

interface Asked {
  readonly agentId: string;
  readonly operation: OfferOperation;
  /** Of those that end an operation, the ones it was told to have reached. */
  readonly ends: Set<OperationState>;
  /** Somebody who should know said that there is no such operation, or no such agent any more. */
  isUnknown: boolean;
}

const ENDS: ReadonlySet<OperationState> = new Set([
  "OPERATION_FINISHED",
  "OPERATION_FAILED",
  "OPERATION_ERROR",
  "OPERATION_DROPPED",
]);

export class OperationJudge {
  readonly #world: World;
  /** By the id that a scheduler gave. */
  readonly #asked = new Map<string, Asked>();
  /** `agent role/id` of volumes that somebody asked to destroy. */
  readonly #destroysAsked = new Set<string>();
  /** Thousandths by `agent role name` that somebody asked to give back. */
  readonly #returnsAsked = new Map<string, number>();
  readonly #wiped = new Set<string>();

  constructor(world: World) {
    this.#world = world;
  }

  /** An operation is about to be asked for; without an id nobody is told of its end. */
  asked(agentId: string, operation: OfferOperation): void {
    const { id, unreserve, destroy } = operation;
    if (id !== undefined) {
      const entry: Asked = { agentId, operation, ends: new Set(), isUnknown: false };
      this.#asked.set(id.value, entry);
    }
    for (const volume of destroy?.volumes ?? []) {
      this.#destroysAsked.add(`${agentId} ${volumeKey(volume)}`);
    }
    for (const resource of unreserve?.resources ?? []) {
      const key = reservationKey(agentId, resource);
      this.#returnsAsked.set(key, (this.#returnsAsked.get(key) ?? 0) + milliOf(resource));
    }
  }

  /** A status reached the scheduler that asked. */
  told(status: OperationStatus): void {
    const id = status.operation_id?.value ?? "";
    const asked = this.#asked.get(id);
    if (asked === undefined) return;
    const { state } = status;
    if (state === "OPERATION_UNKNOWN" || state === "OPERATION_GONE_BY_OPERATOR") {
      asked.isUnknown = true;
    }
    if (state === undefined || !ENDS.has(state)) return;
    asked.ends.add(state);
    this.#world.check(
      asked.ends.size === 1,
      () => `operation ${id} ended as ${[...asked.ends].join(" and as ")}`,
    );
  }

  /** Ids of which the scheduler does not know the end. */
  open(ids: Iterable<string>): { readonly operationId: string; readonly agentId: string }[] {
    return [...ids].flatMap((operationId) => {
      const asked = this.#asked.get(operationId);
      if (asked === undefined || asked.isUnknown || asked.ends.size > 0) return [];
      return [{ operationId, agentId: asked.agentId }];
    });
  }

  /** A server lost all it had on purpose: its agent is gone for good. */
  wiped(agentId: string): void {
    this.#wiped.add(agentId);
  }

  /** Just before an agent's disk takes one change of what it has. */
  checkpointed(agentId: string, before: readonly Resource[], operation: CheckpointOperation): void {
    if (operation.kind !== "putResources") return;
    const after = new Set(operation.resources.filter(isVolume).map(volumeKey));
    for (const volume of before.filter(isVolume)) {
      if (!after.has(volumeKey(volume))) this.#expectAsked(agentId, volume);
    }
  }

  /** The folder of a volume is moved away. */
  volumeRemoved(agentId: string, volume: Resource): void {
    this.#expectAsked(agentId, volume);
  }

  /** In the end: what schedulers were told to have, on one agent. */
  account(agentId: string, present: readonly Resource[]): void {
    if (this.#wiped.has(agentId)) return;
    const volumes = new Set(present.filter(isVolume).map(volumeKey));
    this.#accountFailed(agentId, volumes);
    const promised = new Map<string, number>();
    for (const { agentId: owner, operation, ends } of this.#asked.values()) {
      if (owner !== agentId || !ends.has("OPERATION_FINISHED")) continue;
      for (const volume of operation.create?.volumes ?? []) {
        if (this.#destroysAsked.has(`${agentId} ${volumeKey(volume)}`)) continue;
        const isThere = volumes.has(volumeKey(volume));
        this.#world.check(isThere, () => `volume ${volumeKey(volume)} of ${agentId} is lost`);
      }
      for (const resource of operation.reserve?.resources ?? []) {
        const key = reservationKey(agentId, resource);
        promised.set(key, (promised.get(key) ?? 0) + milliOf(resource));
      }
    }
    for (const [key, milli] of promised) {
      const found = present
        .filter((resource) => reservationKey(agentId, resource) === key)
        .reduce((sum, resource) => sum + milliOf(resource), 0);
      const least = milli - (this.#returnsAsked.get(key) ?? 0);
      this.#world.check(
        found >= least,
        () => `of ${key} ${found} thousandths are reserved, but ${least} were promised`,
      );
    }
  }

  /** What was told to have failed is not there. */
  #accountFailed(agentId: string, volumes: ReadonlySet<string>): void {
    const failed = new Set<string>();
    const others = new Set<string>();
    for (const { agentId: owner, operation, ends } of this.#asked.values()) {
      const isFailed = ends.size > 0 && !ends.has("OPERATION_FINISHED");
      if (owner !== agentId) continue;
      for (const volume of operation.create?.volumes ?? [])
        (isFailed ? failed : others).add(volumeKey(volume));
    }
    for (const key of failed.difference(others)) {
      this.#world.check(
        !volumes.has(key),
        () => `volume ${key} of ${agentId} is there, but its creation was told to have failed`,
      );
    }
  }

  #expectAsked(agentId: string, volume: Resource): void {
    const key = `${agentId} ${volumeKey(volume)}`;
    const isAsked = this.#destroysAsked.has(key);
    this.#world.check(isAsked, () => `volume ${key} was removed, but nobody asked for it`);
  }
}

/** Role and id: what tells volumes of one agent apart. */
export function volumeKey(volume: Resource): string {
  const role = toPostRefinement(volume).reservations?.at(-1)?.role ?? "*";
  return `${role}/${volume.disk?.persistence?.id ?? ""}`;
}

export function isVolume({ disk }: Resource): boolean {
  return disk?.persistence !== undefined;
}

function reservationKey(agentId: string, resource: Resource): string {
  const role = toPostRefinement(resource).reservations?.at(-1)?.role ?? "*";
  return `${agentId} ${role} ${resource.name}`;
}

function milliOf({ scalar }: Resource): number {
  return Math.round((scalar?.value ?? 0) * 1000);
}
