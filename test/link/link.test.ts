/**
 * The link end to end over real WebSockets on loopback: handshake, order, epochs, heartbeats, flow
 * control, loss and return. Time that matters is made short; nothing sleeps.
 */
import { afterEach, describe, expect, test } from "bun:test";
import { LINK_PATH } from "../../src/link/server.ts";
import type { LinkFrame, MasterToAgent } from "../../src/protocol/link-frames.ts";
import { HANDSHAKE_TIMEOUT_MS, LINK_WINDOW_BYTES } from "../../src/protocol/link-limits.ts";
import { FakeClock } from "../base/fake-clock.ts";
import { until } from "../platform/portable-case.ts";
import { linkCodec, TestAgent, TestMaster } from "./link-pair.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function startMaster(...args: Parameters<typeof TestMaster.start>): Promise<TestMaster> {
  const master = await TestMaster.start(...args);
  cleanups.push(() => master.stop());
  return master;
}

function startAgent(...args: ConstructorParameters<typeof TestAgent>): TestAgent {
  const agent = new TestAgent(...args);
  cleanups.push(() => agent.client.stop());
  agent.client.start();
  return agent;
}

/** A WebSocket that speaks the link by hand. */
async function rawLink(master: TestMaster): Promise<{
  send(epoch: string, ...frames: LinkFrame<unknown>[]): void;
  readonly socket: WebSocket;
  readonly frames: LinkFrame<unknown>[];
  isClosed(): boolean;
}> {
  const socket = new WebSocket(`ws://127.0.0.1:${master.port}${LINK_PATH}`);
  socket.binaryType = "arraybuffer";
  const frames: LinkFrame<unknown>[] = [];
  socket.addEventListener("message", (event: MessageEvent<ArrayBuffer>) => {
    const packet = linkCodec.decode(new Uint8Array(event.data));
    if (packet.ok) frames.push(...packet.value.frames);
  });
  await new Promise((resolve) => socket.addEventListener("open", resolve));
  cleanups.push(() => socket.close());
  return {
    socket,
    frames,
    send: (epoch, ...sent) =>
      socket.send(linkCodec.encode({ epoch, frames: sent }) as Uint8Array<ArrayBuffer>),
    isClosed: () => socket.readyState === WebSocket.CLOSED,
  };
}

const HELLO = { kind: "hello", protocol: 1, version: "1.0.0", agentId: undefined } as const;
const ping = (number: number): MasterToAgent => ({ kind: "ping", number, connected: true });

