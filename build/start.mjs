/**
 * `npm start [-- FLAGS…]`: installs and compiles what is missing, starts master and agent in one
 * process on loopback; the program says where the API is and how to run a first task. FLAGS go to
 * it and take the place of the defaults here. Plain Node, so that a fresh clone suffices.
 */
import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { constants, homedir } from "node:os";
import { join, relative, resolve } from "node:path";
import { compile, isCompiled } from "./compile.mjs";
import { ensureInstalled } from "./install.mjs";
import { BINARY } from "./tools.mjs";

const flags = withDefaults(process.argv.slice(2));
const program = relative(process.cwd(), BINARY);
if (!(await prepare())) process.exit(1);
const child = spawn(BINARY, flags.args, { stdio: "inherit" });
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
  // On a terminal, Ctrl-C reaches the whole group: passing it on would say it twice.
  const isHeardAnyway = signal === "SIGINT" && process.stdin.isTTY;
  process.on(signal, () => isHeardAnyway || child.kill(signal));
}
child.once("error", (error) => {
  console.error(`${program} does not start: ${error.message}`);
  process.exitCode = 1;
});
child.once("close", (code, signal) => {
  process.exitCode = signal === null ? (code ?? 1) : 128 + constants.signals[signal];
});

/** @returns {Promise<boolean>} false when there is nothing to start; the reason has been printed */
async function prepare() {
  if (!(await ensureInstalled())) return false;
  if (!isCompiled() && !(await compile())) return false;
  for (const name of portFlags()) {
    const problem = await portProblem(Number(flags.values.get(name)));
    if (problem === undefined) continue;
    console.error(`${problem}; choose another: npm start -- ${portAdvice()}`);
    return false;
  }
  mkdirSync(flags.values.get("work_dir") ?? "", { recursive: true });
  return true;
}

/**
 * The given flags before the defaults that they do not replace.
 * @param {readonly string[]} given
 */
function withDefaults(given) {
  /** @type {Map<string, string>} */
  const values = new Map();
  for (const arg of given) {
    const match = /^--([\w-]+)(?:=(.*))?$/s.exec(arg);
    if (match?.[1] !== undefined) values.set(match[1].replaceAll("-", "_"), match[2] ?? "true");
  }
  const added = Object.entries({ role: "both", ip: "127.0.0.1", work_dir: stateFolder() }).filter(
    ([name]) => !values.has(name),
  );
  for (const [name, value] of added) values.set(name, value);
  const role = values.get("role");
  if (!values.has("port")) values.set("port", role === "agent" ? "5051" : "5050");
  if (!values.has("agent_port")) values.set("agent_port", "5051");
  return { args: [...added.map(([name, value]) => `--${name}=${value}`), ...given], values };
}

/** The user's state directory as the XDG base directory specification names it. */
function stateFolder() {
  const stated = process.env["XDG_STATE_HOME"] ?? "";
  const base = stated.startsWith("/") ? stated : join(homedir(), ".local", "state");
  return resolve(base, "allot");
}

/** The flags of the ports this role listens on. */
function portFlags() {
  return flags.values.get("role") === "both" ? ["port", "agent_port"] : ["port"];
}

/** Two free-looking ports far from the taken ones, as flags to copy. */
function portAdvice() {
  return portFlags()
    .map((name) => `--${name}=${Number(flags.values.get(name)) + 1_000}`)
    .join(" ");
}

/**
 * @param {number} port
 * @returns {Promise<string | undefined>} what is wrong with it; port 0 is always free
 */
function portProblem(port) {
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    return Promise.resolve(`${port} is no port number`);
  }
  return new Promise((done) => {
    const probe = createServer();
    probe.once("error", (/** @type {NodeJS.ErrnoException} */ error) => {
      const isTaken = error.code === "EADDRINUSE";
      const what = isTaken ? "is taken by another process" : `cannot be used (${error.message})`;
      done(`Port ${port} on ${flags.values.get("ip")} ${what}`);
    });
    probe.listen({ port, host: flags.values.get("ip"), exclusive: true }, () => {
      probe.close(() => done(undefined));
    });
  });
}
