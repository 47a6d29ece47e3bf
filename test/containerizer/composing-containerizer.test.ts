/** Several containerizers as one: who gets which container, also after a restart of the agent. */
import { afterEach, expect, test } from "bun:test";
import { brand } from "../../src/base/ids.ts";
import { ComposingContainerizer } from "../../src/containerizer/composing-containerizer.ts";
import { UnsupportedContainerError } from "../../src/containerizer/containerizer.ts";
import { systemClock } from "../../src/platform/system.ts";
import { EmulatedContainers } from "../harness/emulated/emulated-containers.ts";
import { newRoot, posixIn, removeRoots, specIn } from "./containers.ts";

const opened: ComposingContainerizer[] = [];

afterEach(async () => {
  for (const containerizer of opened.splice(0)) await containerizer.close();
  removeRoots();
});

/** Two hosts' worth of containers, which outlive the agent; the second one runs DOCKER. */
const kernels = [new EmulatedContainers(systemClock), new EmulatedContainers(systemClock)] as const;

function compose(): ComposingContainerizer {
  const composing = new ComposingContainerizer([
    { containerizer: kernels[0], types: ["MESOS"] },
    { containerizer: kernels[1], types: ["DOCKER"] },
  ]);
  opened.push(composing);
  return composing;
}

test("a container goes to the first that runs its type, and stays there [semantics 7.10]", async () => {
  const composing = compose();
  const plain = specIn("/none", "plain", "sleep 100");
  const typed = {
    ...specIn("/none", "typed", "sleep 100"),
    container: { type: "DOCKER" } as const,
  };
  await composing.launch(plain);
  await composing.launch(typed);
  const homeOf = async (kernel: EmulatedContainers): Promise<readonly string[]> => [
    ...(await kernel.recover([plain, typed])).alive.keys(),
  ];
  expect(await homeOf(kernels[0])).toEqual([plain.containerId]);
  expect(await homeOf(kernels[1])).toEqual([typed.containerId]);
  const again = compose();
  const { alive } = await again.recover([plain, typed]);
  expect([...alive.keys()].sort()).toEqual([plain.containerId, typed.containerId].sort());
  for (const { containerId } of [plain, typed]) {
    await again.destroy(containerId);
    expect((await again.wait(containerId)).exit).toEqual({ kind: "signaled", signal: 9 });
    await again.cleanup(containerId);
    await expect(again.status(containerId)).rejects.toThrow("unknown");
  }
});

test("a type that nobody runs is refused, and lost after such a restart [semantics 7.10]", async () => {
  const root = newRoot();
  const composing = new ComposingContainerizer([
    { containerizer: posixIn(`${root}/a`), types: ["MESOS"] },
  ]);
  opened.push(composing);
  const spec = { ...specIn(`${root}/a`, "x", "true"), container: { type: "DOCKER" } as const };
  const error = await composing.launch(spec).catch((cause: unknown) => cause);
  expect(error).toBeInstanceOf(UnsupportedContainerError);
  expect(String(error)).toContain("no containerizer of this agent runs containers of type DOCKER");
  const { ended } = await composing.recover([spec]);
  expect(ended.get(brand("x"))?.exit.kind).toBe("unknown");
  await composing.destroy(brand("x"));
  await composing.cleanup(brand("x"));
});