describe("handshake", () => {
  test("an agent is welcomed with the master's epoch and info [DESIGN 6]", async () => {
    const master = await startMaster({ epoch: "e7" });
    const agent = startAgent(master.port);
    await until(() => agent.events.length > 0, "the link");
    expect(agent.events).toEqual(["up e7"]);
    expect(master.links.size).toBe(1);
  });

  test("an agent of another protocol is refused, and both logs say what to do", async () => {
    const master = await startMaster();
    const link = await rawLink(master);
    link.send("", { ...HELLO, protocol: 2, version: "9.9" });
    await until(link.isClosed, "the refusal");
    const message =
      "agent 9.9 speaks link protocol 2, this master speaks 1; bring both to the same version";
    expect(link.frames).toEqual([{ kind: "rejected", message }]);
    expect(master.log.lines).toEqual([`warning link of an agent was refused ${message}`]);
  });

  test("what the master refuses with stands in the agent's log, once however often it tries", async () => {
    const master = await startMaster();
    master.isLeading = false;
    const agent = startAgent(master.port);
    const refusals = () => master.log.lines.filter((line) => line.includes("does not lead"));
    await until(() => refusals().length >= 3, "three attempts");
    expect(agent.log.lines).toEqual([
      "warning no link to the master the master refused the link: this master does not lead",
    ]);
    expect([agent.events, master.closed]).toEqual([[], []]);
    master.isLeading = true;
    await until(() => agent.events.length > 0, "the link once the master leads");
  });

  test("an agent logs in with its first frame [semantics 2.3, 9.2]", async () => {
    const login = { principal: "agents", secret: "s3cret" };
    const heard: unknown[] = [];
    const master = await startMaster({
      refusalOf: (given) => {
        heard.push(given);
        return undefined;
      },
    });
    const agent = startAgent(master.port, { login });
    await until(() => agent.events.length > 0, "the link");
    startAgent(master.port);
    await until(() => heard.length === 2, "the other one");
    expect(heard).toEqual([login, undefined]);
    expect([...master.log.lines, ...agent.log.lines].join()).not.toContain("s3cret");
  });

  test("an agent that is refused for good ends, one that is not tries again [semantics 2.3]", async () => {
    let isFinal = false;
    let askedCount = 0;
    const master = await startMaster({
      refusalOf: () => {
        askedCount += 1;
        return { message: "not you", isFinal };
      },
    });
    const refused: string[] = [];
    startAgent(master.port, { onRefused: (reason) => refused.push(reason) });
    await until(() => askedCount >= 2, "the second attempt");
    expect([refused, master.links.size]).toEqual([[], 0]);
    isFinal = true;
    await until(() => refused.length > 0, "the end");
    expect(refused).toEqual(["the master refused the link: not you"]);
  });

  test("a login that is not two texts is no hello", async () => {
    const master = await startMaster();
    const link = await rawLink(master);
    link.send("", { ...HELLO, login: { principal: "agents", secret: 7 as unknown as string } });
    await until(link.isClosed, "the cut");
    expect(link.frames).toEqual([{ kind: "rejected", message: "expecting a hello frame first" }]);
  });

  test("anything but a hello first is refused, and what follows is not heard", async () => {
    const master = await startMaster();
    const link = await rawLink(master);
    link.send("epoch-1", { kind: "messages", messages: [{ kind: "unregister" }] });
    link.send("", HELLO);
    await until(link.isClosed, "the cut");
    expect(link.frames).toEqual([{ kind: "rejected", message: "expecting a hello frame first" }]);
    expect([master.links.size, master.closed, master.received]).toEqual([0, [], []]);
  });

  test("who never says hello is refused in time", async () => {
    const clock = new FakeClock();
    const master = await startMaster({ clock });
    const link = await rawLink(master);
    await until(() => clock.pending === 1, "the connection");
    clock.advance(HANDSHAKE_TIMEOUT_MS);
    await until(link.isClosed, "the cut");
    expect(link.frames).toEqual([{ kind: "rejected", message: "no hello arrived in time" }]);
    expect(clock.pending).toBe(0);
  });

  test("whose hello waits to be read when the time is up is taken", async () => {
    const clock = new FakeClock();
    const master = await startMaster({ clock });
    const behind: (() => void)[] = [];
    master.afterArrivals = (callback) => behind.push(callback);
    const link = await rawLink(master);
    await until(() => clock.pending === 1, "the connection");
    clock.advance(HANDSHAKE_TIMEOUT_MS);
    link.send("", HELLO);
    await until(() => link.frames.length > 0, "the welcome");
    for (const callback of behind) callback();
    expect(behind).toHaveLength(1);
    expect(link.frames.map(({ kind }) => kind)).toEqual(["welcome"]);
    expect([link.isClosed(), master.links.size]).toEqual([false, 1]);
  });
});

