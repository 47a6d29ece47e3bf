/**
 * Tells of containers that ended: one watch on the folder of exit files for all containers, and a
 * slow look at everything in case an event was lost or a keeper ended without a word.
 */
import { type FSWatcher, watch } from "node:fs";
import type { ContainerId } from "../../base/ids.ts";
import { brand } from "../../base/ids.ts";
import type { Clock, Log } from "../../base/ports.ts";
import { EXIT_POLL_MS } from "../limits.ts";

export interface ExitWatchOptions {
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Log;
  /** A file of this container appeared or changed. Called often; must be cheap. */
  readonly onExit: (containerId: ContainerId) => void;
  /** Time to look at every container. */
  readonly onPoll: () => void;
}

/** Starts watching; the returned function stops it. */
export function watchExits(options: ExitWatchOptions): () => void {
  const { clock, log } = options;
  let watcher: FSWatcher | undefined;
  try {
    watcher = watch(options.folder, { persistent: false }, (_event, name) => {
      if (name === null) options.onPoll();
      else options.onExit(brand<ContainerId>(String(name)));
    });
    watcher.on("error", (error) => {
      log.write("warning", "watching for ended containers failed, polling instead", { error });
    });
  } catch (error) {
    // Hosts can run out of inotify watches; ends are then noticed later, but noticed.
    log.write("warning", "ended containers cannot be watched, polling instead", { error });
  }
  let cancel = clock.schedule(EXIT_POLL_MS, poll);
  function poll(): void {
    cancel = clock.schedule(EXIT_POLL_MS, poll);
    options.onPoll();
  }
  return () => {
    cancel();
    watcher?.close();
  };
}
