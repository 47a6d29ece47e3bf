/** Bounds of what Docker's containers write: the files in the sandbox, and what the Engine keeps. */
import { afterAll, afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
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
