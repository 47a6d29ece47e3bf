/** What comes first when a master has more to do than it can, with a core that only notes its inputs. */
import { expect, test } from "bun:test";
import { linkIdOf } from "../../../src/base/ids.ts";
import type { MasterEffect } from "../../../src/master/core/effects.ts";
import type { MasterInput } from "../../../src/master/core/inputs.ts";
import type { MasterCore } from "../../../src/master/core/master-core.ts";
import { MasterRuntime } from "../../../src/master/runtime/master-runtime.ts";
import { systemRng } from "../../../src/platform/system.ts";
import { emptyRegistry } from "../../../src/registry/core/registry-state.ts";
import { FakeClock } from "../../base/fake-clock.ts";
import { masterOptions } from "../core/harness.ts";

const PING_MS = 15_000;
const MESSAGES = 1000;
/** Of one input: three of them fill a turn. */
const INPUT_MS = 4;

test("agents are pinged and heard while the messages of a whole cluster wait", async () => {
  const clock = new BusyClock();
  const done: string[] = [];
  const step = (input: MasterInput, nowMs: number): MasterEffect[] => {
    clock.work(INPUT_MS);
    if (input.kind === "timer") done.push(input.timer.kind);
    else done.push(input.kind === "agentMessage" ? input.message.kind : input.kind);
    if (input.kind !== "recovered") return [];
    return [{ kind: "setTimer", timer: { kind: "ping" }, atMs: nowMs + PING_MS }];
  };
  const runtime = runtimeWith({ step } as MasterCore, clock);
  runtime.start();
  const linkId = linkIdOf(1);
  const connection = runtime.paced({
    message: () => runtime.linkMessage(linkId, { kind: "pong", number: 1 }),
    drained: () => undefined,
    closed: () => undefined,
  });
  for (let number = 0; number < MESSAGES; number += 1) {
    runtime.linkMessage(linkId, { kind: "commandDone", number });
  }
  connection.message(new Uint8Array());
  clock.leap(PING_MS);
  await Bun.sleep(0);

  const order = done.filter((kind) => kind !== "commandDone");
  expect(order).toEqual(["recovered", "pong", "ping"]);
  expect(done.indexOf("ping")).toBeLessThan(10);
  clock.advance(0);
  expect(done.filter((kind) => kind === "commandDone")).toHaveLength(MESSAGES);
});

/** Time passes with work too, without timers being looked at. */
class BusyClock extends FakeClock {
  #workMs = 0;

  work(ms: number): void {
    this.#workMs += ms;
  }

  override monotonicMs(): number {
    return super.monotonicMs() + this.#workMs;
  }

  override wallMs(): number {
    return super.wallMs() + this.#workMs;
  }
}

function runtimeWith(core: MasterCore, clock: FakeClock): MasterRuntime {
  const { info } = masterOptions();
  return new MasterRuntime({
    core,
    info,
    version: "test",
    heartbeatMs: PING_MS,
    registry: {
      load: emptyRegistry,
      commit: () => Promise.reject(new Error("nothing is committed here")),
      metrics: () => ({}),
    },
    clock,
    rng: systemRng,
    log: { write: () => undefined },
    onFatal: (error) => {
      throw error;
    },
  });
}
