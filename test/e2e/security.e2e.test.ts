/**
 * A cluster in which everybody has to log in, through the compiled program: frameworks in both
 * encodings, operators, the command line, and that no secret shows anywhere.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type AllotProcess,
  BINARY,
  makeWorkDir,
  removeWorkDir,
  startAllot,
} from "../harness/allot-process.ts";
import { type RunResult, runProgram } from "../harness/run-program.ts";
import { TestFramework } from "../harness/test-framework.ts";
import { until } from "../harness/wait.ts";
import { JSON_WIRE, PROTOBUF_WIRE } from "../harness/wire.ts";

const TIMEOUT_MS = 120_000;
const ANY = { type: "ANY" };
const NONE = { type: "NONE" };

const SECRETS = {
  ops: "ops-s3cret",
  ci: "ci-s3cret",
  guest: "guest-s3cret",
  blind: "blind-s3cret",
};
type Name = keyof typeof SECRETS;

/** `ops` may do everything, `ci` runs its own tasks, `guest` may look, `blind` sees no framework. */
const ACLS = {
  register_frameworks: [
    { principals: { values: ["ops", "ci"] }, roles: ANY },
    { principals: ANY, roles: NONE },
  ],
  run_tasks: [{ principals: NONE, users: { values: ["intruder"] } }],
  teardown_frameworks: [
    { principals: { values: ["ops"] }, framework_principals: ANY },
    { principals: ANY, framework_principals: NONE },
  ],
  access_sandboxes: [{ principals: { values: ["guest"] }, users: NONE }],
  view_flags: [
    { principals: { values: ["ops"] }, flags: ANY },
    { principals: ANY, flags: NONE },
  ],
  get_endpoints: [{ principals: NONE, paths: { values: ["/metrics/snapshot"] } }],
  view_frameworks: [{ principals: { values: ["blind"] }, users: NONE }],
  set_log_level: [{ principals: ANY, level: NONE }],
};

const login = (name: Name): Record<string, string> => ({
  Authorization: `Basic ${btoa(`${name}:${SECRETS[name]}`)}`,
});

let workDir = "";
let files = "";
let both: AllotProcess;

const credentialOf = (name: Name): string => join(files, `${name}.json`);

beforeAll(async () => {
  workDir = makeWorkDir();
  files = makeWorkDir();
  const credentials = join(files, "credentials");
  const lines = Object.entries(SECRETS).map(([principal, secret]) => `${principal} ${secret}\n`);
  writeFileSync(credentials, lines.join(""), { mode: 0o600 });
  for (const [principal, secret] of Object.entries(SECRETS)) {
    const text = JSON.stringify({ principal, secret });
    writeFileSync(credentialOf(principal as Name), text, { mode: 0o600 });
  }
  both = await startAllot({
    role: "both",
    workDir,
    flags: [
      "--authenticate_http_readonly",
      "--authenticate_http_readwrite",
      "--authenticate_http_frameworks",
      "--http_framework_authenticators=basic",
      `--credentials=${credentials}`,
      `--acls=${JSON.stringify(ACLS)}`,
    ],
  });
});

afterAll(async () => {
  await both.end("SIGTERM");
  await removeWorkDir(workDir);
  await removeWorkDir(files);
});

const get = (path: string, name?: Name, base = both.url): Promise<Response> =>
  fetch(`${base}${path}`, name === undefined ? {} : { headers: login(name) });

const call = (type: string, payload: object, name: Name): Promise<Response> =>
  fetch(`${both.url}/api/v1`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...login(name) },
    body: JSON.stringify({ type, ...payload }),
  });

const allot = (
  verb: string,
  args: readonly string[],
  environment: Record<string, string> = {},
): Promise<RunResult> => {
  const master = `--master=${new URL(both.url).host}`;
  return runProgram(BINARY, [verb, master, ...args], {
    env: { PATH: process.env["PATH"] ?? "", HOME: files, ...environment },
  });
};

