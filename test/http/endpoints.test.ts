/** Calls of the v1 APIs, which are not led through the router when they come by their very path. */
import { expect, test } from "bun:test";
import { createEndpointsApp } from "../../src/http/endpoints.ts";
import { textResponse } from "../../src/http/responses.ts";
import { HEARS_EVERYBODY } from "../harness/open-http.ts";

const app = createEndpointsApp({
  actor: "master",
  endpoints: [
    { path: "/api", help: "a path that others go on from", answer: () => textResponse(200, "api") },
    {
      path: "/api/v1",
      help: "calls",
      answerCall: async (request) => {
        const text = await request.text();
        if (text === "bad") throw new Error("broken");
        return textResponse(202, `${request.method} ${text}`);
      },
    },
  ],
  authentication: HEARS_EVERYBODY,
  disabledPaths: [],
});

async function ask(path: string, init?: RequestInit): Promise<[number, string]> {
  const response = await app(new Request(`http://host${path}`, init));
  return [response.status, await response.text()];
}

test("a call reaches its endpoint by every form of the path [http-api 1]", async () => {
  const paths = ["/api/v1", "/api/v1/", "/master/api/v1", "/api/v1/more", "/api/v1?x=1"];
  for (const path of paths) {
    const answer = await ask(path, { method: "POST", body: "call" });
    expect([path, ...answer]).toEqual([path, 202, "POST call"]);
  }
  expect(await ask("/api/v2", { method: "POST", body: "call" })).toEqual([200, "api"]);
});

test("the endpoint itself looks at other methods", async () => {
  expect(await ask("/api/v1")).toEqual([202, "GET "]);
});

test("a call that fails is answered with 500 and why", async () => {
  const body = "bad";
  expect(await ask("/api/v1", { method: "POST", body })).toEqual([500, "broken"]);
  expect(await ask("/api/v1/", { method: "POST", body })).toEqual([500, "broken"]);
});
