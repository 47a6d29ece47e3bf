/** What an executor's token is good for beside its own containers, where no ACL forbids anything. */
import { expect, test } from "bun:test";
import { Authentication } from "../../src/http/authentication.ts";
import { createEndpointsApp } from "../../src/http/endpoints.ts";
import { withLogFile } from "../../src/http/file-source.ts";
import { LoggingLevel } from "../../src/http/logging-level.ts";
import { processCall } from "../../src/http/process-calls.ts";
import { processEndpoints } from "../../src/http/process-endpoints.ts";
import type { ProcessFacts } from "../../src/http/process-facts.ts";
import { OPEN_ACLS } from "../../src/security/acls.ts";
import { FakeClock } from "../base/fake-clock.ts";

const CLAIMS = { fid: "F", eid: "E", cid: "C" };
const EXECUTOR = { principal: undefined, claims: CLAIMS };
const NOBODY = { principal: undefined };

const facts = {
  acls: OPEN_ACLS,
  loggingLevel: new LoggingLevel(new FakeClock()),
  files: withLogFile("/slave/log", import.meta.path),
  flags: {},
} as unknown as ProcessFacts;

test.each([
  ["READ_FILE", { read_file: { path: "/slave/log", offset: 0 } }],
  ["LIST_FILES", { list_files: { path: "/slave/log" } }],
  ["GET_FLAGS", {}],
  ["SET_LOGGING_LEVEL", { set_logging_level: { level: 1, duration: { nanoseconds: 1 } } }],
] as const)("%s is none of an executor's business [semantics 9.1]", async (type, call) => {
  expect(await processCall(facts, type, call, NOBODY)).toMatchObject({ ok: true });
  expect(await processCall(facts, type, call, EXECUTOR)).toMatchObject({
    ok: false,
    error: { code: "forbidden" },
  });
});

test("nor is the logging level by its endpoint", async () => {
  const app = createEndpointsApp({
    actor: "slave(1)",
    endpoints: processEndpoints(facts),
    authentication: new Authentication({
      component: "agent",
      credentials: [],
      realms: new Set(["readwrite"]),
      tokens: { read: () => CLAIMS },
    }),
    disabledPaths: [],
  });
  const headers = { Authorization: "Bearer a.b.c" };
  const url = "http://agent/logging/toggle?level=1&duration=1secs";
  expect((await app(new Request(url, { headers }))).status).toBe(403);
});