describe("realms", () => {
  test.each([
    ["/state", "mesos-master-readonly"],
    ["/master/slaves", "mesos-master-readonly"],
    ["/metrics/snapshot", "mesos-master-readonly"],
    ["/files/debug", "mesos-master-readonly"],
    ["/registrar(1)/registry", "mesos-master-readonly"],
    ["/api/v1", "mesos-master-readwrite"],
    ["/weights", "mesos-master-readwrite"],
    ["/quota/eng", "mesos-master-readwrite"],
    ["/teardown", "mesos-master-readwrite"],
    ["/logging/toggle", "mesos-master-readwrite"],
    ["/allot/v1/kill", "mesos-master-readwrite"],
    ["/api/v1/scheduler", "mesos-master-scheduler"],
  ])("%s asks for credentials of %s [http-api 1]", async (path, realm) => {
    const response = await get(path);
    expect(response.status).toBe(401);
    expect(response.headers.get("WWW-Authenticate")).toBe(`Basic realm="${realm}"`);
  });

  test.each(["/health", "/version", "/help", "/system/stats.json"])(
    "%s is open [http-api 1]",
    async (path) => {
      expect((await get(path)).status).toBe(200);
      expect((await get(path, undefined, both.agentUrl)).status).toBe(200);
    },
  );

  test("the agent of role both takes the same credentials [semantics 9.1]", async () => {
    const refused = await get("/state", undefined, both.agentUrl);
    expect(refused.headers.get("WWW-Authenticate")).toBe('Basic realm="mesos-agent-readonly"');
    expect((await get("/state", "guest", both.agentUrl)).status).toBe(200);
  });
});

describe("frameworks", () => {
  test.each([JSON_WIRE, PROTOBUF_WIRE])(
    "log in and run what they may, $name [semantics 3.2, 5, 9.3]",
    async (wire) => {
      const options = { master: both.url, wire, headers: login("ci") };
      const framework = await TestFramework.subscribe(options);
      const offer = await framework.offer();
      const resources = [
        { name: "cpus", type: "SCALAR", scalar: { value: 0.1 } },
        { name: "mem", type: "SCALAR", scalar: { value: 32 } },
      ];
      const task = (id: string, user?: string): object => ({
        name: id,
        task_id: { value: id },
        agent_id: offer.agent_id,
        resources,
        command: { value: "sleep 100", ...(user !== undefined && { user }) },
      });
      const task_infos = [task("bad", "intruder"), task("good")];
      const operations = [{ type: "LAUNCH", launch: { task_infos } }];
      await framework.call("ACCEPT", { accept: { offer_ids: [offer.id], operations } });
      const bad = await framework.status("bad", "TASK_ERROR");
      expect(bad).toMatchObject({ reason: "REASON_TASK_UNAUTHORIZED", source: "SOURCE_MASTER" });
      await framework.status("good", "TASK_RUNNING");
      const teardown = { teardown: { framework_id: { value: framework.id } } };
      expect((await call("TEARDOWN", teardown, "guest")).status).toBe(403);
      expect((await call("TEARDOWN", teardown, "ops")).status).toBe(200);
      await until("the stream to end", () => framework.isOver);
    },
    TIMEOUT_MS,
  );

  test.each([JSON_WIRE, PROTOBUF_WIRE])(
    "are refused by an ERROR event, or 401, $name [acceptance 66]",
    async (wire) => {
      const options = { master: both.url, wire };
      const denied = TestFramework.subscribe({ ...options, headers: login("guest") });
      await expect(denied).rejects.toThrow("Not authorized: the ACLs do not grant");
      const unknown = TestFramework.subscribe(options);
      await expect(unknown).rejects.toThrow("401");
      const info = { principal: "ops" };
      const other = TestFramework.subscribe({ ...options, info, headers: login("ci") });
      await expect(other).rejects.toThrow("does not match principal");
    },
  );
});

