/** Endpoints that `--firewall_rules` closes. */
import { describe, expect, test } from "bun:test";
import { createEndpointsApp, type Endpoint } from "../../src/http/endpoints.ts";
import { parseFirewallRules } from "../../src/http/firewall.ts";
import { textResponse } from "../../src/http/responses.ts";
import { HEARS_EVERYBODY } from "../harness/open-http.ts";

const endpoint = (path: string): Endpoint => ({
  path,
  help: path,
  answer: () => textResponse(200, "answered"),
});

function appOf(...disabledPaths: string[]): (path: string) => Promise<[number, string]> {
  const app = createEndpointsApp({
    actor: "master",
    endpoints: [endpoint("/state"), endpoint("/state-summary"), endpoint("/files/browse")],
    authentication: HEARS_EVERYBODY,
    disabledPaths,
  });
  return async (path) => {
    const response = await app(new Request(`http://host${path}`, { method: "POST" }));
    return [response.status, await response.text()];
  };
}

describe("a disabled endpoint", () => {
  test("answers 403 with its path as the rule has it, however it is called [http-api 1]", async () => {
    const ask = appOf("/master/state", "/files/browse");
    for (const path of ["/state", "/master/state", "/master/state/", "/state/more?x=1"]) {
      expect([path, ...(await ask(path))]).toEqual([
        path,
        403,
        "Endpoint '/master/state' is disabled",
      ]);
    }
    expect(await ask("/files/browse")).toEqual([403, "Endpoint '/files/browse' is disabled"]);
  });

  test("leaves the others alone", async () => {
    const ask = appOf("/master/state", "/slave(1)/state-summary");
    expect(await ask("/state-summary")).toEqual([200, "answered"]);
    expect(await ask("/files/browse")).toEqual([200, "answered"]);
  });
});

describe("the rules", () => {
  test("are the paths of disabled_endpoints", () => {
    const paths = ["/files/browse", "/master/state"];
    expect(parseFirewallRules({ disabled_endpoints: { paths } })).toEqual({
      ok: true,
      value: paths,
    });
  });

  test("that are none say how they are written", () => {
    const wrong = [{}, [], "x", null, { disabled_endpoints: { paths: "/x" } }];
    for (const value of wrong) {
      expect(parseFirewallRules(value)).toMatchObject({
        ok: false,
        error: { message: expect.stringContaining("disabled_endpoints") },
      });
    }
    expect(parseFirewallRules({ disabled_endpoints: { paths: ["files"] } })).toMatchObject({
      error: { message: expect.stringContaining('"files"') },
    });
  });
});
