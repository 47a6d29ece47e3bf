/**
 * A probe from another network: this very program, entered into the network namespace of a
 * container, makes it and says the result on stdout. Source: semantics 6.8.
 */
import { spawn } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";
import process from "node:process";
import type { Readable } from "node:stream";
import { HELPER_PATH } from "../../containerizer/keeper/host-tools.ts";
import type { ProbeResult } from "../../executor/task-checks.ts";
import { PROBE_OUTPUT_CHARACTERS } from "./limits.ts";
import { type NetworkProbe, probeNetwork } from "./network-probe.ts";

/** What to start, with first arguments. */
export type ProbeHelper = readonly [string, ...string[]];

/** Whether the process is in another network; undefined when that cannot be seen. */
export function isInOtherNetwork(pid: number): boolean | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`) !== readlinkSync("/proc/self/ns/net");
  } catch {
    return undefined;
  }
}

/** Resolves with the helper's result. Rejects when it says none. */
export function probeInNetworkOf(
  pid: number,
  helper: ProbeHelper,
  probe: NetworkProbe,
  signal: AbortSignal,
): Promise<ProbeResult> {
  const child = spawn("nsenter", [`--net=/proc/${pid}/ns/net`, "--", ...helper], {
    cwd: "/",
    stdio: ["pipe", "pipe", "pipe"],
    env: { PATH: HELPER_PATH },
  });
  const kill = (): void => {
    child.kill("SIGKILL");
  };
  signal.addEventListener("abort", kill, { once: true });
  const said = hear(child.stdout);
  const complained = hear(child.stderr);
  // A helper that is gone is noticed by its exit; there are no pipes to one that cannot be started.
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(JSON.stringify(probe));
  return new Promise((resolve, reject) => {
    child.once("error", (error) => {
      reject(new Error(`the container's network cannot be entered: ${error.message}`));
    });
    child.once("close", (code) => {
      signal.removeEventListener("abort", kill);
      const result = code === 0 ? resultIn(said()) : undefined;
      const words = `${said()}${complained()}`.trim();
      if (result !== undefined) resolve(result);
      else reject(new Error(`the container's network cannot be entered: ${words}`));
    });
  });
}

/** What comes from then on, up to a bound. */
function hear(source: Readable | undefined): () => string {
  let text = "";
  source?.on("data", (chunk: Uint8Array) => {
    text = `${text}${String(chunk)}`.slice(0, PROBE_OUTPUT_CHARACTERS);
  });
  return () => text;
}

/** Undefined for what is not the whole of a result. */
function resultIn(text: string): ProbeResult | undefined {
  try {
    return JSON.parse(text) as ProbeResult;
  } catch {
    return undefined;
  }
}

/** The whole life of the helper; resolves with its exit status. Whoever started it ends it. */
export async function runProbeHelper(): Promise<number> {
  const probe = JSON.parse(readFileSync(0, "utf8")) as NetworkProbe;
  const { signal } = new AbortController();
  const result = await probeNetwork(probe, signal).catch(
    (error: unknown): ProbeResult => ({
      kind: "failed",
      message: error instanceof Error ? error.message : String(error),
    }),
  );
  process.stdout.write(JSON.stringify(result));
  return 0;
}
