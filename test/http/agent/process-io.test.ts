/** Readers of a session that take nothing: the one it is for is waited for, others not for long. */
import { expect, test } from "bun:test";
import type { AgentRuntime } from "../../../src/agent/runtime/agent-runtime.ts";
import { Session } from "../../../src/agent/runtime/session.ts";
import { brand, type ContainerId } from "../../../src/base/ids.ts";
import { attachedResponse, sessionResponse } from "../../../src/http/agent/process-io.ts";
import { OUTPUT_HELD_BYTES, READ_IDLE_MS } from "../../../src/http/limits.ts";
import { createCodec } from "../../../src/protocol/codec.ts";
import { FakeClock } from "../../base/fake-clock.ts";

const containerId = brand<ContainerId>("c");
const form = { mediaType: "application/json", isRecordIo: false } as const;

function scene() {
  const clock = new FakeClock();
  const session = new Session();
  const inputs: unknown[] = [];
  const runtime = {
    session: () => session,
    takeSession: () => session,
    input: (input: unknown) => inputs.push(input),
  } as unknown as AgentRuntime;
  const options = { runtime, codec: createCodec(), clock, heartbeatMs: READ_IDLE_MS * 100 };
  const request = new Request("http://here/");
  const target = { containerId, directory: "/" };
  const owner = sessionResponse(options, form, containerId, request);
  const other = attachedResponse(options, form, request, target);
  const write = (): Promise<void> | undefined =>
    session.output({ stream: "stdout", data: new Uint8Array(OUTPUT_HELD_BYTES) });
  return { clock, inputs, write, owner: owner.body?.getReader(), other: other.body?.getReader() };
}

test("one who has attached and takes nothing for a minute is cut, and waited for no longer", async () => {
  const { clock, inputs, write, owner, other } = scene();
  const room = write();
  for (let count = 0; count < 2; count += 1) await owner?.read();
  clock.advance(READ_IDLE_MS - 1);
  expect(await Promise.race([room, Bun.sleep(1).then(() => "waits")])).toBe("waits");
  clock.advance(1);
  await room;
  await expect(other?.read()).rejects.toThrow("does not keep up");
  void write();
  expect((await owner?.read())?.done).toBe(false);
  expect(inputs).toEqual([]);
});

test("who takes something in time stays, and so does the one whose session it is anyway", async () => {
  const { clock, inputs, write, owner, other } = scene();
  const room = write();
  clock.advance(READ_IDLE_MS - 1);
  for (let count = 0; count < 2; count += 1) await other?.read();
  clock.advance(READ_IDLE_MS * 10);
  expect(await Promise.race([room, Bun.sleep(1).then(() => "waits")])).toBe("waits");
  for (let count = 0; count < 2; count += 1) await owner?.read();
  await room;
  expect(inputs).toEqual([]);
});
