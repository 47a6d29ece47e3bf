/** Bounds of what Docker's containers write: the files in the sandbox, and what the Engine keeps. */
import { afterAll, afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { ContainerSpec } from "../../../src/containerizer/containerizer.ts";
import type { LogBounds } from "../../../src/containerizer/log-bounds.ts";
import { findEngine } from "../../harness/docker-engine.ts";
import { PATIENCE_MS, until } from "../../harness/wait.ts";
import { outputOf } from "../containers.ts";
import { DockerScene } from "./docker-scene.ts";

setDefaultTimeout(PATIENCE_MS * 2);
const engine = await findEngine("bounds of Docker's logs");

/** Largest piece that is copied at a time. */
const PIECE = 128 * 1024;
const LIMIT = 100_000;

describe.skipIf(engine === undefined)("the output of a container", () => {
  const scene = new DockerScene(engine);
  afterAll(() => engine?.stop());
  afterEach(() => scene.clear());

  const bounds = (files: number, stdout: number = LIMIT): LogBounds => ({
    maxBytes: { stdout, stderr: undefined },
    files,
  });
  /** All that is left of an output, the oldest first. */
  const allOf = ({ directory }: ContainerSpec, name = "stdout"): string =>
    readdirSync(directory)
      .filter((one) => one === name || one.startsWith(`${name}.`))
      .sort((a, b) => numberOf(b) - numberOf(a))
      .map((one) => readFileSync(join(directory, one), "utf8"))
      .join("");

  test("becomes earlier files where it is too much, of which few stay; the other is left alone", async () => {
    const agent = scene.open({ logBounds: bounds(2) });
    const spec = scene.spec(agent, "seq 1 300000; seq 1 50000 >&2");
    await agent.containerizer.launch(spec);
    await agent.containerizer.wait(spec.containerId);
    const files = readdirSync(spec.directory).sort();
    expect(files).toEqual(["stderr", "stdout", "stdout.1", "stdout.2"]);
    for (const name of files.slice(1)) {
      expect(statSync(join(spec.directory, name)).size).toBeLessThan(LIMIT + PIECE);
    }
    expect(outputOf(spec, "stderr")).toEndWith("\n50000\n");
    const left = allOf(spec);
    const [first = ""] = left.split("\n", 1);
    const whole = Array.from({ length: 300_000 }, (_, index) => `${index + 1}\n`).join("");
    expect(whole).toEndWith(left);
    expect(Number(first)).toBeGreaterThan(1);
  });

  test("is not kept from that by folders that a task has put in their places, which stay", async () => {
    const agent = scene.open({ logBounds: bounds(2) });
    const spec = scene.spec(agent, "seq 1 100000");
    const folders = ["stdout.new", "stdout.1", "stdout.2"];
    for (const name of folders) {
      mkdirSync(join(spec.directory, name, name), { recursive: true });
    }
    await agent.containerizer.launch(spec);
    await agent.containerizer.wait(spec.containerId);
    for (const name of ["stdout", "stdout.1", "stdout.2"]) {
      const stat = statSync(join(spec.directory, name));
      expect([name, stat.isFile(), stat.size < LIMIT + PIECE]).toEqual([name, true, true]);
    }
    const left = readdirSync(spec.directory, { recursive: true }).map(String);
    for (const name of folders) {
      expect(left.filter((path) => path.endsWith(`/${name}`))).toHaveLength(1);
    }
  });

  test("is whole over its files, however often the agent is restarted meanwhile", async () => {
    const logBounds = bounds(1000);
    const first = scene.open({ logBounds });
    const count =
      "i=0; while [ $i -lt 60 ]; do seq $((i*1000+1)) $((i*1000+1000)); i=$((i+1)); sleep 0.05; done";
    const spec = scene.spec(first, count);
    await first.containerizer.launch(spec);
    let { containerizer } = first;
    for (let round = 1; round <= 4; round += 1) {
      await until("more to be there", () => allOf(spec).length > round * 60_000);
      await containerizer.close();
      ({ containerizer } = scene.open({ logBounds }, first.root));
      await containerizer.recover([spec]);
    }
    await containerizer.wait(spec.containerId);
    const whole = Array.from({ length: 60_000 }, (_, index) => `${index + 1}\n`).join("");
    expect(allOf(spec) === whole).toBe(true);
    expect(existsSync(join(spec.directory, "stdout.2"))).toBe(true);
  });

  test("is bounded in the Engine too, and what is left is whole, however fast it is written", async () => {
    const maxBytes = { stdout: 4_000_000, stderr: 4_000_000 };
    const agent = scene.open({ logBounds: { maxBytes, files: 1 } });
    // Ten times as much in the Engine's log.
    const spec = scene.spec(agent, "seq 1 1500000; sleep 1");
    const { data = "[]" } = await agent.containerizer.launch(spec);
    await agent.containerizer.wait(spec.containerId);
    const whole = Array.from({ length: 1_500_000 }, (_, index) => `${index + 1}\n`).join("");
    const left = allOf(spec);
    expect(left.length).toBeGreaterThan(maxBytes.stdout);
    expect(left.length).toBeLessThan(2 * (maxBytes.stdout + PIECE));
    expect(whole.endsWith(left)).toBe(true);
    const [{ LogPath: path = "" } = {}] = JSON.parse(data) as { LogPath?: string }[];
    const logs = readdirSync(dirname(path)).filter((name) => name.includes("-json.log"));
    expect(logs.length).toBe(5);
    for (const name of logs) {
      expect(statSync(join(dirname(path), name)).size).toBeLessThan(17 * 2 ** 20);
    }
  });

  test("that was written while the agent was away is whole within the bound", async () => {
    const maxBytes = { stdout: 4_000_000, stderr: 4_000_000 };
    const first = scene.open({ logBounds: { maxBytes, files: 1 } });
    const spec = scene.spec(first, "sleep 1; seq 1 450000; sleep 1000");
    await first.containerizer.launch(spec);
    await first.containerizer.close();
    await Bun.sleep(6000);
    const second = scene.open({ logBounds: { maxBytes, files: 1 } }, first.root);
    await second.containerizer.recover([spec]);
    const whole = Array.from({ length: 450_000 }, (_, index) => `${index + 1}\n`).join("");
    await until("all to be there", () => outputOf(spec).endsWith("\n450000\n"));
    expect(allOf(spec) === whole).toBe(true);
  });

  test("follows no link that a task puts in the place of a file, and goes on where it cannot be put aside", async () => {
    const agent = scene.open({ logBounds: bounds(1) });
    const spec = scene.spec(
      agent,
      "echo up; until [ -e $MESOS_SANDBOX/go ]; do sleep 0.1; done; seq 1 100000; sleep 1; rm -r $MESOS_SANDBOX/stdout.1; seq 1 100000",
    );
    await agent.containerizer.launch(spec);
    await until("it is up", () => outputOf(spec) === "up\n");
    const secret = join(agent.root, "secret");
    writeFileSync(secret, "secret");
    symlinkSync(secret, join(spec.directory, "stdout.new"));
    writeFileSync(join(spec.directory, "go"), "");
    await agent.containerizer.wait(spec.containerId);
    expect(readFileSync(secret, "utf8")).toBe("secret");
    expect(outputOf(spec)).toEndWith("\n100000\n");
    expect(statSync(join(spec.directory, "stdout")).size).toBeLessThan(LIMIT + PIECE);
  });
});

function numberOf(name: string): number {
  return Number(name.split(".")[1] ?? 0);
}
