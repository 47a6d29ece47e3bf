/** Memory of one idle process per role, as its proportional set size. */
import { setTimeout as sleep } from "node:timers/promises";
import { type AllotProcess, pssBytes } from "../harness/allot-process.ts";
import { until } from "../harness/wait.ts";
import type { Bench } from "./bench.ts";
import { FigureSet } from "./figures.ts";
import { ownBinary, withAllot, withWorkDir } from "./processes.ts";

const IDLE_MS = 3000;
const BYTES_PER_MB = 1e6;

export const memoryBench: Bench = {
  name: "memory",
  summary: `memory (PSS) per role after ${IDLE_MS / 1000} s without work`,
  needsBinary: true,
  defaultRuns: 5,
  run: async ({ runs, progress }) => {
    const set = new FigureSet();
    for (let run = 1; run <= runs; run += 1) {
      progress(`run ${run} of ${runs}`);
      set.add("memory, idle, master", "MB", await idleMaster());
      set.add("memory, idle, agent", "MB", await idleAgent());
      set.add("memory, idle, both", "MB", await idleBoth());
    }
    return set.figures();
  },
};

async function idleMaster(): Promise<number> {
  return await withWorkDir(async (workDir) => {
    const command = [ownBinary(workDir)] as const;
    return await withAllot({ role: "master", workDir, command }, idleMegabytes);
  });
}

/** Registered with a master that runs from another file, so that the two share nothing. */
async function idleAgent(): Promise<number> {
  return await withWorkDir((masterDir) =>
    withAllot({ role: "master", workDir: masterDir }, async ({ url }) => {
      return await withWorkDir(async (workDir) => {
        const command = [ownBinary(workDir)] as const;
        const flags = [`--master=${new URL(url).host}`];
        return await withAllot({ role: "agent", workDir, command, flags }, async (agent) => {
          await agentRegistered(url);
          return await idleMegabytes(agent);
        });
      });
    }),
  );
}

async function idleBoth(): Promise<number> {
  return await withWorkDir(async (workDir) => {
    const command = [ownBinary(workDir)] as const;
    return await withAllot({ role: "both", workDir, command }, async (both) => {
      await agentRegistered(both.url);
      return await idleMegabytes(both);
    });
  });
}

async function idleMegabytes({ pid }: AllotProcess): Promise<number> {
  await sleep(IDLE_MS);
  return pssBytes(pid) / BYTES_PER_MB;
}

async function agentRegistered(masterUrl: string): Promise<void> {
  await until("the agent to be registered", async () => {
    const response = await fetch(`${masterUrl}/state`);
    const state = (await response.json()) as { activated_slaves?: number };
    return (state.activated_slaves ?? 0) > 0;
  });
}
