/**
 * The image helper: the same program as a short-lived process, so that fetching, unpacking and
 * copying never hold the agent up. It keeps the agent's rights, without which no image can have files
 * of several users; what it writes stays in its folder (layer-folder.ts).
 */
import process from "node:process";
import type { Clock } from "../../base/ports.ts";
import { AgentWords, tellAgent } from "../../fetcher/helper/agent-words.ts";
import { reasonOf } from "../../fetcher/helper/fetch-error.ts";
import { chunksOf, openPlainFile } from "../../fetcher/helper/open-files.ts";
import { SandboxFolder } from "../../fetcher/helper/sandbox-folder.ts";
import { unpackTar } from "../../fetcher/helper/unpack-tar.ts";
import type { HelperEvent } from "../../fetcher/helper-messages.ts";
import type { ImageJob } from "../helper-jobs.ts";
import { copyLayers } from "./copy-layers.ts";
import { unpackLayer } from "./unpack-layer.ts";

export interface ImageHelperProcess {
  readonly clock: Clock;
  /** Changes the working folder of this process. */
  readonly enter: (folder: string) => void;
}

/** The whole life of a helper; resolves with its exit status. */
export async function runImageHelper({ clock, enter }: ImageHelperProcess): Promise<number> {
  const words = new AgentWords();
  const job = JSON.parse(await words.next()) as ImageJob;
  const tell = (event: HelperEvent): void => tellAgent(event);
  try {
    enter(job.folder);
    // Modes are set as the image has them.
    process.umask(0);
    if (job.kind === "copy") await copyLayers(job.layers, job.folder);
    else if (job.kind === "archive") {
      const { file } = openPlainFile(job.path, "the archive");
      await unpackTar(chunksOf(file), new SandboxFolder());
    } else {
      const bytes = await unpackLayer(job, {
        clock,
        enter,
        progress: (done, totalBytes) =>
          tell({ kind: "progress", item: 0, bytes: done, totalBytes }),
        resumed: (reason, done) => tell({ kind: "resumed", item: 0, reason, bytes: done }),
      });
      tell({ kind: "fetched", item: 0, bytes });
    }
    tell({ kind: "done" });
    return 0;
  } catch (error) {
    tell({ kind: "failed", message: reasonOf(error) });
    return 1;
  }
}
