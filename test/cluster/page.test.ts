/** What the page and the lines of `npm run cluster` say. */
import { describe, expect, test } from "bun:test";
import { zooKeeperObstacle } from "../harness/zookeeper.ts";
import type { ClusterStatus, MemberStatus } from "./look.ts";
import { changes, page } from "./page.ts";

const OPTIONS = { url: "zk://h:1/cluster", workDir: "/w", program: "dist/allot", events: ["news"] };

function member(name: string, does: string, pid?: number): MemberStatus {
  return { name, does, pid, address: `http://${name}` };
}

function status(changed: Partial<ClusterStatus> = {}): ClusterStatus {
  const masters = [member("master-1", "leads", 11), member("master-2", "follows", 12)];
  return {
    servers: [member("zookeeper-1", "leader", 1)],
    masters,
    agents: [member("agent-1", "runs", 21)],
    leader: masters[0],
    epoch: 4,
    counts: {
      agentsActive: 1,
      agentsDisconnected: 0,
      agentsUnreachable: 0,
      staging: 0,
      running: 2,
      finished: 3,
      failed: 0,
    },
    ...changed,
  };
}

describe("page", () => {
  test("who leads, what each does, what runs, and what to try", () => {
    const text = page(status(), OPTIONS).join("\n");
    expect(text).toContain("leader     master-1, epoch 4");
    expect(text).toContain("agents     1 active, 0 disconnected, 0 unreachable");
    expect(text).toContain("tasks      2 running, 0 starting, 3 finished, 0 failed or killed");
    expect(text).toMatch(/zookeeper-1 +leader +pid 1 +http:\/\/zookeeper-1/);
    expect(text).toContain("news");
    expect(text).toContain("kill -9 11 ");
  });

  test("nobody leads", () => {
    const text = page(status({ leader: undefined, counts: undefined }), OPTIONS).join("\n");
    expect(text).toContain("leader     nobody");
    expect(text).toContain("tasks      not known while nobody leads");
  });
});

describe("changes", () => {
  test("none", () => expect(changes(status(), status())).toEqual([]));

  test("everything, when there was nothing before", () => {
    expect(changes(undefined, status())).toHaveLength(7);
  });

  test("a master that ended, and another one that leads", () => {
    const masters = [member("master-1", "ended"), member("master-2", "leads", 12)];
    const after = status({ masters, leader: masters[1], epoch: 5 });
    expect(changes(status(), after)).toEqual([
      "master-1     ended     pid -       http://master-1",
      "master-2     leads     pid 12      http://master-2",
      "master-2 leads, epoch 5",
    ]);
  });

  test("the end of the last task is told, the silence of a fail-over is not", () => {
    const counts = status().counts;
    const idle = status({ counts: counts && { ...counts, running: 0 } });
    expect(changes(status(), idle)).toEqual(["0 tasks run"]);
    expect(changes(status(), status({ counts: undefined }))).toEqual([]);
  });
});

describe("what is missing is named with the package that brings it", () => {
  test.each([
    ["nothing", () => true, undefined],
    ["java", (path: string) => path.endsWith(".jar"), "java"],
    ["both", () => false, "java (/usr/bin/java) and ZooKeeper"],
  ])("%s", (_, exists, text) => {
    const obstacle = zooKeeperObstacle(exists);
    if (text === undefined) expect(obstacle).toBeUndefined();
    else expect(obstacle).toStartWith(text);
    if (text !== undefined) expect(obstacle).toContain("apt-get install zookeeper");
  });
});
