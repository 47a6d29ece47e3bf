/**
 * The fetch helper: the same program as a short-lived process that has only the rights of a task's
 * user, so that whatever a server, an archive or a path is up to meets no rights of the agent, and
 * no work of theirs holds the agent up. It speaks with the agent over stdin and stdout
 * (helper-messages.ts) and ends with it.
 */
import process from "node:process";
import type { Clock } from "../../base/ports.ts";
import { type FetchJob, GO_WORD } from "../helper-messages.ts";
import { AgentWords, tellAgent } from "./agent-words.ts";
import { FetchError, reasonOf } from "./fetch-error.ts";
import { fetchItem, type ItemContext } from "./fetch-item.ts";
import { SandboxFolder } from "./sandbox-folder.ts";

const UMASK = 0o022;

export interface HelperProcess {
  readonly clock: Clock;
  /** Changes the working folder of this process. */
  readonly enter: (folder: string) => void;
}

/** The whole life of a helper; resolves with its exit status. */
export async function runFetchHelper({ clock, enter }: HelperProcess): Promise<number> {
  const words = new AgentWords();
  const job = JSON.parse(await words.next()) as FetchJob;
  try {
    // As root: the user may not be let through to where sandboxes are.
    enter(job.folder);
    become(job.user);
    process.umask(UMASK);
    const folder = new SandboxFolder();
    for (const [index, item] of job.items.entries()) {
      const context: ItemContext = {
        clock,
        folder,
        stallTimeoutMs: job.stallTimeoutMs,
        size: async (bytes) => {
          if (!item.asksForRoom) return;
          tellAgent({ kind: "size", bytes });
          if ((await words.next()) !== GO_WORD) throw new FetchError("no room");
        },
        progress: (bytes, totalBytes) =>
          tellAgent({ kind: "progress", item: index, bytes, totalBytes }),
        resumed: (reason, bytes) => tellAgent({ kind: "resumed", item: index, reason, bytes }),
      };
      const bytes = await fetchItem(item, context);
      tellAgent({ kind: "fetched", item: index, bytes });
    }
    tellAgent({ kind: "done" });
    return 0;
  } catch (error) {
    tellAgent({ kind: "failed", message: reasonOf(error) });
    return 1;
  }
}

interface Rights {
  initgroups?(user: string, group: number): void;
  setgid?(group: number): void;
  setuid?(user: number): void;
}

/** Gives up every right but those of the user, for good. */
function become(user: FetchJob["user"]): void {
  if (user === undefined) return;
  const rights: Rights = process;
  rights.initgroups?.(user.name, user.gid);
  rights.setgid?.(user.gid);
  rights.setuid?.(user.uid);
  if (process.geteuid?.() !== user.uid || process.getegid?.() !== user.gid) {
    throw new FetchError(`could not become user ${user.name}`);
  }
}
