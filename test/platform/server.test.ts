/** The server of each platform: the shared cases, on Bun here and on Deno in a child process. */
import { expect, test } from "bun:test";
import { ListenError, plainIp } from "../../src/platform/server-types.ts";
import { describePortable } from "./describe-portable.ts";
import { SERVER_CASES } from "./server-cases.ts";

const MODULE = new URL("./server-cases.ts", import.meta.url).href;
describePortable("the server", SERVER_CASES, MODULE, "SERVER_CASES");

test("an IPv4 address on a dual stack socket is printed as IPv4", () => {
  expect(["::ffff:10.0.0.1", "10.0.0.1", "::1", "::ffff:0"].map(plainIp)).toEqual([
    "10.0.0.1",
    "10.0.0.1",
    "::1",
    "::ffff:0",
  ]);
});

test("a ListenError keeps the system's code and cause", () => {
  const cause = Object.assign(new Error("permission denied"), { code: "EACCES" });
  const error = new ListenError("0.0.0.0", 80, cause);
  expect([error.code, error.cause]).toEqual(["EACCES", cause]);
});
