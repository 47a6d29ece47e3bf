/** Where the ensemble is, from `--zk` of a master and `--master` of an agent. */
import { readFileSync } from "node:fs";
import { ok, type Result, refuse } from "../base/result.ts";
import type { ParsedFlags } from "../cli/flags/parse-flags.ts";
import {
  isZooKeeperUrl,
  parseZooKeeperUrl,
  type ZooKeeperUrl,
} from "../election/core/zookeeper-url.ts";

const FILE = "file://";
const SESSION_TIMEOUT_MS = 10_000;

/**
 * The URL in a flag, or in the file that it names; undefined where it is not set, and for `--master`
 * where it is an address. Errors: invalid, naming the flag.
 */
export function zooKeeperFlag(
  flags: ParsedFlags,
  name: "zk" | "master",
): Result<ZooKeeperUrl | undefined> {
  const text = flags.string(name)?.trim();
  if (text === undefined || text === "") return ok(undefined);
  if (text.startsWith(FILE)) return zooKeeperFile(text.slice(FILE.length), name);
  // A master that took a mistyped URL for none would lead beside the others.
  if (name === "master" && !isZooKeeperUrl(text)) return ok(undefined);
  return named(parseZooKeeperUrl(text), name);
}

/** How long ZooKeeper remembers a process that does not answer. */
export function sessionTimeoutMs(flags: ParsedFlags): number {
  return flags.durationMs("zk_session_timeout") ?? SESSION_TIMEOUT_MS;
}

/** Flags as they are shown to others: a URL of ZooKeeper without its password. */
export function withoutPasswords(
  flags: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  const shown = Object.entries(flags).map(([name, value]) => [
    name,
    value.replace(/^\s*zk:\/\/([^:@/]*):.*@/, "zk://$1:***@"),
  ]);
  return Object.fromEntries(shown);
}

function zooKeeperFile(path: string, name: string): Result<ZooKeeperUrl> {
  try {
    return named(parseZooKeeperUrl(readFileSync(path, "utf8").trim()), name);
  } catch (error) {
    return refuse("invalid", `the file with the ZooKeeper URL cannot be read: ${error}`, name);
  }
}

function named<T>(result: Result<T>, field: string): Result<T> {
  return result.ok ? result : { ok: false, error: { ...result.error, field } };
}