describe("operators", () => {
  test("see flags, metrics and the log level as the ACLs say [semantics 9.3]", async () => {
    expect((await get("/flags", "ops")).status).toBe(200);
    expect((await get("/flags", "guest")).status).toBe(403);
    expect((await get("/flags", "guest", both.agentUrl)).status).toBe(403);
    expect((await call("GET_FLAGS", {}, "guest")).status).toBe(403);
    expect((await get("/metrics/snapshot", "ops")).status).toBe(403);
    const set_logging_level = { level: 1, duration: { nanoseconds: 1e9 } };
    expect((await call("SET_LOGGING_LEVEL", { set_logging_level }, "ops")).status).toBe(403);
    expect((await call("GET_LOGGING_LEVEL", {}, "guest")).status).toBe(200);
  });
});

test(
  "who may not see frameworks reads of none, at the same time as others read [semantics 9.3]",
  async () => {
    const options = { master: both.url, headers: login("ci"), info: { name: "seen" } };
    const framework = await TestFramework.subscribe(options);
    const texts = async (name: Name): Promise<string> => {
      const answers = await Promise.all([
        ...["/state", "/frameworks", "/state-summary", "/roles"].map((path) => get(path, name)),
        ...["GET_STATE", "GET_FRAMEWORKS", "GET_ROLES"].map((type) => call(type, {}, name)),
      ]);
      return (await Promise.all(answers.map((answer) => answer.text()))).join("\n");
    };
    const [seen, hidden] = await Promise.all([texts("ops"), texts("blind")]);
    expect(seen).toContain(framework.id);
    expect(seen).toContain('"flags":{');
    expect(hidden).not.toContain(framework.id);
    expect(hidden).not.toContain('"flags":{');
    const why = `/allot/v1/why/framework/${framework.id}`;
    expect((await get(why, "ops")).status).toBe(200);
    expect((await get(why, "blind")).status).toBe(404);
    await framework.send("TEARDOWN");
  },
  TIMEOUT_MS,
);

describe("the command line", () => {
  test(
    "logs in with a file, a variable, or a principal with its secret [issue 3]",
    async () => {
      const execute = ["--resources=cpus:0.1;mem:32", "--name=hello", "--command=echo hello"];
      const byFile = await allot("execute", [...execute, `--credential=${credentialOf("ci")}`]);
      expect(byFile).toMatchObject({ code: 0, stdout: "hello\n" });
      const ops = { ALLOT_CREDENTIAL: credentialOf("ops") };
      const listed = await allot("frameworks", ["--all", "--json"], ops);
      expect(listed.stdout).toContain('"principal": "ci"');
      const byName = await allot("status", ["--principal=guest", `--secret=${SECRETS.guest}`]);
      expect(byName.code).toBe(0);
    },
    TIMEOUT_MS,
  );

  test("says how to log in, and who is not known [issue 3]", async () => {
    const nobody = await allot("status", []);
    expect(nobody.code).toBe(1);
    expect(nobody.stderr).toContain("use --credential=FILE or ALLOT_CREDENTIAL");
    const wrong = await allot("status", ["--principal=ops", "--secret=wrong"]);
    expect(wrong.stderr).toContain("knows no principal ops with this secret");
    const half = await allot("status", [`--secret=${SECRETS.ops}`]);
    expect(half.code).toBe(2);
    expect(half.stderr).toContain("--principal");
  });

  test("warns of a file that others can open [semantics 9.1]", async () => {
    const path = join(files, "open.json");
    writeFileSync(path, JSON.stringify({ principal: "ops", secret: SECRETS.ops }));
    chmodSync(path, 0o644);
    const open = await allot("status", [`--credential=${path}`]);
    expect(open.code).toBe(0);
    expect(open.stderr).toContain(`others on this machine can open ${path}`);
    const closed = await allot("status", [`--credential=${credentialOf("ops")}`]);
    expect(closed.stderr).toBe("");
  });

  test(
    "reads logs and ends tasks as far as the ACLs allow [semantics 9.3]",
    async () => {
      const ci = [`--credential=${credentialOf("ci")}`];
      const guest = [`--credential=${credentialOf("guest")}`];
      const ops = [`--credential=${credentialOf("ops")}`];
      const args = ["--resources=cpus:0.1;mem:32", "--name=long"];
      const command = "--command=echo begun; exec sleep 1000";
      const run = allot("execute", [...ci, ...args, command]);
      await until("the task to have begun", async () => {
        const { stdout } = await allot("logs", ["long", ...ci]);
        return stdout === "begun\n";
      });
      const peek = await allot("logs", ["long", ...guest]);
      expect(peek.code).toBe(1);
      expect(peek.stderr).toContain("do not grant access_sandboxes");
      const end = await allot("kill", ["long", ...ci]);
      expect(end.stderr).toContain("do not grant teardown_frameworks");
      expect((await allot("kill", ["long", "--grace=1secs", ...ops])).code).toBe(0);
      expect((await run).code).toBeGreaterThan(128);
    },
    TIMEOUT_MS,
  );
});

