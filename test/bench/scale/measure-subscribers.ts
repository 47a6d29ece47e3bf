/** Subscribers by the thousand, and one among them that stops reading while events keep coming. */
import { setTimeout as sleep } from "node:timers/promises";
import type { BenchContext } from "../bench.ts";
import type { FigureSet } from "../figures.ts";
import { withWorkDir } from "../processes.ts";
import { Cluster } from "./cluster.ts";
import { RawHttp } from "./raw-http.ts";
import { Subscriber } from "./subscriber.ts";

const HEARTBEAT_MS = 15_000;
/** Each round is about 100 KB of events. */
const FLOOD_ROUNDS_MAX = 2000;

export async function measureSubscribers(context: BenchContext, set: FigureSet): Promise<void> {
  const count = context.size(1000, 200);
  await withWorkDir((workDir) =>
    Cluster.with(workDir, [], async (cluster) => {
      const { url } = cluster.master;
      const first = await Subscriber.open(url, "first");
      const before = await cluster.memory();
      const subscribers: Subscriber[] = [];
      for (let index = 0; index < count; index += 1) {
        subscribers.push(await Subscriber.open(url, `subscriber-${index}`));
      }
      const after = await cluster.memory();
      set.add("subscriber, memory", "bytes", (after.bytes - before.bytes) / count);
      set.add("subscriber, heap", "bytes", (after.heapBytes - before.heapBytes) / count);
      await cluster.watched(set, `${count} subscribers`, () =>
        sleep(context.size(HEARTBEAT_MS + 5000, 1000)),
      );
      const lazy = subscribers[0];
      if (lazy === undefined) throw new Error("there are no subscribers");
      lazy.stopReading();
      let gained = 0;
      await cluster.watched(set, "a subscriber stops reading", async () => {
        const start = cluster.master.anonymousBytes();
        await flood(url, lazy, () => {
          gained = Math.max(gained, cluster.master.anonymousBytes() - start);
        });
      });
      set.add("a subscriber stops reading, memory until it is cut", "bytes", gained);
      const alive = subscribers.slice(1).filter(({ isOver }) => !isOver).length;
      set.add("a subscriber stops reading, others that are cut", "", count - 1 - alive);
      for (const subscriber of [first, ...subscribers]) subscriber.close();
    }),
  );
}

/** Asks for the states of tasks that do not exist, in the name of one that does not read. */
async function flood(url: string, lazy: Subscriber, look: () => void): Promise<void> {
  const http = await RawHttp.connect(url);
  const { header, id } = lazy.credentials;
  const tasks = Array.from({ length: 500 }, (_, index) => {
    return { task_id: { value: `unknown-${index}` }, agent_id: { value: "nowhere" } };
  });
  const call = { framework_id: { value: id }, type: "RECONCILE", reconcile: { tasks } };
  for (let round = 0; round < FLOOD_ROUNDS_MAX; round += 1) {
    const { status } = await http.post("/api/v1/scheduler", header, JSON.stringify(call));
    look();
    if (status !== 202) break;
    if (round === FLOOD_ROUNDS_MAX - 1)
      throw new Error("a subscriber that does not read is not cut");
  }
  http.close();
}