describe("messages", () => {
  test("they arrive whole, in order and batched, in both directions", async () => {
    const master = await startMaster();
    const agent = startAgent(master.port);
    await until(() => agent.events.length > 0, "the link");
    const numbers = Array.from({ length: 5000 }, (_, index) => index);
    for (const number of numbers) {
      agent.client.send({ kind: "pong", number });
      master.link().send(ping(number));
    }
    await until(() => master.received.length === 5000 && agent.received.length === 5000, "all");
    expect(master.received).toEqual(numbers.map((number) => ({ kind: "pong", number })));
    expect(agent.received).toEqual(numbers.map(ping));
  });

  test("messages posted while the link opens follow the welcome", async () => {
    const master = await startMaster();
    const linkOpened = master.linkOpened.bind(master);
    master.linkOpened = (link) => {
      link.send(ping(1));
      return linkOpened(link);
    };
    const agent = startAgent(master.port);
    await until(() => agent.received.length > 0, "the message");
    expect([agent.events, agent.received]).toEqual([["up epoch-1"], [ping(1)]]);
  });

  test("a message keeps the form it had when it was sent", async () => {
    const master = await startMaster();
    const agent = startAgent(master.port);
    await until(() => agent.events.length > 0, "the link");
    const message = { kind: "shutdown", message: "before" };
    master.link().send(message as MasterToAgent);
    message.message = "after";
    await until(() => agent.received.length > 0, "the message");
    expect(agent.received).toEqual([{ kind: "shutdown", message: "before" }]);
  });

  test("many large messages all arrive, across several windows", async () => {
    const master = await startMaster();
    const agent = startAgent(master.port);
    await until(() => agent.events.length > 0, "the link");
    const text = "x".repeat(1024 * 1024);
    for (let count = 0; count < 40; count++) {
      master.link().send({ kind: "shutdown", message: text + count });
    }
    await until(() => agent.received.length === 40, "all 40 MB", 20_000);
    expect(agent.received.map((one) => "message" in one && one.message.slice(text.length))).toEqual(
      Array.from({ length: 40 }, (_, index) => String(index)),
    );
    expect(agent.events).toEqual(["up epoch-1"]);
  });

  test("frames of another epoch are dropped, the link stays [DESIGN 6]", async () => {
    const master = await startMaster({ epoch: "new" });
    const link = await rawLink(master);
    link.send("", HELLO);
    await until(() => link.frames.length === 1, "the welcome");
    link.send("old", { kind: "messages", messages: [{ kind: "pong", number: 1 }] });
    link.send("new", { kind: "messages", messages: [{ kind: "pong", number: 2 }] });
    await until(() => master.received.length > 0, "the message");
    expect(master.received).toEqual([{ kind: "pong", number: 2 }]);
  });

  test("an unreadable message cuts the link, names its field, and nothing after it is heard", async () => {
    const master = await startMaster();
    const link = await rawLink(master);
    link.send("", HELLO);
    await until(() => link.frames.length === 1, "the welcome");
    const [good, bad] = [
      { kind: "pong", number: 1 },
      { kind: "pong", number: -1 },
    ];
    link.send(
      "epoch-1",
      { kind: "messages", messages: [good, bad, good] },
      { kind: "messages", messages: [good] },
    );
    await until(() => master.closed.length === 1, "the cut");
    expect(master.received).toEqual([{ kind: "pong", number: 1 }]);
    expect(master.log.has("message.number: Expecting a whole number, 0 or more")).toBe(true);
    expect(master.links.size).toBe(0);
  });

  test("what the host said just before it closes the link arrives", async () => {
    const master = await startMaster();
    const agent = startAgent(master.port);
    await until(() => agent.events.length > 0, "the link");
    const link = master.link();
    link.send({ kind: "shutdown", message: "you are gone" });
    link.close("gone");
    await until(() => agent.events.includes("down"), "the end of the link");
    expect(agent.received).toEqual([{ kind: "shutdown", message: "you are gone" }]);
  });

  test("a host that closes the link while it takes a message hears no more of it", async () => {
    const master = await startMaster();
    master.onMessage = () => master.link().close("enough");
    const agent = startAgent(master.port);
    await until(() => agent.events.length > 0, "the link");
    for (const number of [1, 2, 3]) agent.client.send({ kind: "pong", number });
    await until(() => master.closed.length === 1, "the cut");
    expect(master.received).toEqual([{ kind: "pong", number: 1 }]);
  });

  test("an agent that stops while it takes a message hears no more", async () => {
    const master = await startMaster();
    const numbers: MasterToAgent[] = [];
    const agent: TestAgent = startAgent(master.port, {
      onMessage: (message) => {
        numbers.push(message);
        agent.client.stop();
      },
    });
    await until(() => agent.events.length > 0, "the link");
    for (const number of [1, 2, 3]) master.link().send(ping(number));
    await until(() => master.closed.length === 1, "the end");
    expect(numbers).toEqual([ping(1)]);
    expect(agent.events).toEqual(["up epoch-1"]);
  });
});

describe("heartbeats", () => {
  test("an idle link stays up", async () => {
    const master = await startMaster({ heartbeatMs: 100 });
    const agent = startAgent(master.port);
    await until(() => agent.events.length > 0, "the link");
    await new Promise((resolve) => setTimeout(resolve, 1000));
    expect([agent.events, master.closed]).toEqual([["up epoch-1"], []]);
  });

  test("an agent that falls silent is cut after three heartbeats", async () => {
    const master = await startMaster({ heartbeatMs: 20 });
    const link = await rawLink(master);
    link.send("", HELLO);
    await until(() => master.closed.length === 1, "the cut", 1000);
    expect(master.log.has("nothing was heard for 3 heartbeats of 20 ms")).toBe(true);
    await until(link.isClosed, "the socket to close");
  });

  test("a stall of our own process does not count as silence of the others", async () => {
    const clock = new FakeClock();
    const master = await startMaster({ heartbeatMs: 1000, clock });
    const agent = startAgent(master.port);
    await until(() => agent.events.length > 0, "the link");
    clock.leap(60_000);
    expect(master.closed).toEqual([]);
    agent.client.send({ kind: "pong", number: 1 });
    await until(() => master.received.length === 1, "the message");
    for (let count = 0; count < 3; count++) clock.advance(1000);
    expect(master.closed).toEqual([]);
    clock.advance(1000);
    expect(master.closed).toHaveLength(1);
  });
});

