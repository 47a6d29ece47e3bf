/**
 * An Engine that is late with single calls or answers while it is well with all others, by a gate
 * between it and the containerizer.
 */
import { afterAll, afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { type ContainerSpec, UnavailableError } from "../../../src/containerizer/containerizer.ts";
import { LOOKUP_DEADLINE_MS } from "../../../src/containerizer/docker/limits.ts";
import { docker, findEngine } from "../../harness/docker-engine.ts";
import { EngineGate } from "../../harness/engine-gate.ts";
import { PATIENCE_MS, until } from "../../harness/wait.ts";
import { newRoot, outputOf } from "../containers.ts";
import { type Agent, DockerScene } from "./docker-scene.ts";

setDefaultTimeout(PATIENCE_MS * 2);
const engine = await findEngine("a Docker Engine that is late");

const CREATION = /^POST \S+\/containers\/create/;
const INSPECTION = /^GET \S+\/containers\/[0-9a-f]{64}\/json/;
const LIST = /^GET \S+\/containers\/json/;
const EVENTS = /^GET \S+\/events/;
/** As long as a log may stand still. */
const SILENCE_MS = 1500;
/** As long as an answer takes that only waits for the gate. */
const ANSWER_MS = 500;
const KILLED = { exit: { kind: "exited", code: 137 } } as const;

describe.skipIf(engine === undefined)("an Engine that is late", () => {
  const scene = new DockerScene(engine);
  let gate: EngineGate | undefined;
  afterEach(async () => {
    gate?.stop();
    await scene.clear();
  });
  afterAll(() => engine?.stop());

  const open = async (
    command = "exec sleep 1000",
  ): Promise<{ gate: EngineGate; agent: Agent; spec: ContainerSpec }> => {
    const root = newRoot();
    const socketPath = join(root, "gate.sock");
    gate = await EngineGate.start(socketPath, scene.engine.socketPath);
    const agent = scene.open({ socketPath, outputSilenceMs: SILENCE_MS }, root);
    return { gate, agent, spec: scene.spec(agent, command) };
  };

  test("with how a container that it has started is doing: it is launched all the same", async () => {
    const { gate, agent, spec } = await open();
    const held = gate.holdAnswers(INSPECTION);
    const launch = agent.containerizer.launch(spec);
    await until("it is looked at", () => held.count > 0);
    await Bun.sleep(LOOKUP_DEADLINE_MS + ANSWER_MS);
    held.release();
    expect((await launch).pid).toBeGreaterThan(1);
    await agent.containerizer.destroy(spec.containerId);
    expect(await agent.containerizer.wait(spec.containerId)).toEqual(KILLED);
  });

  test("the same, and the launch is given up meanwhile: nothing is left of it", async () => {
    const { gate, agent, spec } = await open();
    const held = gate.holdAnswers(INSPECTION);
    const launch = agent.containerizer.launch(spec).catch((error: Error) => error.message);
    await until("it is looked at", () => held.count > 0);
    await agent.containerizer.destroy(spec.containerId);
    expect(await launch).toContain("destroyed during its launch");
    held.release();
    await until("it is gone", async () => (await scene.containersOf(spec)) === "");
  });

  test("with how a container is doing, that has ended when it comes: the end is told at once", async () => {
    const { gate, agent, spec } = await open();
    const held = gate.holdAnswers(INSPECTION);
    const launch = agent.containerizer.launch(spec);
    await until("it is looked at", () => held.count > 0);
    await Bun.sleep(ANSWER_MS);
    await docker(scene.engine.socketPath, "kill", `mesos-${spec.containerId}`);
    await Bun.sleep(ANSWER_MS);
    held.release();
    await launch;
    const late = Bun.sleep(10_000).then(() => "it still runs");
    expect(await Promise.race([agent.containerizer.wait(spec.containerId), late])).toEqual(KILLED);
  });

  test("with a log that takes long and never stands still: all of it is there before the end is told", async () => {
    const { gate, agent, spec } = await open("seq 1 5000");
    gate.slowAnswers(/\/logs\?/, 64 * 1024);
    await agent.containerizer.launch(spec);
    await agent.containerizer.wait(spec.containerId);
    expect(outputOf(spec).split("\n", 5000).length).toBe(5000);
    expect(outputOf(spec)).toEndWith("\n5000\n");
  });

  test("with a log that begins and always breaks off: the end is told without the rest of it", async () => {
    const { gate, agent, spec } = await open("echo up; sleep 1; exit 3");
    await agent.containerizer.launch(spec);
    await until("it is up", () => outputOf(spec) === "up\n");
    gate.breakAnswers(/\/logs\?/);
    gate.cut(/\/logs\?/);
    const late = Bun.sleep(20_000).then(() => "it is not told");
    const end = await Promise.race([agent.containerizer.wait(spec.containerId), late]);
    expect(end).toEqual({ exit: { kind: "exited", code: 3 } });
  });

  test("with a list that is older than a container, and with what became of that: no kill is forgotten, no check fails", async () => {
    const { gate, agent, spec } = await open();
    const creation = gate.holdCalls(CREATION);
    const launch = agent.containerizer.launch(spec);
    await until("it is about to be made", () => creation.count > 0);
    const lists = gate.holdAnswers(LIST);
    gate.cut(EVENTS);
    await until("all containers are listed", () => lists.count > 0);
    await Bun.sleep(ANSWER_MS);
    creation.release();
    await launch;
    const inspections = gate.holdAnswers(INSPECTION);
    lists.release();
    await until("it is looked for", () => inspections.count > 0);
    const inside = { ...spec, command: { value: "true" }, timeoutMs: 1000 };
    const check = agent.containerizer.runInside(inside);
    expect(await check.catch((error: unknown) => error)).toBeInstanceOf(UnavailableError);
    const kill = agent.containerizer.signal(spec.containerId, "SIGKILL");
    await Bun.sleep(ANSWER_MS);
    inspections.release();
    await kill;
    const late = Bun.sleep(10_000).then(() => "it still runs");
    expect(await Promise.race([agent.containerizer.wait(spec.containerId), late])).toEqual(KILLED);
  });
});
