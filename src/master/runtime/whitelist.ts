/**
 * The file of `--whitelist`: host names of the agents that may be offered, one a line, read again
 * every few seconds. Source: semantics 4.1; reference/flags.md whitelist.
 */
import type { Clock, Log } from "../../base/ports.ts";
import { ok, type Result, refuse } from "../../base/result.ts";
import { WHITELIST_PERIOD_MS } from "./limits.ts";

export interface WhitelistOptions {
  readonly path: string;
  /** Rejects when the file cannot be read. */
  readFile(path: string): Promise<string>;
  readonly clock: Clock;
  readonly log: Log;
  /** Told the first time and whenever the list has changed. */
  onList(hostnames: ReadonlySet<string>): void;
}

/**
 * Reads the file now and keeps reading it until the function it returns is called. A file that
 * cannot be read later leaves the list as it was. Refusal: `invalid` when it cannot be read now.
 */
export async function watchWhitelist(options: WhitelistOptions): Promise<Result<() => void>> {
  const { path, clock, log } = options;
  let known: string | undefined;
  let isStopped = false;
  let cancel = (): void => undefined;
  const read = async (): Promise<string | undefined> => {
    try {
      const text = await options.readFile(path);
      if (!isStopped && text !== known) options.onList(hostnamesOf(text));
      known = text;
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  };
  const again = async (): Promise<void> => {
    const fault = await read();
    if (fault !== undefined) log.write("warning", "cannot read the whitelist", { path, fault });
    if (!isStopped) cancel = clock.schedule(WHITELIST_PERIOD_MS, () => void again());
  };
  const fault = await read();
  if (fault !== undefined) return refuse("invalid", `--whitelist: ${fault}`, "whitelist");
  cancel = clock.schedule(WHITELIST_PERIOD_MS, () => void again());
  return ok(() => {
    isStopped = true;
    cancel();
  });
}

function hostnamesOf(text: string): ReadonlySet<string> {
  const lines = text.split("\n").map((line) => line.trim());
  return new Set(lines.filter((line) => line !== ""));
}
