/**
 * Runs one step of a build or check as a process, with progress for a step that takes longer than
 * two seconds and its time at the end. Output is shown as it comes, or kept and shown on failure.
 */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { ROOT } from "./tools.mjs";

/** Silence after this long would look like a hang. */
const PROGRESS_AFTER_MS = 2_000;
/** On a terminal one line counts up; in a log a line each time would drown the rest. */
const PROGRESS_EVERY_MS = process.stdout.isTTY ? 1_000 : 10_000;
/** Output kept per step; beyond it the beginning is dropped, since errors come last. */
const OUTPUT_CHARS_MAX = 4_000_000;
const KILL_AFTER_MS = 5_000;
/** Output that is still under way when the process has ended. */
const DRAIN_MS = 1_000;

/**
 * @typedef {object} Step
 * @property {string} name what people read
 * @property {string} command
 * @property {readonly string[]} args
 * @property {number} timeoutMs after which the step is ended and has failed
 * @property {Record<string, string | undefined>} [env] beside the own environment
 * @property {boolean} [isShown] show the output as it comes
 */

/**
 * @typedef {object} StepResult
 * @property {boolean} isOk
 * @property {string} output stdout and stderr as they came
 * @property {number} durationMs
 * @property {string} ending `exit status 1`, `killed by SIGKILL`, `no end after 60 s`
 */

/**
 * Runs the step to its end; never rejects. Nothing is printed but progress and, with `isShown`,
 * the step's own output. The step is a process group of its own, so that ending it ends all of it.
 * @param {Step} step
 * @returns {Promise<StepResult>}
 */
export function runStep(step) {
  const startedMs = performance.now();
  const stopProgress = step.isShown ? () => {} : startProgress(step.name);
  return new Promise((resolve) => {
    let output = "";
    let hasTimedOut = false;
    const child = spawn(step.command, step.args, {
      cwd: ROOT,
      detached: true,
      env: { ...process.env, ...step.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const stopForwarding = forwardSignals(child);
    const timer = setTimeout(() => {
      hasTimedOut = true;
      signalGroup(child, "SIGTERM");
      setTimeout(() => signalGroup(child, "SIGKILL"), KILL_AFTER_MS).unref();
    }, step.timeoutMs);
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (/** @type {string} */ text) => {
        output = (output + text).slice(-OUTPUT_CHARS_MAX);
        if (step.isShown) process.stdout.write(text);
      });
    }
    /** @param {boolean} isOk @param {string} ending */
    const finish = (isOk, ending) => {
      clearTimeout(timer);
      stopForwarding();
      stopProgress();
      for (const stream of [child.stdout, child.stderr]) stream.destroy();
      resolve({ isOk, output, durationMs: performance.now() - startedMs, ending });
    };
    child.once("error", (error) => finish(false, error.message));
    child.once("exit", (code, signal) => {
      const end = () => {
        if (hasTimedOut) finish(false, `no end after ${seconds(step.timeoutMs)}`);
        else if (signal !== null) finish(false, `killed by ${signal}`);
        else finish(code === 0, `exit status ${code}`);
      };
      // A process the step left behind may hold the pipes open for ever.
      const drained = setTimeout(end, DRAIN_MS);
      child.once("close", () => {
        clearTimeout(drained);
        end();
      });
    });
  });
}

/**
 * Runs the step and prints one line with its time; its output only when it failed.
 * @param {Step} step
 * @returns {Promise<StepResult>}
 */
export async function reportStep(step) {
  const result = await runStep(step);
  const mark = result.isOk ? "ok  " : "FAIL";
  const ending = result.isOk ? "" : ` (${result.ending})`;
  console.log(`${mark} ${step.name}, ${seconds(result.durationMs)}${ending}`);
  if (!result.isOk && !step.isShown) console.log(result.output.trimEnd());
  return result;
}

/**
 * `0.4 s`
 * @param {number} durationMs
 */
export function seconds(durationMs) {
  return `${(durationMs / 1_000).toFixed(1)} s`;
}

/**
 * A group of its own does not hear the terminal: what ends us ends the step first.
 * @param {import("node:child_process").ChildProcess} child
 * @returns {() => void} stops forwarding
 */
function forwardSignals(child) {
  const signals = /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"]);
  /** @param {NodeJS.Signals} signal */
  const forward = (signal) => {
    signalGroup(child, signal);
    process.exit(128 + constants.signals[signal]);
  };
  for (const signal of signals) process.on(signal, forward);
  return () => {
    for (const signal of signals) process.off(signal, forward);
  };
}

/**
 * @param {import("node:child_process").ChildProcess} child
 * @param {NodeJS.Signals} signal
 */
function signalGroup(child, signal) {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The group has ended by itself.
  }
}

/**
 * Tells from the second second on that the work goes on; the returned function ends it.
 * @param {string} name
 * @returns {() => void}
 */
function startProgress(name) {
  const startedMs = performance.now();
  const isTerminal = process.stdout.isTTY;
  const show = () => {
    const text = `     ${name} … ${Math.round((performance.now() - startedMs) / 1_000)} s`;
    process.stdout.write(isTerminal ? `\r${text}\u001b[K` : `${text}\n`);
  };
  /** @type {NodeJS.Timeout | undefined} */
  let interval;
  const first = setTimeout(() => {
    show();
    interval = setInterval(show, PROGRESS_EVERY_MS);
  }, PROGRESS_AFTER_MS);
  return () => {
    clearTimeout(first);
    clearInterval(interval);
    if (isTerminal && interval !== undefined) process.stdout.write("\r\u001b[K");
  };
}
