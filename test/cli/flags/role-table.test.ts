/**
 * Goal: the flags of the roles: names, defaults that depend on the role, precedence of sources and
 * errors that say where a mistake was made. Method: parse small inputs against the real tables.
 */
import { expect, test } from "bun:test";
import { ok, type Result, refuse } from "../../../src/base/result.ts";
import { type RoleFlags, readRoleFlags } from "../../../src/cli/flags/role-table.ts";

interface Given {
  readonly argv?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly files?: Readonly<Record<string, string>>;
}

function parse(given: Given): Result<RoleFlags> {
  const { argv = [], environment = {}, files = {} } = given;
  return readRoleFlags({
    argv,
    environment: { HOME: "/home-of/me", ...environment },
    isRoot: false,
    readFile: (path) => {
      const content = files[path];
      return content === undefined ? refuse("notFound", `there is no file ${path}`) : ok(content);
    },
  });
}

function good(given: Given): RoleFlags {
  const result = parse(given);
  if (!result.ok) throw new Error(result.error.message);
  return result.value;
}

function complaint(given: Given): string {
  const result = parse(given);
  if (result.ok) throw new Error("the flags were accepted");
  return result.error.message;
}

test("ports and addresses follow the role [issue 2 item 8, DESIGN 11]", () => {
  const both = good({ argv: ["--role=both"] }).flags;
  expect([both.string("ip"), both.integer("port"), both.integer("agent_port")]).toEqual([
    "127.0.0.1",
    5050,
    5051,
  ]);
  const agent = good({ argv: ["--role=agent", "--master=10.0.0.1:5050"] }).flags;
  expect([agent.string("ip"), agent.integer("port")]).toEqual(["0.0.0.0", 5051]);
  const master = good({ argv: ["--role=master"] }).flags;
  expect([master.string("ip"), master.integer("port")]).toEqual(["0.0.0.0", 5050]);
});

test("the work folder lies in the user's state folder, for root in /var/lib [issue 2 item 1]", () => {
  expect(good({ argv: ["--role=both"] }).flags.string("work_dir")).toBe(
    "/home-of/me/.local/state/allot",
  );
  const environment = { XDG_STATE_HOME: "/state" };
  expect(good({ argv: ["--role=both"], environment }).flags.string("work_dir")).toBe(
    "/state/allot",
  );
});

test("command line beats variable beats file beats default [issue 2 item 8]", () => {
  const files = { "/f": "port=1\nagent_port=2 \n# port=9\n\ncluster = c d \n" };
  const environment = { ALLOT_PORT: "3", ALLOT_HOSTNAME: "h" };
  const { flags } = good({
    argv: ["--role", "both", "--config=/f", "--hostname=x"],
    environment,
    files,
  });
  expect(flags.integer("port")).toBe(3);
  expect(flags.source("port")).toBe("ALLOT_PORT");
  expect(flags.integer("agent_port")).toBe(2);
  expect(flags.source("agent_port")).toBe("/f:2");
  expect(flags.string("hostname")).toBe("x");
  expect(flags.source("hostname")).toBe("the command line");
  expect(flags.string("cluster")).toBe("c d");
  expect(flags.isSet("allocation_interval")).toBe(false);
  expect(flags.durationMs("allocation_interval")).toBe(1000);
  expect(flags.durationMs("offer_timeout")).toBeUndefined();
});

test("the default configuration file is read when it exists [issue 2 item 8]", () => {
  const files = { "/etc/allot/allot.conf": "role=master\nagent-ping-timeout=20secs" };
  const { role, flags } = good({ files });
  expect(role).toBe("master");
  expect(flags.durationMs("agent_ping_timeout")).toBe(20_000);
  expect(complaint({ argv: ["--role=both", "--config=/none"] })).toBe(
    "config: there is no file /none (from the command line)",
  );
});

test("MESOS_ variables are not read [issue 2 item 8]", () => {
  const { flags } = good({ argv: ["--role=both"], environment: { MESOS_PORT: "1" } });
  expect(flags.integer("port")).toBe(5050);
});

test("booleans have four forms and dashes stand for underscores [flags: rules]", () => {
  const root = (word: string): boolean =>
    good({ argv: ["--role=master", word] }).flags.boolean("root_submissions");
  expect(["--root-submissions", "--root_submissions=true"].map(root)).toEqual([true, true]);
  expect(
    ["--no-root_submissions", "--no_root-submissions", "--root-submissions=0"].map(root),
  ).toEqual([false, false, false]);
});

test.each([
  [
    ["--role=both", "--prot=1"],
    "unknown flag --prot (from the command line); did you mean --port?",
  ],
  [
    ["--role=both", "--port=x"],
    "bad value for --port: 'x' is not a whole number (from the command line)",
  ],
  [
    ["--role=both", "--port=70000"],
    "bad value for --port: 70000 is above the largest allowed value 65535 (from the command line)",
  ],
  [["--role=both", "--port=1", "--port=1"], "--port is given twice (from the command line)"],
  [["--role=both", "--port"], "--port needs a value: write --port=VALUE"],
  [["--role=both", "--no-port"], "--no-port makes no sense: --port is not a boolean"],
  [
    ["--role=master", "--agent_ping_timeout=1secs", "--slave_ping_timeout=1secs"],
    "--slave_ping_timeout and --agent_ping_timeout are the same flag; give one (from the command line)",
  ],
  [
    ["--role=agent"],
    "--master is required: the master's address as HOST:PORT, or zk://HOST:PORT,…/PATH to find it",
  ],
  [
    ["--role=agent", "--master=m:1", "--cluster=c"],
    "--cluster belongs to role master (from the command line)",
  ],
  [
    ["--role=worker"],
    "bad value for --role: 'worker' is none of both, master, agent (from the command line)",
  ],
  [
    ["--role=master", "--agent_reregister_timeout=9mins"],
    "bad value for --agent_reregister_timeout: 9mins is below the smallest allowed value 10mins (from the command line)",
  ],
  [
    ["--role=both", "status"],
    "unexpected word 'status'; flags are written --name=VALUE, see --help",
  ],
  [[], "--role is required: write --role=both, master or agent"],
])("%j is refused with its reason [issue 2 item 8]", (argv, message) => {
  expect(complaint({ argv })).toBe(message);
});

