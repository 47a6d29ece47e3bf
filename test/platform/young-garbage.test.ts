/** The collector of young garbage, on the engine at hand. */
import { expect, test } from "bun:test";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { loadYoungCollector } from "../../src/platform/young-garbage.ts";

const OBJECTS = 1000;
/** Well above what the collector waits for. */
const WORK_MS = 150;

/** References that hold nothing: to objects that nobody else has. */
function garbage(): readonly WeakRef<object>[] {
  return Array.from({ length: OBJECTS }, (_, index) => new WeakRef({ index }));
}

function processorMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

/** Makes no garbage. */
function workOn(ms: number): void {
  const untilMs = performance.now() + ms;
  while (performance.now() < untilMs);
}

test("what has become garbage goes once there was some work", async () => {
  const collect = await loadYoungCollector();
  const refs = garbage();
  const untilMs = processorMs() + WORK_MS;
  while (processorMs() < untilMs) {
    workOn(10);
    collect();
    await sleep(0);
  }
  const left = refs.filter((ref) => ref.deref() !== undefined).length;
  expect(left).toBeLessThan(OBJECTS / 10);
});
