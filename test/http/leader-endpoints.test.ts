/** `/allot/v1/leader`: who may ask, who may have the lead handed over. */
import { describe, expect, test } from "bun:test";
import { ok } from "../../src/base/result.ts";
import { Authentication } from "../../src/http/authentication.ts";
import { createEndpointsApp } from "../../src/http/endpoints.ts";
import { leaderEndpoints } from "../../src/http/master/leader-endpoints.ts";
import { leaderPage } from "../../src/http/master/leader-page.ts";
import { parseLeaderReport, parseStepDownAnswer } from "../../src/protocol/leader-report.ts";
import { aloneLeading } from "../../src/roles/leadership.ts";
import { parseAcls } from "../../src/security/acls.ts";
import { FakeClock } from "../base/fake-clock.ts";

const info = {
  id: "M",
  ip: 1,
  port: 5050,
  hostname: "box",
  address: { ip: "10.0.0.1", port: 5050 },
};
const successor = { id: "N", address: "10.0.0.2:5050", hostname: "other" };

function appOf(acls: unknown): {
  ask: (path: string, method?: string) => Promise<Response>;
  forced: unknown[];
} {
  const parsed = parseAcls(acls);
  if (!parsed.ok) throw new Error(parsed.error.message);
  const forced: unknown[] = [];
  const alone = aloneLeading({ clock: new FakeClock(), allotVersion: "1" }, info);
  const leadership = {
    report: alone.report,
    stepDown: async (...args: unknown[]) => {
      forced.push(args);
      return ok({ successor });
    },
  };
  const app = createEndpointsApp({
    actor: "master",
    endpoints: leaderEndpoints(leadership, parsed.value),
    authentication: new Authentication({ component: "master", credentials: [], realms: new Set() }),
    disabledPaths: [],
  });
  const ask = async (path: string, method = "GET"): Promise<Response> =>
    await app(new Request(`http://localhost${path}`, { method }));
  return { ask, forced };
}

describe("the endpoints of the lead", () => {
  test("tells who leads in a form that clients read", async () => {
    const { ask } = appOf({});
    const report = parseLeaderReport(await (await ask("/allot/v1/leader")).json());
    expect(report).toMatchObject({
      ok: true,
      value: {
        self: { standing: "leading" },
        leader: { id: "M", address: "10.0.0.1:5050" },
        why: [],
      },
    });
    expect((await ask("/allot/v1/leader", "POST")).status).toBe(405);
    expect((await ask("/allot/v1/leader/step-down")).status).toBe(405);
    for (const wrong of [null, {}, { self: {} }, { self: { id: 1, address: "" } }, []]) {
      expect(parseLeaderReport(wrong).ok).toBe(false);
      expect(parseStepDownAnswer(wrong).ok).toBe(false);
    }
  });

  test("hands over for those whom the ACLs let", async () => {
    const { ask, forced } = appOf({});
    const answer = await ask("/allot/v1/leader/step-down?force=true", "POST");
    expect(parseStepDownAnswer(await answer.json())).toEqual(ok({ successor }));
    await ask("/master/allot/v1/leader/step-down", "POST");
    expect(forced).toEqual([
      [true, undefined],
      [false, undefined],
    ]);
    const closed = appOf({
      operate_masters: [{ principals: { type: "NONE" }, masters: { type: "ANY" } }],
    });
    const denied = await closed.ask("/allot/v1/leader/step-down", "POST");
    expect([denied.status, await denied.text()]).toEqual([
      403,
      expect.stringContaining("do not grant operate_masters"),
    ]);
    expect(closed.forced).toEqual([]);
    expect((await closed.ask("/allot/v1/leader")).status).toBe(200);
  });

  test("a master without others refuses, and says how it gets some", async () => {
    const outcome = await aloneLeading(
      { clock: new FakeClock(), allotVersion: "1" },
      info,
    ).stepDown(true, "ops");
    expect(outcome).toMatchObject({ ok: false, error: { code: "conflict" } });
    expect(outcome.ok === false && outcome.error.message).toContain("join-ensemble");
  });

  test("browsers get a page that says why nobody leads, with nothing in it but text", async () => {
    const report = await aloneLeading({ clock: new FakeClock(), allotVersion: "1" }, info).report();
    expect(await leaderPage(report).text()).toContain("10.0.0.1:5050 leads, since ");
    const page = leaderPage({
      ...report,
      leader: null,
      masters: [{ id: "N", address: "10.0.0.2:5050", hostname: "<b>x</b>" }],
      why: ["ZooKeeper has not been reachable for 5s."],
    });
    const text = await page.text();
    expect(text).toContain(
      "<p>No master leads.</p>\n<p>ZooKeeper has not been reachable for 5s.</p>",
    );
    expect(text).toContain("&#60;b&#62;x");
    const { ask } = appOf({});
    expect((await ask("/allot/v1/leader")).headers.get("content-type")).toContain("json");
  });
});
