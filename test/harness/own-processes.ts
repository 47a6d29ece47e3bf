/** What the tests of a file start and where it works: gone after each of them. */
import { afterEach } from "bun:test";
import { type AllotProcess, makeWorkDir, removeWorkDir, startAllot } from "./allot-process.ts";

export interface OwnProcesses {
  /** A new folder. */
  folder(): string;
  start(options: Parameters<typeof startAllot>[0]): Promise<AllotProcess>;
}

/** To be called once at the top of a file. */
export function ownProcesses(): OwnProcesses {
  const folders: string[] = [];
  const processes: AllotProcess[] = [];
  afterEach(async () => {
    for (const running of processes.splice(0)) {
      if (running.isRunning()) await running.end("SIGKILL");
    }
    for (const made of folders.splice(0)) await removeWorkDir(made);
  });
  return {
    folder: () => {
      const made = makeWorkDir();
      folders.push(made);
      return made;
    },
    start: async (options) => {
      const started = await startAllot(options);
      processes.push(started);
      return started;
    },
  };
}
