/** What a scheduler does with an offer's resources: reserves, gives back, makes and resizes volumes. */
import type { Offer, OfferOperation, Resource } from "../../src/protocol/v1/types.ts";
import { isVolume } from "./operation-judge.ts";
import type { Dice } from "./timeline.ts";

export interface OperationMaker {
  readonly dice: Dice;
  readonly role: string;
  readonly mayShare: boolean;
  /** A new id for a volume; now and then one that was used before. */
  readonly volumeId: () => string;
}

/** Operations for one ACCEPT, without ids; some ask for more than there is. Empty: nothing to do. */
export function randomOperations(maker: OperationMaker, offer: Offer): OfferOperation[] {
  const resources = offer.resources ?? [];
  const makers = [reserve, unreserve, create, destroy, grow, shrink, reserveAndCreate];
  const possible = makers
    .map((make) => make(maker, resources))
    .filter((operations) => operations.length > 0);
  return maker.dice.pick(possible) ?? [];
}

type Make = (maker: OperationMaker, resources: readonly Resource[]) => OfferOperation[];

const reserve: Make = ({ dice, role }, resources) => {
  const free = dice.pick(resources.filter((one) => isFree(one) && one.name !== "ports"));
  if (free === undefined) return [];
  const amount = { ...partOf(free, dice.chance(0.1) ? 2 : 0.3), role, reservation: {} };
  return [{ type: "RESERVE", reserve: { resources: [amount] } }];
};

const unreserve: Make = ({ dice }, resources) => {
  const reserved = dice.pick(resources.filter(isReservedPlain));
  return reserved === undefined
    ? []
    : [{ type: "UNRESERVE", unreserve: { resources: [reserved] } }];
};

const create: Make = (maker, resources) => {
  const disk = maker.dice.pick(resources.filter((one) => isReservedPlain(one) && isDisk(one)));
  if (disk === undefined) return [];
  const volume = volumeOn(maker, partOf(disk, maker.dice.chance(0.5) ? 0.5 : 1));
  return [{ type: "CREATE", create: { volumes: [volume] } }];
};

const destroy: Make = ({ dice }, resources) => {
  const volume = dice.pick(resources.filter(isVolume));
  return volume === undefined ? [] : [{ type: "DESTROY", destroy: { volumes: [volume] } }];
};

const grow: Make = ({ dice }, resources) => {
  const volume = dice.pick(resources.filter(isVolume));
  const disk = resources.find((one) => isReservedPlain(one) && isDisk(one));
  if (volume === undefined || disk === undefined) return [];
  return [{ type: "GROW_VOLUME", grow_volume: { volume, addition: partOf(disk, 0.5) } }];
};

const shrink: Make = ({ dice }, resources) => {
  const volume = dice.pick(resources.filter(isVolume));
  if (volume === undefined) return [];
  const subtract = partOf(volume, dice.chance(0.1) ? 2 : 0.25).scalar ?? { value: 1 };
  return [{ type: "SHRINK_VOLUME", shrink_volume: { volume, subtract } }];
};

/** What one operation makes is used by the next. */
const reserveAndCreate: Make = (maker, resources) => {
  const free = resources.find((one) => isFree(one) && isDisk(one));
  if (free === undefined) return [];
  const disk = { ...partOf(free, 0.3), role: maker.role, reservation: {} };
  return [
    { type: "RESERVE", reserve: { resources: [disk] } },
    { type: "CREATE", create: { volumes: [volumeOn(maker, disk)] } },
  ];
};

function volumeOn({ dice, mayShare, volumeId }: OperationMaker, disk: Resource): Resource {
  const id = volumeId();
  return {
    ...disk,
    disk: { persistence: { id }, volume: { mode: "RW", container_path: "data" } },
    ...(mayShare && dice.chance(0.3) && { shared: {} }),
  };
}

function isFree({ role, reservation, disk, type }: Resource): boolean {
  const isUnreserved = (role ?? "*") === "*" && reservation === undefined;
  return type === "SCALAR" && isUnreserved && disk === undefined;
}

function isReservedPlain(resource: Resource): boolean {
  return resource.reservation !== undefined && !isVolume(resource);
}

function isDisk({ name }: Resource): boolean {
  return name === "disk";
}

/** A part of a scalar, at least a hundredth. */
function partOf(resource: Resource, part: number): Resource {
  const value = Math.max(0.01, Math.floor((resource.scalar?.value ?? 0) * part * 1000) / 1000);
  return { ...resource, scalar: { value } };
}
