/**
 * Persistent volumes as their agent has them. What makes a volume the same one is its id and role,
 * not its creator, so that whoever names a volume could name any creator with it.
 */
import type { OfferOperation, Resource } from "../../protocol/v1/types.ts";
import type { AgentEntry } from "./state.ts";

/**
 * A normalized operation on volumes that are there, with their creators as the agent has them,
 * whatever was written. Differs from Mesos, which asks ACLs about the creator that the caller names.
 */
export function withHeldVolumes(agent: AgentEntry, operation: OfferOperation): OfferOperation {
  const { destroy, grow_volume, shrink_volume } = operation;
  if ((destroy ?? grow_volume ?? shrink_volume) === undefined) return operation;
  const held = heldVolumes(agent);
  const one = (volume: Resource): Resource => asHeld(held, volume);
  return {
    ...operation,
    ...(destroy && { destroy: { volumes: (destroy.volumes ?? []).map(one) } }),
    ...(grow_volume && { grow_volume: { ...grow_volume, volume: one(grow_volume.volume) } }),
    ...(shrink_volume && {
      shrink_volume: { ...shrink_volume, volume: one(shrink_volume.volume) },
    }),
  };
}

/** By id and role, see `volumeKey`. */
export function heldVolumes({ total }: AgentEntry): ReadonlyMap<string, Resource> {
  const volumes = total.filter(({ isPersistentVolume }) => isPersistentVolume).toResources();
  return new Map(volumes.map((volume) => [volumeKey(volume), volume]));
}

function asHeld(held: ReadonlyMap<string, Resource>, volume: Resource): Resource {
  const persistence = held.get(volumeKey(volume))?.disk?.persistence;
  if (volume.disk?.persistence === undefined || persistence === undefined) return volume;
  return { ...volume, disk: { ...volume.disk, persistence } };
}

/** What makes a volume of an agent the same one. */
export function volumeKey({ disk, reservations }: Resource): string {
  return JSON.stringify([disk?.persistence?.id, reservations?.at(-1)?.role]);
}
