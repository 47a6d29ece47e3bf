/** Reservations and persistent volumes through the compiled program, across the death of both roles. */
import { afterAll, expect, test } from "bun:test";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type AllotProcess,
  makeWorkDir,
  removeWorkDir,
  startAllot,
} from "../harness/allot-process.ts";
import { type Offer, type Resource, TestFramework } from "../harness/test-framework.ts";
import { until } from "../harness/wait.ts";

const TIMEOUT_MS = 120_000;
const ROLE = "db";
const RESOURCES = "--resources=cpus:4;mem:1024;disk:1000";

const workDir = makeWorkDir();
let both: AllotProcess | undefined;

afterAll(async () => {
  await both?.end("SIGTERM");
  await removeWorkDir(workDir);
});

const INFO = {
  roles: [ROLE],
  principal: "ops",
  checkpoint: true,
  failover_timeout: 3600,
  capabilities: [{ type: "MULTI_ROLE" }, { type: "RESERVATION_REFINEMENT" }],
};

const reservations = [{ type: "DYNAMIC", role: ROLE, principal: "ops" }];
const disk = { name: "disk", type: "SCALAR", scalar: { value: 100 }, reservations };
const volume = {
  ...disk,
  disk: {
    persistence: { id: "data", principal: "ops" },
    volume: { container_path: "data", mode: "RW" },
  },
};

async function perform(
  framework: TestFramework,
  offer: Offer,
  operations: readonly object[],
): Promise<void> {
  await framework.call("ACCEPT", {
    accept: { offer_ids: [offer.id], operations, filters: { refuse_seconds: 0 } },
  });
}

const hasVolume = (resource: Resource & { disk?: { persistence?: { id: string } } }): boolean =>
  resource.disk?.persistence?.id === "data";

/** The next offer that holds the volume, or that does not. */
async function offerWhere(framework: TestFramework, isVolumeThere: boolean): Promise<Offer> {
  for (;;) {
    const offer = await framework.offer();
    if (offer.resources.some(hasVolume) === isVolumeThere) return offer;
    await framework.call("DECLINE", {
      decline: { offer_ids: [offer.id], filters: { refuse_seconds: 0 } },
    });
  }
}

async function operationStatus(
  framework: TestFramework,
  id: string,
): Promise<Record<string, unknown>> {
  return await until(`a status of operation ${id}`, () => {
    for (const event of framework.events) {
      const status = event.update_operation_status?.status;
      if (status?.operation_id?.value === id) return status;
    }
    return undefined;
  });
}

test(
  "RESERVE and CREATE in one ACCEPT make a volume that outlives master and agent; DESTROY trashes it [item 43]",
  async () => {
    const started = await startAllot({ role: "both", workDir, flags: [RESOURCES] });
    both = started;
    const framework = await TestFramework.subscribe({ master: started.url, info: INFO });
    await perform(framework, await framework.offer(), [
      { type: "RESERVE", id: { value: "r1" }, reserve: { resources: [disk] } },
      { type: "CREATE", id: { value: "c1" }, create: { volumes: [volume] } },
    ]);
    for (const id of ["r1", "c1"]) {
      const status = await operationStatus(framework, id);
      expect(status).toMatchObject({ state: "OPERATION_FINISHED" });
      const { agent_id, uuid, operation_id } = status as { uuid: { value: string } } & object &
        Record<string, unknown>;
      await framework.call("ACKNOWLEDGE_OPERATION_STATUS", {
        acknowledge_operation_status: { agent_id, operation_id, uuid: uuid.value },
      });
    }
    await offerWhere(framework, true);
    const folder = join(workDir, "volumes", "roles", ROLE, "data");
    await until("the volume's folder", () => existsSync(folder));
    writeFileSync(join(folder, "kept"), "x");

    await started.end("SIGKILL");
    const port = new URL(started.url).port;
    both = await startAllot({ role: "both", workDir, flags: [RESOURCES, `--port=${port}`] });
    const back = await TestFramework.subscribe({
      master: both.url,
      info: { ...INFO, id: { value: framework.id } },
    });
    const offer = await offerWhere(back, true);
    await perform(back, offer, [
      { type: "DESTROY", id: { value: "d1" }, destroy: { volumes: [volume] } },
      { type: "UNRESERVE", id: { value: "u1" }, unreserve: { resources: [disk] } },
    ]);
    expect(await operationStatus(back, "u1")).toMatchObject({ state: "OPERATION_FINISHED" });
    await offerWhere(back, false);
    expect(existsSync(folder)).toBe(false);
    const trash = join(workDir, "volumes", "trash");
    const [trashed] = readdirSync(trash);
    expect(readdirSync(join(trash, trashed ?? ""))).toEqual(["kept"]);
    await back.teardown();
  },
  TIMEOUT_MS,
);