test("a mistake in a variable or file is named with its place [issue 2 item 8]", () => {
  const argv = ["--role=both"];
  expect(complaint({ argv, environment: { ALLOT_WROK_DIR: "/x" } })).toBe(
    "unknown flag ALLOT_WROK_DIR (from the environment); did you mean ALLOT_WORK_DIR?",
  );
  expect(complaint({ argv, environment: { ALLOT_AGENT_PORT: "x" } })).toContain(
    "(from ALLOT_AGENT_PORT)",
  );
  const files = { "/etc/allot/allot.conf": "# fine\nclutser=x\n" };
  expect(complaint({ argv, files })).toBe(
    "unknown flag clutser (from /etc/allot/allot.conf:2); did you mean cluster?",
  );
  const line = { "/etc/allot/allot.conf": "--port=1" };
  expect(complaint({ argv, files: line })).toBe(
    "'--port=1' is not a line of the form name=value (from /etc/allot/allot.conf:1)",
  );
});

test("one configuration file serves all roles [issue 2 item 8]", () => {
  const files = { "/f": "cluster=c\nresources=cpus:1\nmaster=m:5050\nagent_port=7" };
  const { flags } = good({ argv: ["--role=agent", "--config=/f"], files });
  expect(flags.string("master")).toBe("m:5050");
  expect(flags.integer("port")).toBe(5051);
});

test("what the verbs log in with may stay in the environment of a role [semantics 9.1]", () => {
  const environment = { ALLOT_PRINCIPAL: "ops", ALLOT_SECRET: "s3cret", ALLOT_CREDENTIAL: "/f" };
  const { flags } = good({ argv: ["--role=master"], environment });
  expect(JSON.stringify(flags.toFlagStrings())).not.toContain("s3cret");
  expect(complaint({ argv: ["--role=master", "--secret=s3cret"] })).toBe(
    "--secret belongs to the client verbs (from the command line)",
  );
});

test("logins of registries are not shown with the other flags", () => {
  const config = '{"auths": {"registry.example": {"auth": "Ym9iOnMzY3JldA=="}}}';
  for (const [text, files] of [
    [config, {}],
    ["/config.json", { "/config.json": config }],
  ] as const) {
    const { flags } = good({ argv: ["--role=both", `--docker_config=${text}`], files });
    expect(flags.json("docker_config")).toEqual(JSON.parse(config));
    expect(JSON.stringify(flags.toFlagStrings())).not.toContain("Ym9iOnMzY3JldA==");
  }
});

test("a flag without effect and an old name each cause one warning line [issue 2 item 8]", () => {
  const { flags } = good({
    argv: ["--role=master", "--slave_ping_timeout=20secs", "--quorum=2"],
    environment: { ALLOT_AUTHENTICATE: "true", ALLOT_REGISTRY_STORE_TIMEOUT: "20000ms" },
  });
  expect(flags.warnings).toEqual([
    "--slave_ping_timeout is an old name; use --agent_ping_timeout (from the command line)",
    "--quorum has no effect: a single master needs none; several agree through ZooKeeper (from the command line)",
    "--authenticate is an old name; use --authenticate_frameworks (from ALLOT_AUTHENTICATE)",
    "--authenticate_frameworks has no effect: there are no v0 frameworks; --authenticate_http_frameworks is for those there are (from ALLOT_AUTHENTICATE)",
  ]);
});

test("file values are replaced by the content, paths stay paths [flags: rules]", () => {
  const files = { "/a": "rack:7\n", "/r": "cpus:2" };
  const argv = ["--role=both", "--attributes=file:///a", "--resources=/r", "--work_dir=file:///w"];
  const { flags } = good({ argv, files });
  expect(flags.string("attributes")).toBe("rack:7");
  expect(flags.string("resources")).toBe("cpus:2");
  expect(flags.string("work_dir")).toBe("/w");
  expect(complaint({ argv: ["--role=both", "--attributes=file:///b"] })).toBe(
    "bad value for --attributes: there is no file /b (from the command line)",
  );
});

test("help and version need nothing else to be in order [issue 2 item 8]", () => {
  expect(good({ argv: ["--help"] }).flags.boolean("help")).toBe(true);
  expect(good({ argv: ["--role=agent", "-h"] }).flags.boolean("help")).toBe(true);
  expect(good({ argv: ["--version"] }).role).toBeUndefined();
});

test("every value is shown as text in Mesos' units, unset ones are absent [flags: rules]", () => {
  const { flags } = good({ argv: ["--role=both", "--agent_ping_timeout=60secs"] });
  const texts = flags.toFlagStrings();
  expect(texts).toMatchObject({
    agent_ping_timeout: "1mins",
    fetcher_cache_size: "2GB",
    root_submissions: "true",
    port: "5050",
    gc_disk_headroom: "0.1",
  });
  expect("offer_timeout" in texts).toBe(false);
});
