/** Containers of Docker over restarts of the agent: what lives, what ended, output, orphans. */
import { afterAll, afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ContainerSpec } from "../../../src/containerizer/containerizer.ts";
import { agentMark } from "../../../src/containerizer/mesos-containerizer.ts";
import { docker, findEngine } from "../../harness/docker-engine.ts";
import { PATIENCE_MS, until } from "../../harness/wait.ts";
import { outputOf } from "../containers.ts";
import { DockerScene } from "./docker-scene.ts";

setDefaultTimeout(PATIENCE_MS);
const engine = await findEngine("recovery of Docker containers");

describe.skipIf(engine === undefined)("after a restart of the agent", () => {
  const scene = new DockerScene(engine);
  afterAll(() => engine?.stop());
  afterEach(() => scene.clear());

  const COUNTING =
    "i=0; while [ $i -lt 400 ]; do i=$((i+1)); echo $i; [ $((i % 20)) -eq 0 ] && sleep 0.05; done; echo end >&2";
  const counted = Array.from({ length: 400 }, (_, index) => `${index + 1}\n`).join("");
  const known = (...specs: readonly ContainerSpec[]): readonly ContainerSpec[] => specs;
  const positionOf = (root: string, spec: ContainerSpec): string =>
    join(root, "run", "docker", agentMark(join(root, "work")), spec.containerId, "position");

  test("what runs is taken back, with pid, start and every line of its output [DESIGN 7]", async () => {
    const first = scene.open();
    const spec = scene.spec(first, COUNTING);
    const { pid } = await first.containerizer.launch(spec);
    await until("some output is there", () => outputOf(spec).includes("20\n"));
    await first.containerizer.close();
    const half = outputOf(spec);
    expect(half).not.toBe(counted);
    const second = scene.open({}, first.root);
    const { alive, ended, orphans } = await second.containerizer.recover(known(spec));
    expect(ended.size).toBe(0);
    expect(orphans).toEqual([]);
    expect(alive.get(spec.containerId)?.pid).toBe(pid);
    expect(alive.get(spec.containerId)?.startedAtMs ?? 0).toBeGreaterThan(Date.now() - PATIENCE_MS);
    expect((await second.containerizer.wait(spec.containerId)).exit).toEqual({
      kind: "exited",
      code: 0,
    });
    expect(outputOf(spec)).toBe(counted);
    expect(outputOf(spec, "stderr")).toBe("end\n");
  });

  test("what ended meanwhile is told as it ended, with the rest of its output [DESIGN 7]", async () => {
    const first = scene.open();
    const spec = scene.spec(first, `${COUNTING}; exit 5`);
    await first.containerizer.launch(spec);
    await first.containerizer.close();
    await until("the container is over", async () => {
      return (await docker(scene.engine.socketPath, "wait", `mesos-${spec.containerId}`)) === "5";
    });
    const second = scene.open({}, first.root);
    const { alive, ended } = await second.containerizer.recover(known(spec));
    expect(alive.size).toBe(0);
    expect(ended.get(spec.containerId)).toEqual({ exit: { kind: "exited", code: 5 } });
    expect(outputOf(spec)).toBe(counted);
    await second.containerizer.cleanup(spec.containerId);
    await until("the container is removed", async () => (await scene.containersOf(spec)) === "");
  });

  test("bytes that were written just before the agent ended are not written again", async () => {
    const first = scene.open();
    const spec = scene.spec(first, `${COUNTING}; sleep 2; echo last`);
    await first.containerizer.launch(spec);
    await until("some output is there", () => outputOf(spec).includes("20\n"));
    // As after a kill between the two writes: the file is ahead of the position that is on disk.
    const position = readFileSync(positionOf(first.root, spec), "utf8");
    await until("more output is there", () => outputOf(spec).includes("100\n"));
    await first.containerizer.close();
    writeFileSync(positionOf(first.root, spec), position);
    const second = scene.open({}, first.root);
    await second.containerizer.recover(known(spec));
    await second.containerizer.wait(spec.containerId);
    expect(outputOf(spec)).toBe(`${counted}last\n`);
  });

  test("what the task itself appends to its output file does not disturb the copy", async () => {
    const agent = scene.open();
    const spec = scene.spec(agent, "echo one; sleep 1; echo two");
    await agent.containerizer.launch(spec);
    await until("the first line is there", () => outputOf(spec) === "one\n");
    appendFileSync(join(spec.directory, "stdout"), "by hand\n");
    await agent.containerizer.wait(spec.containerId);
    expect(outputOf(spec)).toBe("one\nby hand\ntwo\n");
  });

  test("orphans of ours are removed, containers of others are not touched [semantics 7.15]", async () => {
    const { socketPath } = scene.engine;
    const first = scene.open();
    const orphan = scene.spec(first, "sleep 100");
    await first.containerizer.launch(orphan);
    const other = scene.open();
    const others = scene.spec(other, "sleep 100");
    await other.containerizer.launch(others);
    const foreign = `mesos-c${process.pid}-foreign`;
    const image = orphan.container?.docker?.image ?? "";
    await docker(socketPath, "run", "-d", "--net=none", "--name", foreign, image, "sleep", "100");
    await first.containerizer.close();
    const second = scene.open({}, first.root);
    const { alive, orphans } = await second.containerizer.recover([]);
    expect(alive.size).toBe(0);
    expect(orphans).toEqual([orphan.containerId]);
    expect(await scene.containersOf(orphan)).toBe("");
    expect(await scene.containersOf(others)).not.toBe("");
    expect(await docker(socketPath, "inspect", "-f", "{{.State.Running}}", foreign)).toBe("true");
  });

  test("orphans run on when they are not to be killed [flags]", async () => {
    const first = scene.open();
    const orphan = scene.spec(first, "sleep 100");
    await first.containerizer.launch(orphan);
    await first.containerizer.close();
    const second = scene.open({ areOrphansKilled: false }, first.root);
    expect((await second.containerizer.recover([])).orphans).toEqual([]);
    expect(await scene.containersOf(orphan)).not.toBe("");
  });

  test("what has ended stays for the delay, counted from its end, over restarts too [flags]", async () => {
    const first = scene.open({ removeDelayMs: 3000 });
    const spec = scene.spec(first, "true");
    await first.containerizer.launch(spec);
    await first.containerizer.wait(spec.containerId);
    await first.containerizer.cleanup(spec.containerId);
    expect(await scene.containersOf(spec)).not.toBe("");
    await first.containerizer.close();
    const second = scene.open({ removeDelayMs: 3000 }, first.root);
    await second.containerizer.recover([]);
    expect(await scene.containersOf(spec)).not.toBe("");
    await until("its time has come", async () => (await scene.containersOf(spec)) === "");
  });

  test("a container that was made but not started is no container", async () => {
    const first = scene.open();
    const spec = scene.spec(first, "echo ran");
    await first.containerizer.launch(spec);
    await first.containerizer.wait(spec.containerId);
    const label = await docker(
      scene.engine.socketPath,
      "inspect",
      "-f",
      '{{index .Config.Labels "allot.agent_mark"}}',
      `mesos-${spec.containerId}`,
    );
    await first.containerizer.cleanup(spec.containerId);
    await first.containerizer.close();
    await docker(scene.engine.socketPath, "rm", "-f", `mesos-${spec.containerId}`);
    const image = spec.container?.docker?.image ?? "";
    const labels = [
      "--label",
      `allot.agent_mark=${label}`,
      "--label",
      `allot.container_id=${spec.containerId}`,
    ];
    await docker(
      scene.engine.socketPath,
      "create",
      ...labels,
      "--name",
      `mesos-${spec.containerId}`,
      image,
      "true",
    );
    const second = scene.open({}, first.root);
    const { alive, ended } = await second.containerizer.recover(known(spec));
    expect(alive.size).toBe(0);
    expect(ended.get(spec.containerId)?.exit.kind).toBe("unknown");
    await until("it is removed", async () => (await scene.containersOf(spec)) === "");
  });
});
