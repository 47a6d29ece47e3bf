/** What folders hold, by walking through them with du. */
import { spawn } from "node:child_process";
import { findProgram, HELPER_PATH } from "./keeper/host-tools.ts";
import { WALK_DEADLINE_MS } from "./limits.ts";

/**
 * Bytes on their file systems below the folders; what is mounted in them counts elsewhere. Undefined
 * when they cannot be walked through, or not in time.
 */
export function bytesBelow(folders: readonly string[]): Promise<number | undefined> {
  const du = findProgram("du");
  if (du === undefined) return Promise.resolve(undefined);
  // It complains of what came and went meanwhile, or is closed to it, and counts all the rest.
  const child = spawn(du, ["-k", "-c", "-s", "-x", "--", ...folders], {
    stdio: ["ignore", "pipe", "ignore"],
    env: { PATH: HELPER_PATH },
    timeout: WALK_DEADLINE_MS,
    killSignal: "SIGKILL",
  });
  const output: string[] = [];
  // There is none where no process can be started, for want of descriptors.
  child.stdout?.setEncoding("utf8").on("data", (text: string) => output.push(text));
  return new Promise((resolve) => {
    child.on("error", () => resolve(undefined));
    child.on("close", () => {
      const total = /(?:^|\n)(\d+)\ttotal\n$/.exec(output.join(""))?.[1];
      resolve(total === undefined ? undefined : Number(total) * 1024);
    });
  });
}
