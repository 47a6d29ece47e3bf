/** `/allot/v1/kill`: an order that its agent could not read is not given. */
import { expect, test } from "bun:test";
import { ok } from "../../src/base/result.ts";
import { handleKill } from "../../src/http/master/allot-api.ts";
import type { MasterRuntime } from "../../src/master/runtime/master-runtime.ts";
import { createLinkCodec } from "../../src/protocol/link-codec.ts";

const link = createLinkCodec();

/** What an agent would have against the order. */
function faultOf(graceMs: number): string | undefined {
  const killPolicy = { grace_period: { nanoseconds: graceMs * 1_000_000 } };
  const command = { kind: "killTask", frameworkId: "f", taskId: "t", killPolicy };
  const message = link.encodeMessage({ kind: "command", number: 1, command });
  const read = link.decodeFrom("master", link.joinMessages("e", [message]));
  return read.ok ? read.value.fault?.message : read.error.message;
}

async function kill(
  grace: string,
): Promise<{ readonly status: number; readonly graces: number[] }> {
  const graces: number[] = [];
  const runtime = {
    killTask: async (_task: string, _framework: undefined, graceMs: number) => {
      graces.push(graceMs);
      return ok(undefined);
    },
  } as unknown as MasterRuntime;
  const body = `{"task_id": "t", "grace_ms": ${grace}}`;
  const request = new Request("http://master/allot/v1/kill", { method: "POST", body });
  const { status } = await handleKill(runtime, request, { principal: undefined });
  return { status, graces };
}

test.each(["1e999", "1e15", "9223372036001", "-1", '"1"'])("grace_ms %s is 400", async (grace) => {
  expect(await kill(grace)).toEqual({ status: 400, graces: [] });
});

test.each(["0", "0.3", "5000", "9223372036000"])("grace_ms %s reaches an agent", async (grace) => {
  const { status, graces } = await kill(grace);
  expect(status).toBe(202);
  expect(graces).toEqual([Number(grace)]);
  expect(graces.map(faultOf)).toEqual([undefined]);
});

test("an agent would not read an endless one", () => {
  expect(faultOf(Number.POSITIVE_INFINITY)).toContain("nanoseconds");
});
