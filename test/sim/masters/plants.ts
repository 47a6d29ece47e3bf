/** Deliberate faults among several masters, wired between the parts of a simulation. */
import { ok } from "../../../src/base/result.ts";
import type { OpenClient, ZooKeeperClient } from "../../../src/election/zookeeper/client.ts";
import { ANY_VERSION, type ZooKeeperSession } from "../../../src/election/zookeeper/session.ts";
import type { RegistryStore } from "../../../src/master/runtime/ports.ts";
import type { SharedLog } from "../../../src/registry/store/shared-log.ts";
import type { Plant } from "../world.ts";

/** A client as the plant has it. */
export function plantedClient(plant: Plant | undefined, open: OpenClient): OpenClient {
  if (plant === "noEpochCheck") return (options) => withoutChecks(open(options));
  if (plant === "longLease") return (options) => withLongTimeout(open(options));
  return open;
}

export function plantedLog(
  plant: Plant | undefined,
  log: SharedLog,
  { session, path }: { readonly session: ZooKeeperSession; readonly path: string },
): SharedLog {
  if (plant === "trimEarly") return trimmedEarly(log, session, path);
  if (plant === "skipNewest") return withoutNewest(log);
  if (plant === "outOfOrder") return inOtherOrder(log);
  return log;
}

export function plantedRegistry(plant: Plant | undefined, registry: RegistryStore): RegistryStore {
  return plant === "answerEarly" ? answeredEarly(registry) : registry;
}

/** Writes of the log do not look at the epoch any more. */
function withoutChecks(client: ZooKeeperClient): ZooKeeperClient {
  const write = client.write.bind(client);
  client.write = (writes, done) =>
    write(
      writes.filter(({ kind }) => kind !== "check"),
      done,
    );
  return client;
}

/** A session is relied on for longer than servers keep it. */
function withLongTimeout(client: ZooKeeperClient): ZooKeeperClient {
  const timeoutMs = client.timeoutMs.bind(client);
  client.timeoutMs = () => timeoutMs() * 3;
  return client;
}

/** Entries go before the snapshot is there that stands for them. */
function trimmedEarly(log: SharedLog, session: ZooKeeperSession, path: string): SharedLog {
  return {
    ...methodsOf(log),
    putSnapshot: async (position, bytes) => {
      const folder = `${path}/log_replicas/allot/log`;
      const names = await session.children(folder);
      for (const name of names.ok ? names.value : []) {
        await session.remove(`${folder}/${name}`, ANY_VERSION);
      }
      return log.putSnapshot(position, bytes);
    },
  };
}

/** A leader takes over without having read the newest entry. */
function withoutNewest(log: SharedLog): SharedLog {
  let isClaimed = false;
  return {
    ...methodsOf(log),
    claim: () => {
      isClaimed = true;
      return log.claim();
    },
    read: async (position) => {
      const content = await log.read(position);
      if (!content.ok || !isClaimed) return content;
      return ok({ ...content.value, entries: content.value.entries.slice(0, -1) });
    },
  };
}

/** The newest entries come first. */
function inOtherOrder(log: SharedLog): SharedLog {
  return {
    ...methodsOf(log),
    read: async (position) => {
      const content = await log.read(position);
      if (!content.ok) return content;
      return ok({ ...content.value, entries: content.value.entries.toReversed() });
    },
  };
}

/** Commits are answered before they are made. */
function answeredEarly(registry: RegistryStore): RegistryStore {
  return {
    load: () => registry.load(),
    metrics: () => registry.metrics(),
    commit: (operations) => {
      void registry.commit(operations).catch(() => undefined);
      return Promise.resolve(operations.map(() => ({ ok: true, value: true })));
    },
  };
}

function methodsOf(log: SharedLog): SharedLog {
  return {
    read: (position) => log.read(position),
    watch: (onChange) => log.watch(onChange),
    claim: () => log.claim(),
    append: (position, bytes) => log.append(position, bytes),
    putSnapshot: (position, bytes) => log.putSnapshot(position, bytes),
  };
}
