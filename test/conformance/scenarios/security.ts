/** Who may do what: lines 66 and 67. */
import { expect } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeWorkDir, removeWorkDir } from "../../harness/allot-process.ts";
import type { Scenario } from "../scene.ts";

export const SECURITY_SCENARIOS: readonly Scenario[] = [
  {
    lines: [66],
    title: "with --acls that permit nothing, SUBSCRIBE ends with ERROR and TEARDOWN is 403",
    run: async (scene) => {
      const master = await scene.startMaster('--acls={"permissive":false}');
      const refusal = await scene.refusal({ master: master.url });
      expect(refusal.toLowerCase()).toContain("not authorized");
      const teardown = { framework_id: { value: "nobody" } };
      expect((await scene.operator({ type: "TEARDOWN", teardown }, master.url)).status).toBe(403);
    },
  },
  {
    lines: [66],
    title: "an ACL that permits a role lets its frameworks in, and no others",
    run: async (scene) => {
      const acls = {
        permissive: false,
        register_frameworks: [{ principals: { type: "ANY" }, roles: { values: ["good"] } }],
      };
      const master = await scene.startMaster(`--acls=${JSON.stringify(acls)}`);
      const refusal = await scene.refusal({ master: master.url, info: { roles: ["bad"] } });
      expect(refusal.toLowerCase()).toContain("not authorized");
      const framework = await scene.subscribe({ master: master.url, info: { roles: ["good"] } });
      const teardown = { framework_id: { value: framework.id } };
      expect((await scene.operator({ type: "TEARDOWN", teardown }, master.url)).status).toBe(403);
      expect(framework.isOver).toBe(false);
    },
  },
  {
    lines: [67],
    title: "without credentials the operator API is 401 and names its realm",
    run: async (scene) => {
      const folder = makeWorkDir();
      const path = join(folder, "credentials");
      writeFileSync(path, JSON.stringify({ credentials: [{ principal: "p", secret: "s" }] }));
      const flags = ["--authenticate_http_readwrite", `--credentials=${path}`];
      const master = await scene.startMaster(...flags);
      const ask = (headers: Record<string, string>): Promise<Response> =>
        fetch(`${master.url}/api/v1`, {
          method: "POST",
          headers: { "Content-Type": scene.wire.mediaType, ...headers },
          body: scene.wire.encode("mesos.v1.master.Call", { type: "GET_HEALTH" }),
        });
      const refused = await ask({});
      expect(refused.status).toBe(401);
      expect(refused.headers.get("WWW-Authenticate")).toBe('Basic realm="mesos-master-readwrite"');
      expect((await ask({ Authorization: `Basic ${btoa("p:wrong")}` })).status).toBe(401);
      expect((await ask({ Authorization: `Basic ${btoa("p:s")}` })).status).toBe(200);
      expect((await fetch(`${master.url}/health`)).status).toBe(200);
      await removeWorkDir(folder);
    },
  },
];