describe("flow control", () => {
  test("a sender stops at the window of an agent that gives no credit, then cuts it", async () => {
    const master = await startMaster();
    const link = await rawLink(master);
    link.send("", HELLO);
    await until(() => link.frames.length === 1, "the welcome");
    const message: MasterToAgent = { kind: "shutdown", message: "x".repeat(256 * 1024) };
    const heardBytes = () => (link.frames.length - 1) * 256 * 1024;
    for (let count = 0; count < 100; count++) master.link().send(message);
    await until(() => heardBytes() >= LINK_WINDOW_BYTES, "one window");
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(heardBytes()).toBe(LINK_WINDOW_BYTES);
    expect(master.closed).toEqual([]);
    for (let count = 0; count < 250 && master.links.size > 0; count++) {
      master.link().send(message);
      await Promise.resolve();
      await Promise.resolve();
    }
    expect(master.closed).toHaveLength(1);
    expect(master.log.has("messages of 67")).toBe(true);
  });

  test("small messages are bounded by their number", async () => {
    const master = await startMaster();
    const link = await rawLink(master);
    link.send("", HELLO);
    await until(() => link.frames.length === 1, "the welcome");
    for (let count = 0; count < 600_000 && master.links.size > 0; count++) {
      master.link().send(ping(count));
      if (count % 1000 === 0) await Promise.resolve();
      if (count % 10_000 === 0) await new Promise((resolve) => setTimeout(resolve, 0));
    }
    expect(master.closed).toHaveLength(1);
    expect(master.log.has("the other side left 100")).toBe(true);
  }, 20_000);

  test("credit lets the sender go on", async () => {
    const master = await startMaster();
    const link = await rawLink(master);
    link.send("", HELLO);
    await until(() => link.frames.length === 1, "the welcome");
    const message: MasterToAgent = { kind: "shutdown", message: "x".repeat(1024 * 1024) };
    for (let count = 0; count < 20; count++) master.link().send(message);
    await until(() => link.frames.length === 9, "one window");
    link.send("epoch-1", { kind: "credit", bytes: 4 * 1024 * 1024 });
    await until(() => link.frames.length === 13, "half a window more");
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(link.frames.length).toBe(13);
  });
});

