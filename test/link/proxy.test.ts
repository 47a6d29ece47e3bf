/** The link over a network that cuts in the middle of a frame, or swallows everything. */
import { afterEach, expect, test } from "bun:test";
import { TcpProxy } from "../harness/tcp-proxy.ts";
import { until } from "../platform/portable-case.ts";
import { TestAgent, TestMaster } from "./link-pair.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function start(heartbeatMs: number) {
  const master = await TestMaster.start({ heartbeatMs });
  cleanups.push(() => master.stop());
  const proxy = await TcpProxy.start(master.port);
  cleanups.push(() => proxy.stop());
  const agent = new TestAgent(proxy.port);
  cleanups.push(() => agent.client.stop());
  agent.client.start();
  await until(() => agent.events.length === 1, "the link");
  return { master, proxy, agent };
}

test("a connection cut inside a frame delivers nothing of it, and the agent comes back", async () => {
  const { master, proxy, agent } = await start(5000);
  proxy.cutAfterBytes = 100_000;
  agent.client.send({ kind: "pong", number: 1 });
  await until(() => master.received.length === 1, "the small message");
  agent.client.send({
    kind: "executorMessage",
    frameworkId: "f",
    executorId: "e",
    data: "AAAA".repeat(100_000),
  });
  await until(() => agent.events.length === 2, "the loss");
  await until(() => master.closed.length === 1, "the master to notice");
  proxy.cutAfterBytes = Number.POSITIVE_INFINITY;
  await until(() => agent.events.length === 3, "the return");
  agent.client.send({ kind: "pong", number: 2 });
  await until(() => master.received.length === 2, "a message");
  expect(master.received.map((message) => message.kind)).toEqual(["pong", "pong"]);
});

test("when the network swallows everything both ends give up, and meet again after", async () => {
  const { master, proxy, agent } = await start(100);
  proxy.freeze();
  await until(() => agent.events.includes("down"), "the agent to give up", 3000);
  await until(() => master.closed.length > 0, "the master to give up", 3000);
  expect(master.links.size).toBe(0);
  proxy.thaw();
  agent.client.reconnect("the network is back");
  await until(() => agent.events.at(-1) === "up epoch-1", "the return");
});
