/**
 * Who is heard where: realms, headers, and the 401 that asks for credentials. Method: an app of a
 * few endpoints; what the roles make of their flags is tested on the compiled program.
 */
import { describe, expect, test } from "bun:test";
import { Authentication, type Realm } from "../../src/http/authentication.ts";
import { createEndpointsApp, type Endpoint } from "../../src/http/endpoints.ts";
import { emptyResponse, textResponse } from "../../src/http/responses.ts";

const CREDENTIALS = [
  { principal: "ops", secret: "s3cret" },
  { principal: "dev", secret: "with:colon" },
];

const ALL: ReadonlySet<Realm> = new Set(["readonly", "readwrite", "scheduler"] as const);

const basic = (text: string): string => `Basic ${Buffer.from(text).toString("base64")}`;

function endpoint(path: string, realm?: Endpoint["realm"]): Endpoint {
  return {
    path,
    ...(realm !== undefined && { realm }),
    methods: ["GET"],
    help: "",
    answer: (_, { principal }) => textResponse(200, principal ?? "nobody"),
  };
}

const ENDPOINTS = [
  endpoint("/open", "open"),
  endpoint("/read", "readonly"),
  endpoint("/write"),
  endpoint("/scheduler", "scheduler"),
];

function appOf(realms: ReadonlySet<Realm>, gate?: () => Response | undefined) {
  const authentication = new Authentication({
    component: "master",
    credentials: CREDENTIALS,
    realms,
  });
  const app = createEndpointsApp({
    actor: "master",
    endpoints: ENDPOINTS,
    authentication,
    disabledPaths: [],
    ...(gate !== undefined && { gate }),
  });
  return async (path: string, authorization?: string, method = "GET") => {
    const headers = authorization === undefined ? {} : { Authorization: authorization };
    const response = await app(new Request(`http://host${path}`, { method, headers }));
    return {
      status: response.status,
      text: await response.text(),
      challenge: response.headers.get("WWW-Authenticate"),
    };
  };
}

describe("a realm that is authenticated", () => {
  const ask = appOf(ALL);

  test("asks for credentials by its name [semantics 9.1, acceptance 67]", async () => {
    expect(await ask("/write")).toEqual({
      status: 401,
      text: "401 Unauthorized.",
      challenge: 'Basic realm="mesos-master-readwrite"',
    });
    expect((await ask("/read")).challenge).toBe('Basic realm="mesos-master-readonly"');
    expect((await ask("/master/read")).status).toBe(401);
    expect((await ask("/scheduler")).challenge).toBe('Basic realm="mesos-master-scheduler"');
    expect((await ask("/read", undefined, "HEAD")).status).toBe(401);
  });

  test("hears who knows a secret, under their principal [semantics 9.1]", async () => {
    for (const path of ["/read", "/write", "/scheduler", "/write/further"]) {
      expect(await ask(path, basic("ops:s3cret"))).toMatchObject({ status: 200, text: "ops" });
    }
    expect((await ask("/read", basic("dev:with:colon"))).text).toBe("dev");
    expect((await ask("/read", `bAsIc   ${btoa("ops:s3cret")} `)).text).toBe("ops");
  });

  test("does not hear anything else [semantics 9.1]", async () => {
    const headers = [
      "",
      "Basic",
      "Basic ",
      `Bearer ${btoa("ops:s3cret")}`,
      "Basic !!!!",
      "Basic /////w==",
      basic("ops"),
      basic("ops:"),
      basic("ops:s3cre"),
      basic("ops:s3cret "),
      basic("ops:with:colon"),
      basic("OPS:s3cret"),
      basic(":s3cret"),
      basic("stranger:s3cret"),
      basic("stranger:"),
      `${basic("ops:s3cret")} ${basic("ops:s3cret")}`,
      basic(`ops:${"x".repeat(10_000)}`),
    ];
    for (const header of headers) expect((await ask("/read", header)).status, header).toBe(401);
  });

  test("comes before every other fault but an unknown path [http-api 2.2]", async () => {
    const closed = appOf(ALL, () => textResponse(503, "not yet"));
    expect((await closed("/read")).status).toBe(401);
    expect((await closed("/read", basic("ops:s3cret"))).status).toBe(503);
    expect((await ask("/read", undefined, "PUT")).status).toBe(401);
    expect((await ask("/read", basic("ops:s3cret"), "PUT")).status).toBe(405);
    expect((await ask("/nowhere")).status).toBe(404);
  });

  test("leaves open endpoints open, whatever the header says [semantics 9.1]", async () => {
    expect(await ask("/open")).toMatchObject({ status: 200, text: "nobody" });
    expect(await ask("/open", "Basic nonsense")).toMatchObject({ status: 200, text: "nobody" });
  });
});

test("a realm that is not authenticated looks at no credentials [semantics 9.1]", async () => {
  const ask = appOf(new Set(["scheduler"] as const));
  expect(await ask("/write")).toMatchObject({ status: 200, text: "nobody" });
  expect(await ask("/write", basic("ops:wrong"))).toMatchObject({ status: 200, text: "nobody" });
  expect(await ask("/read", basic("ops:s3cret"))).toMatchObject({ status: 200, text: "nobody" });
  expect((await ask("/scheduler")).status).toBe(401);
});

test("an endpoint that names no realm is one of those that change things [semantics 9.1]", async () => {
  const authentication = new Authentication({
    component: "agent",
    credentials: [],
    realms: new Set(["readwrite"] as const),
  });
  const endpoints = [{ path: "/new", help: "", answer: () => emptyResponse(200) }];
  const app = createEndpointsApp({
    actor: "slave(1)",
    endpoints,
    authentication,
    disabledPaths: [],
  });
  const response = await app(new Request("http://host/new"));
  expect(response.headers.get("WWW-Authenticate")).toBe('Basic realm="mesos-agent-readwrite"');
});
