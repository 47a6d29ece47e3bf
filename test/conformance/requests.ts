/** Building blocks of calls, and what scenarios wait for. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Event, Offer, Resource, Status, TestFramework } from "../harness/test-framework.ts";
import { until } from "../harness/wait.ts";

/** Long enough for several allocations at the default interval of 1 s. */
const QUIET_MS = 2500;

/** Resources of the offer, cut to these amounts, with all that makes them the offer's own. */
export function take(offer: Offer, amounts: Readonly<Record<string, number>>): Resource[] {
  return Object.entries(amounts).map(([name, value]) => {
    const found = offer.resources.find((resource) => resource.name === name);
    if (found === undefined) throw new Error(`offer ${offer.id.value} has no ${name}`);
    return { ...found, scalar: { value } };
  });
}

/** The sum of a scalar over the offer. */
export function amount(offer: Offer, name: string): number {
  return offer.resources
    .filter((resource) => resource.name === name)
    .reduce((sum, resource) => sum + (resource.scalar?.value ?? 0), 0);
}

/** A task that sleeps unless told. */
export function task(offer: Offer, id: string, changes: Record<string, unknown> = {}): object {
  return {
    name: id,
    task_id: { value: id },
    agent_id: offer.agent_id,
    resources: take(offer, { cpus: 0.1, mem: 32 }),
    command: { value: "sleep 1000" },
    ...changes,
  };
}

export function launchOf(...tasks: readonly object[]): object {
  return { type: "LAUNCH", launch: { task_infos: tasks } };
}

/** ACCEPT of the offers; what is left comes back at once unless told. */
export async function accept(
  framework: TestFramework,
  offers: readonly Offer[],
  operations: readonly object[],
  refuseSeconds = 0,
): Promise<void> {
  await framework.call("ACCEPT", {
    accept: {
      offer_ids: offers.map(({ id }) => id),
      operations,
      filters: { refuse_seconds: refuseSeconds },
    },
  });
}

/** DECLINE, with the default filter unless told. */
export async function decline(
  framework: TestFramework,
  offer: Offer,
  refuseSeconds?: number,
): Promise<void> {
  const filters = refuseSeconds === undefined ? {} : { filters: { refuse_seconds: refuseSeconds } };
  await framework.call("DECLINE", { decline: { offer_ids: [offer.id], ...filters } });
}

/** Launches one task on the next offer and waits until it runs. */
export async function launchRunning(framework: TestFramework, id: string): Promise<Offer> {
  const offer = await framework.offer();
  await accept(framework, [offer], [launchOf(task(offer, id))]);
  await framework.status(id, "TASK_RUNNING");
  return offer;
}

/** Offers that came within a time in which several allocations were made. */
export async function offersWithinQuiet(framework: TestFramework): Promise<readonly Offer[]> {
  const before = framework.offers.length;
  await sleep(QUIET_MS);
  return framework.offers.slice(before);
}

/** The first event of the type from the given place on. */
export async function eventOf(framework: TestFramework, type: string, from = 0): Promise<Event> {
  return await until(`an event ${type}`, () =>
    framework.events.slice(from).find((event) => event.type === type),
  );
}

/** The newest status of a task, once there is one for which `isIt` holds. */
export async function statusOf(
  framework: TestFramework,
  id: string,
  isIt: (status: Status) => boolean = () => true,
): Promise<Status> {
  return await until(`a status of ${id}`, () =>
    framework.updates.findLast((one) => one.task_id.value === id && isIt(one)),
  );
}

/** The status of an operation with this id. */
export async function operationStatus(
  framework: TestFramework,
  id: string,
): Promise<Readonly<Record<string, unknown>>> {
  return await until(`a status of operation ${id}`, () => {
    for (const event of framework.events) {
      const status = event.update_operation_status?.status;
      if (status?.operation_id?.value === id) return status;
    }
    return undefined;
  });
}