test("no secret is in logs, flags, state or help [semantics 9.1]", async () => {
  const paths = ["/flags", "/state", "/frameworks", "/slaves", "/registrar(1)/registry"];
  const texts = await Promise.all(paths.map(async (path) => await (await get(path, "ops")).text()));
  const all = [...texts, both.stdout(), both.stderr()].join("\n");
  for (const secret of Object.values(SECRETS)) expect(all).not.toContain(secret);
});

describe("agents", () => {
  test(
    "log in with --credential, and join as far as the ACLs allow [semantics 2.3, 9.2]",
    async () => {
      const folders = [makeWorkDir(), makeWorkDir(), makeWorkDir()] as const;
      const acls = { register_agents: [{ principals: { values: ["guest"] }, agents: NONE }] };
      const master = await startAllot({
        role: "master",
        workDir: folders[0],
        flags: [
          "--authenticate_agents",
          `--credentials=${join(files, "credentials")}`,
          `--acls=${JSON.stringify(acls)}`,
        ],
      });
      const address = `--master=${new URL(master.url).host}`;
      const agent = (folder: string, name?: Name): Promise<AllotProcess> =>
        startAllot({
          role: "agent",
          workDir: folder,
          flags: [address, ...(name === undefined ? [] : [`--credential=${credentialOf(name)}`])],
        });
      const agentCount = async (): Promise<number> => {
        const answer = await fetch(`${master.url}/slaves`);
        return ((await answer.json()) as { slaves: unknown[] }).slaves.length;
      };
      const stranger = await agent(folders[1]);
      await until("the stranger to end", () => !stranger.isRunning());
      expect(stranger.stderr()).toContain("give the agent --credential=FILE");
      const guest = await agent(folders[1], "guest");
      await until("the guest to be refused", () => guest.stderr().includes("register_agents"));
      expect(guest.isRunning()).toBe(true);
      await guest.end("SIGTERM");
      const ops = await agent(folders[2], "ops");
      await until("the agent to register", async () => (await agentCount()) === 1);
      const said = [master, stranger, guest, ops].map((one) => one.stderr()).join();
      for (const secret of Object.values(SECRETS)) expect(said).not.toContain(secret);
      await ops.end("SIGTERM");
      await master.end("SIGTERM");
      for (const folder of folders) await removeWorkDir(folder);
    },
    TIMEOUT_MS,
  );
});

describe("a role does not start", () => {
  test.each([
    [["--authenticate_http_readwrite"], "--credentials: is needed"],
    [["--authenticate_agents"], "--credentials: is needed"],
    [["--authenticate_http_frameworks"], "--http_framework_authenticators=basic"],
    [["--credentials=/nowhere/at-all"], "there is no file /nowhere/at-all"],
    [['--acls={"run_task":[]}'], "'run_task' is no action"],
    [["--http_authenticators=kerberos"], "'kerberos' is none of basic"],
  ])("with %j [semantics 9.1]", async (flags, reason) => {
    const folder = makeWorkDir();
    const args = ["--role=master", "--port=0", `--work_dir=${folder}`, ...flags];
    const result = await runProgram(BINARY, args);
    expect(result.code).toBe(2);
    expect(result.stderr).toContain(reason);
    await removeWorkDir(folder);
  });
});
