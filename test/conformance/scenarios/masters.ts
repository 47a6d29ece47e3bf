/** Several masters and the election among them: lines 5 to 7. */
import { expect } from "bun:test";
import { Masters } from "../../harness/masters.ts";
import { askZooKeeper, hasZooKeeper, startZooKeeper } from "../../harness/zookeeper.ts";
import type { Scenario } from "../scene.ts";

const obstacle = hasZooKeeper("elections in the conformance suite")
  ? undefined
  : "needs ZooKeeper (Debian's package zookeeper)";

export const MASTER_SCENARIOS: readonly Scenario[] = [
  {
    lines: [5],
    title: "a follower answers the scheduler API with 307 and where the leader is",
    isLong: true,
    obstacle,
    run: (scene) =>
      withMasters(async (masters) => {
        const leader = await masters.leader();
        const [follower] = masters.others(leader);
        const answer = await fetch(`${follower?.url}/api/v1/scheduler`, {
          method: "POST",
          redirect: "manual",
          headers: { "Content-Type": scene.wire.mediaType },
          body: scene.wire.encode("mesos.v1.scheduler.Call", { type: "SUBSCRIBE" }),
        });
        const { port } = new URL(leader.url);
        expect([answer.status, answer.headers.get("location")]).toEqual([
          307,
          `//localhost:${port}/api/v1/scheduler`,
        ]);
      }),
  },
  {
    lines: [6, 7],
    title: "znodes are those of Mesos, the smallest number leads, and the next one does after it",
    isLong: true,
    isOnce: true,
    obstacle,
    run: () =>
      withMasters(async (masters) => {
        const leader = await masters.leader();
        const before = await candidates(masters.url);
        expect(before.map(({ name }) => name)).toEqual([
          expect.stringMatching(/^json\.info_\d{10}$/),
          expect.stringMatching(/^json\.info_\d{10}$/),
        ]);
        const ports = before.map(({ info }) => String(info.address.port));
        expect(ports[0]).toBe(new URL(leader.url).port);
        for (const { info } of before) {
          expect(info.id).toMatch(/^[0-9a-f-]{36}$/);
          expect(info.pid).toBe(`master@127.0.0.1:${info.address.port}`);
        }
        await leader.end("SIGKILL");
        const next = await masters.leader(masters.others(leader));
        expect(new URL(next.url).port).toBe(ports[1] ?? "");
        // Ephemeral: the dead one's is gone.
        const after = await candidates(masters.url);
        expect(after.map(({ name }) => name)).toEqual([before[1]?.name ?? ""]);
      }),
  },
];

/** Two masters and an agent on a ZooKeeper of their own. */
async function withMasters(work: (masters: Masters) => Promise<void>): Promise<void> {
  const zookeeper = await startZooKeeper(1);
  const masters = await Masters.start(zookeeper.url("/conformance"), 2);
  try {
    await masters.startAgent();
    await work(masters);
  } finally {
    await masters.end();
    await zookeeper.stop();
  }
}

interface Candidate {
  readonly name: string;
  readonly info: { readonly id: string; readonly pid: string; readonly address: { port: number } };
}

/** As they stand in ZooKeeper, in order. */
function candidates(url: string): Promise<Candidate[]> {
  return askZooKeeper(url, async (session, path) => {
    const names = await session.children(path, () => undefined);
    const found: Candidate[] = [];
    for (const name of names.ok ? names.value.toSorted() : []) {
      if (name === "log_replicas") continue;
      const node = await session.read(`${path}/${name}`);
      const text = node.ok ? new TextDecoder().decode(node.value.data) : "null";
      found.push({ name, info: JSON.parse(text) as Candidate["info"] });
    }
    return found;
  });
}
