/**
 * Images that have to be pulled: from a real registry by a real Engine, through a proxy that lets
 * through slowly or nothing at all.
 */
import {
  afterAll,
  afterEach,
  beforeAll,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BUSYBOX, docker, findEngine } from "../../harness/docker-engine.ts";
import { findRegistry } from "../../harness/docker-registry.ts";
import { SlowProxy } from "../../harness/slow-proxy.ts";
import { PATIENCE_MS, until } from "../../harness/wait.ts";
import { outputOf } from "../containers.ts";
import { DockerScene } from "./docker-scene.ts";

setDefaultTimeout(PATIENCE_MS);
const USER = { user: "bob", password: "s3:cret" };
const registry = await findRegistry("pulls of images", { credentials: USER });
const engine = registry === undefined ? undefined : await findEngine("pulls of images");
if (engine === undefined) registry?.stop();

describe.skipIf(engine === undefined)("a pull", () => {
  const scene = new DockerScene(engine);
  const auth = Buffer.from(`${USER.user}:${USER.password}`).toString("base64");
  let proxy: SlowProxy;
  let host = "";

  const configFor = (name: string): string => JSON.stringify({ auths: { [name]: { auth } } });

  /** A new image in the registry, and nowhere else, with a layer of random bytes. */
  const publish = async (name: string, megabytes: number, content: string): Promise<string> => {
    const { socketPath } = scene.engine;
    const folder = mkdtempSync(join(tmpdir(), "allot-publish-"));
    const image = `${host}/${name}`;
    try {
      const bytes = crypto.getRandomValues(new Uint8Array(64 * 1024));
      const layer = Buffer.concat(
        Array.from({ length: megabytes * 16 }, () => crypto.getRandomValues(bytes).slice()),
      );
      writeFileSync(join(folder, "random"), layer);
      writeFileSync(join(folder, "content"), content);
      const from = await docker(
        socketPath,
        "create",
        "--name",
        `mesos-c${process.pid}-make`,
        BUSYBOX,
        "true",
      );
      await docker(socketPath, "cp", join(folder, "random"), `${from}:/random`);
      await docker(socketPath, "cp", join(folder, "content"), `${from}:/content`);
      await docker(socketPath, "commit", from, image);
      await docker(socketPath, "rm", from);
      writeFileSync(join(folder, "config.json"), configFor(host));
      await docker(socketPath, "--config", folder, "push", image);
      await docker(socketPath, "rmi", image);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
    return image;
  };
  const forget = (image: string): Promise<string> =>
    docker(scene.engine.socketPath, "rmi", image).catch(() => "");

  beforeAll(async () => {
    proxy = await SlowProxy.start(registry?.port ?? 0);
    host = `127.0.0.1:${proxy.port}`;
  });
  afterAll(async () => {
    proxy.stop();
    registry?.stop();
    await engine?.stop();
  });
  afterEach(async () => {
    proxy.thaw();
    await scene.clear();
  });

  test("needs credentials: of the agent or, before them, of the sandbox [semantics 7.15]", async () => {
    const image = await publish("secret:1", 0, "one");
    const cat = (): Parameters<DockerScene["spec"]>[1] => "cat /content";
    const bare = scene.open();
    const refused = scene.spec(bare, cat(), {}, { docker: { image } });
    await expect(bare.containerizer.launch(refused)).rejects.toThrow(
      `Failed to pull Docker image ${image}`,
    );
    const agent = scene.open({ dockerConfig: configFor(host) });
    const spec = scene.spec(agent, cat(), {}, { docker: { image } });
    await agent.containerizer.launch(spec);
    await agent.containerizer.wait(spec.containerId);
    expect(outputOf(spec)).toBe("one");
    await agent.containerizer.cleanup(spec.containerId);
    await until("the image can go", async () => (await scene.containersOf(spec)) === "");
    await forget(image);
    const own = scene.spec(bare, cat(), {}, { docker: { image } });
    mkdirSync(join(own.directory, ".docker"), { recursive: true });
    writeFileSync(join(own.directory, ".docker", "config.json"), configFor(host));
    await bare.containerizer.launch(own);
    await bare.containerizer.wait(own.containerId);
    expect(outputOf(own)).toBe("one");
  });

  test("is made when it is asked for, though the image is there [semantics 7.15]", async () => {
    const agent = scene.open({ dockerConfig: configFor(host) });
    const image = await publish("changing:1", 0, "old");
    const run = async (isPullForced: boolean): Promise<string> => {
      const info = { docker: { image, force_pull_image: isPullForced } };
      const spec = scene.spec(agent, "cat /content", {}, info);
      await agent.containerizer.launch(spec);
      await agent.containerizer.wait(spec.containerId);
      return outputOf(spec);
    };
    expect(await run(false)).toBe("old");
    // The Engine keeps the old one, whose name the new one takes only when it is pulled.
    const { socketPath } = scene.engine;
    await docker(socketPath, "tag", image, "allot-test-old:1");
    await publish("changing:1", 0, "new");
    await docker(socketPath, "tag", "allot-test-old:1", image);
    await docker(socketPath, "rmi", "allot-test-old:1");
    expect(await run(false)).toBe("old");
    expect(await run(true)).toBe("new");
  });

  test("may take as long as it moves, is shared, and ends when nothing moves [DESIGN 9]", async () => {
    const agent = scene.open({ dockerConfig: configFor(host), pullStallMs: 1500 });
    const image = await publish("large:1", 48, "large");
    const info = { docker: { image } };
    const stopped = scene.spec(agent, "true", {}, info);
    proxy.freeze();
    const startMs = performance.now();
    await expect(agent.containerizer.launch(stopped)).rejects.toThrow(
      /^Failed to pull Docker image \S+large:1: .*(?:nothing moved for 1\.5 s|did not answer)/,
    );
    expect(performance.now() - startMs).toBeLessThan(PATIENCE_MS / 2);
    proxy.thaw();
    // Longer than the stall in all, and never still for so long.
    proxy.bytesPerSecond = 16 * 1024 * 1024;
    const both = [1, 2].map(() => scene.spec(agent, "cat /content", {}, info));
    const beginMs = performance.now();
    await Promise.all(both.map((spec) => agent.containerizer.launch(spec)));
    expect(performance.now() - beginMs).toBeGreaterThan(2000);
    proxy.bytesPerSecond = Number.POSITIVE_INFINITY;
    for (const spec of both) {
      await agent.containerizer.wait(spec.containerId);
      expect(outputOf(spec)).toBe("large");
    }
  });

  test("is given up when its task is not wanted any more", async () => {
    const agent = scene.open({ dockerConfig: configFor(host) });
    const image = await publish("unwanted:1", 1, "x");
    proxy.freeze();
    const spec = scene.spec(agent, "true", {}, { docker: { image } });
    const launch = agent.containerizer.launch(spec).then(
      () => "launched",
      (error: Error) => error.message,
    );
    await new Promise((resolve) => setTimeout(resolve, 300));
    await agent.containerizer.destroy(spec.containerId);
    expect(await launch).toContain("destroyed during its launch");
    expect(await scene.containersOf(spec)).toBe("");
  });

  test("that was just given up is not shared by who comes next", async () => {
    const agent = scene.open({ dockerConfig: configFor(host) });
    const image = await publish("next:1", 8, "next");
    proxy.bytesPerSecond = 1024 * 1024;
    const [first, next] = [1, 2].map(() => {
      return scene.spec(agent, "cat /content", {}, { docker: { image, force_pull_image: true } });
    });
    if (first === undefined || next === undefined) throw new Error("two were made");
    const launch = agent.containerizer.launch(first).catch((error: Error) => error.message);
    await Bun.sleep(1000);
    const destroyed = agent.containerizer.destroy(first.containerId);
    const launched = agent.containerizer.launch(next);
    await destroyed;
    expect(await launch).toContain("destroyed during its launch");
    proxy.bytesPerSecond = Number.POSITIVE_INFINITY;
    await launched;
    await agent.containerizer.wait(next.containerId);
    expect(outputOf(next)).toBe("next");
  });
});