describe("loss and return", () => {
  test("a master that comes back on the port in a new epoch is found", async () => {
    const first = await TestMaster.start({ epoch: "e1" });
    const agent = startAgent(first.port);
    await until(() => agent.events.length === 1, "the link");
    await first.stop();
    await until(() => agent.events.length === 2, "the loss");
    const second = await startMaster({ port: first.port, epoch: "e2" });
    await until(() => agent.events.length === 3, "the return");
    expect(agent.events).toEqual(["up e1", "down", "up e2"]);
    agent.client.send({ kind: "pong", number: 5 });
    await until(() => second.received.length === 1, "a message");
  });

  test("without a known master the agent asks again until there is one", async () => {
    const master = await startMaster();
    const agent = startAgent(undefined);
    await until(() => agent.log.has("no leading master is known"), "the log");
    agent.address = `127.0.0.1:${master.port}`;
    await until(() => agent.events.length === 1, "the link");
  });

  test("an address that is none is logged and not fatal", async () => {
    const agent = startAgent(undefined);
    agent.address = "not an address:x";
    await until(() => agent.log.has("is not an address of the form host:port"), "the log");
  });

  test("reconnect leaves the present link and makes a new one", async () => {
    const master = await startMaster();
    const agent = startAgent(master.port);
    await until(() => agent.events.length === 1, "the link");
    agent.client.reconnect("another master leads");
    expect(agent.events).toEqual(["up epoch-1", "down"]);
    await until(() => agent.events.length === 3, "the new link");
    expect(master.closed).toHaveLength(1);
    expect(agent.log.has("another master leads")).toBe(true);
  });

  test("waiting times double with each failure, stay bounded, and are never in step", () => {
    const clock = new FakeClock();
    const delays: number[] = [];
    const agent = new TestAgent(undefined, { clock });
    agent.client.start();
    for (let count = 0; count < 12; count++) {
      delays.push(clock.nextDelayMs ?? 0);
      clock.advance(clock.nextDelayMs ?? 0);
    }
    agent.client.stop();
    for (const [index, delayMs] of delays.entries()) {
      const spanMs = Math.min(3000, 250 * 2 ** index);
      expect(delayMs).toBeGreaterThanOrEqual(spanMs / 2);
      expect(delayMs).toBeLessThanOrEqual(spanMs);
    }
    expect(new Set(delays).size).toBe(delays.length);
    expect(clock.pending).toBe(0);
  });

  test("after a loss agents come back anywhere in the master's spread [DESIGN 6]", async () => {
    const master = await startMaster({ spreadMs: 40_000 });
    const delays: number[] = [];
    for (let count = 0; count < 20; count++) {
      const clock = new FakeClock();
      const rng = { next: () => (count + 0.5) / 20, uuid: () => "" };
      const agent = startAgent(master.port, { clock, rng });
      await until(() => agent.events.length === 1, "the link");
      agent.client.reconnect("test");
      delays.push(clock.nextDelayMs ?? 0);
    }
    expect(delays).toEqual(Array.from({ length: 20 }, (_, index) => (index + 0.5) * 2000));
  });

  test("who waits for a master comes in that spread too when another one leads [DESIGN 6]", async () => {
    const clock = new FakeClock();
    const master = await startMaster({ spreadMs: 40_000 });
    const agent = startAgent(master.port, { clock, rng: { next: () => 0.5, uuid: () => "" } });
    await until(() => agent.events.length === 1, "the link");
    master.link().close("the master dies");
    await until(() => agent.events.length === 2, "the loss");
    agent.client.reconnect("another master leads");
    expect(clock.nextDelayMs).toBe(20_000);
  });

  test("the newest word on the spread counts: agents may have become many since the welcome", async () => {
    const clock = new FakeClock();
    const master = await startMaster({ spreadMs: 1000 });
    const agent = startAgent(master.port, { clock, rng: { next: () => 0.5, uuid: () => "" } });
    await until(() => agent.events.length === 1, "the link");
    master.link().send({ kind: "ping", number: 1, connected: true, reconnectSpreadMs: 40_000 });
    await until(() => agent.received.length === 1, "the ping");
    agent.client.reconnect("test");
    expect(clock.nextDelayMs).toBe(20_000);
  });

  test("who finds no master afterwards tries again in that spread, not at once [DESIGN 6]", async () => {
    const clock = new FakeClock();
    const master = await startMaster({ spreadMs: 40_000 });
    const agent = startAgent(master.port, { clock, rng: { next: () => 0.5, uuid: () => "" } });
    await until(() => agent.events.length === 1, "the link");
    agent.address = undefined;
    agent.client.reconnect("the master dies");
    clock.advance(20_000);
    const delays: number[] = [];
    for (let count = 0; count < 12; count++) {
      delays.push(clock.nextDelayMs ?? 0);
      clock.advance(clock.nextDelayMs ?? 0);
    }
    // Doubling goes on behind it: 250 ms * 2^8 is the first that is longer than the spread.
    expect(delays).toEqual([...new Array(7).fill(20_000), 48_000, 60_000, 60_000, 60_000, 60_000]);
  });

  test("a link that breaks again and again is retried ever more slowly", async () => {
    const clock = new FakeClock();
    const master = await startMaster({ heartbeatMs: 60_000 });
    const rng = { next: () => 0.999, uuid: () => "" };
    const agent = startAgent(master.port, { clock, rng });
    const delays: number[] = [];
    for (let count = 1; count <= 5; count++) {
      await until(() => agent.events.length === 2 * count - 1, "the link");
      master.link().close("bad agent");
      await until(() => agent.events.length === 2 * count, "the loss");
      delays.push(Math.round(clock.nextDelayMs ?? 0));
      clock.advance(clock.nextDelayMs ?? 0);
    }
    expect(delays).toEqual([250, 500, 999, 1998, 2997]);
    await until(() => agent.events.length === 11, "the link");
    clock.advance(31_000);
    master.link().close("restart");
    await until(() => agent.events.length === 12, "the loss");
    expect(Math.round(clock.nextDelayMs ?? 0)).toBe(250);
  });

  test("stop leaves no socket and no timer, whatever the state", async () => {
    const master = await startMaster();
    for (const waitFor of ["nothing", "link"]) {
      const clock = new FakeClock();
      const agent = startAgent(master.port, { clock });
      if (waitFor === "link") await until(() => agent.events.length === 1, "the link");
      agent.client.stop();
      agent.client.stop();
      agent.client.send({ kind: "pong", number: 1 });
      expect(clock.pending).toBe(0);
    }
    await until(() => master.links.size === 0, "the links to close");
  });
});
