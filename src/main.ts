/**
 * The composition root and the only program: `allot VERB …` is a client, `allot --role=…` a
 * master, an agent or both in one process.
 */

import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { posix as paths } from "node:path";
import process from "node:process";
import { runProbeHelper } from "./agent/runtime/probe-helper.ts";
import type { ParsedFlags } from "./cli/flags/parse-flags.ts";
import { runCommand } from "./cli/main.ts";
import { parseRoleFlags } from "./cli/role-flags.ts";
import type { FetchHelper } from "./fetcher/fetcher.ts";
import { runFetchHelper } from "./fetcher/helper/helper.ts";
import { runImageHelper } from "./images/helper/helper.ts";
import { loadServe } from "./platform/server.ts";
import { notifyReady } from "./platform/service-manager.ts";
import { loadSqlite } from "./platform/sqlite.ts";
import { systemClock, systemRng } from "./platform/system.ts";
import { loadTerminals } from "./platform/terminal.ts";
import { loadYoungCollector } from "./platform/young-garbage.ts";
import { createCodec } from "./protocol/codec.ts";
import { createLinkCodec } from "./protocol/link-codec.ts";
import { findLeader, findMasters } from "./roles/find-leader.ts";
import { joinTools } from "./roles/join-ensemble-tools.ts";
import { openProcessLog } from "./roles/process-log.ts";
import { registryTools } from "./roles/registry-tools.ts";
import type { RoleContext } from "./roles/role-context.ts";
import { startRoles } from "./roles/start-roles.ts";

/** Set by the build; from source the version is that of the working tree. */
declare const ALLOT_VERSION: string | undefined;
const VERSION: string = typeof ALLOT_VERSION === "string" ? ALLOT_VERSION : "0.1.0-source";

/** First arguments that make this program a helper of an agent; nothing for people. */
const FETCH_HELPER = "fetch-helper";
const IMAGE_HELPER = "image-helper";
const PROBE_HELPER = "probe-helper";
/** This very program, also when another version has taken its place on disk. */
const PROGRAM_FILE = "/proc/self/exe";

/** What the environment may say about the way to servers. */
const NETWORK_VARIABLES = [
  "http_proxy",
  "https_proxy",
  "no_proxy",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "NO_PROXY",
  "NODE_EXTRA_CA_CERTS",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
] as const;

async function main(): Promise<number> {
  const argv = process.argv.slice(2);
  const [first] = argv;
  const helper = { clock: systemClock, enter: (folder: string) => process.chdir(folder) };
  if (first === FETCH_HELPER) return await runFetchHelper(helper);
  if (first === IMAGE_HELPER) return await runImageHelper(helper);
  if (first === PROBE_HELPER) return await runProbeHelper();
  if (first !== undefined && !first.startsWith("-")) {
    const parts = { clock: systemClock, rng: systemRng, codec: createCodec() };
    return await runCommand(argv, process.env, {
      findLeader: (text) => findLeader(text, parts),
      findMasters: (url) => findMasters(url, parts),
      registry: registryTools({ ...parts, loadSqlite }),
      join: joinTools({ ...parts, loadSqlite }).join,
    });
  }
  const parsed = parseRoleFlags({
    argv,
    environment: process.env,
    version: VERSION,
    readFile: (path) => readFileSync(path, "utf8"),
  });
  if (parsed.kind === "print") {
    process.stdout.write(`${parsed.text}\n`);
    return 0;
  }
  if (parsed.kind === "refused") {
    process.stderr.write(`allot: ${parsed.message}\n`);
    return 2;
  }
  return await runRoles(parsed.flags);
}

async function runRoles(flags: ParsedFlags): Promise<number> {
  const { log, loggingLevel, logFile } = openProcessLog(flags, systemClock);
  for (const warning of flags.warnings) log.write("warning", warning);
  let finish: (code: number) => void = () => undefined;
  const finished = new Promise<number>((resolve) => {
    finish = resolve;
  });
  const context: RoleContext = {
    flags,
    allotVersion: VERSION,
    programName: programName(),
    workDir: workDirOf(flags),
    fetchHelper: helperOf(FETCH_HELPER),
    imageHelper: helperOf(IMAGE_HELPER),
    // Another program starts it, whose `self` would be that one.
    probeHelper: [`/proc/${process.pid}/exe`, ...sourceArguments(), PROBE_HELPER],
    clock: systemClock,
    rng: systemRng,
    log,
    loggingLevel,
    logFile,
    codec: createCodec(),
    linkCodec: createLinkCodec(),
    openSql: await loadSqlite(),
    openTerminal: await loadTerminals(),
    serve: await loadServe(),
    collectYoung: await loadYoungCollector(),
    onFatal: (error) => {
      log.write("error", "cannot go on", {
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
      process.exit(1);
    },
  };
  const started = await startRoles(context, (reason) => {
    log.write("error", "the agent has to end", { reason });
    finish(1);
  });
  if (!started.ok) {
    process.stderr.write(`allot: ${started.error.message}\n`);
    return 2;
  }
  process.stdout.write(started.value.banner);
  notifyReady((reason) => log.write("warning", "systemd was not told of the start", { reason }));
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => finish(0));
  const code = await finished;
  await started.value.stop();
  return code;
}

/** This very program as a helper. */
function helperOf(name: string): FetchHelper {
  return {
    command: [PROGRAM_FILE, ...sourceArguments(), name],
    environment: networkVariables(),
  };
}

function programName(): string {
  const [program = "allot", script] = process.argv;
  return script?.endsWith(".ts") ? `${program} run -A ${script}` : process.execPath;
}

/** Between the program and its first argument when it runs from source. */
function sourceArguments(): string[] {
  const [, script] = process.argv;
  if (script === undefined || !script.endsWith(".ts")) return [];
  return "deno" in process.versions ? ["run", "-A", script] : [script];
}

function networkVariables(): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of NETWORK_VARIABLES) {
    const value = process.env[name];
    if (value !== undefined) found[name] = value;
  }
  return found;
}

function workDirOf(flags: ParsedFlags): string {
  const given = flags.string("work_dir");
  if (given !== undefined) return paths.resolve(given);
  if (process.getuid?.() === 0) return "/var/lib/allot";
  const state = process.env["XDG_STATE_HOME"] ?? paths.join(homedir(), ".local", "state");
  return paths.join(state, "allot");
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`allot: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
