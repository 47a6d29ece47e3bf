/** The registry's log of several masters, for commands: read, compared and restored without a master. */
import type { Clock } from "../base/ports.ts";
import { ok, type Result, refuse } from "../base/result.ts";
import { parseZooKeeperUrl, type ZooKeeperUrl } from "../election/core/zookeeper-url.ts";
import type { ZooKeeperSession } from "../election/zookeeper/session.ts";
import { withSession } from "../election/zookeeper/with-session.ts";
import type { Codec } from "../protocol/codec.ts";
import { encodeSnapshot, hashOfSeed } from "../registry/store/log-entries.ts";
import { type RegistryImage, replayLog } from "../registry/store/registry-image.ts";
import type { LogContent } from "../registry/store/shared-log.ts";
import { ZooKeeperLog } from "../registry/zookeeper/zookeeper-log.ts";
import { addressOf } from "./master-info.ts";
import { surveyMasters } from "./masters-survey.ts";

/** Stands in the epoch while a command writes. */
const WRITER = "allot registry restore";

export interface LogParts {
  readonly clock: Clock;
  readonly codec: Codec;
}

export interface ReadLog {
  readonly content: LogContent;
  readonly image: RegistryImage;
}

/** Errors: `invalid`, no URL; `notReady`, no ZooKeeper; `notFound`, there is none; or what is wrong with it. */
export async function readLog(parts: LogParts, text: string): Promise<Result<ReadLog>> {
  return await onLog(parts, text, async (session, { path }) => {
    const content = await new ZooKeeperLog(session, path, WRITER).read(0);
    if (!content.ok) return content;
    const image = replayLog(content.value);
    if (image.ok) return ok({ content: content.value, image: image.value });
    const { code } = image.error;
    return code === "notFound" ? refuse(code, `there is no registry at ${shown(text)}`) : image;
  });
}

/**
 * Puts `image` in place of the log's registry; `before` is given what was there, or why that cannot be
 * read, before anything is written. Errors: `conflict`, masters stand for election.
 */
export async function restoreLog(
  parts: LogParts,
  text: string,
  image: RegistryImage,
  before: (there: Result<RegistryImage>) => Promise<Result<void>>,
): Promise<Result<void>> {
  return await onLog(parts, text, async (session, { path }) => {
    const log = new ZooKeeperLog(session, path, WRITER);
    const survey = await surveyMasters(session, path, parts.codec);
    if (!survey.ok) return unreadable(text);
    const standing = survey.value.masters.map(addressOf).join(", ");
    if (standing !== "") {
      const what = `masters stand at ${shown(text)}: ${standing}`;
      return refuse(
        "conflict",
        `${what}; stop all of them, wait until their sessions are over, and restore then`,
      );
    }
    const claimed = await log.claim();
    if (claimed !== "done") return unreadable(text);
    const content = await log.read(0);
    const lastEntry = await log.lastPosition();
    const isReadable = content.ok || content.error.code !== "notReady";
    if (!isReadable || lastEntry === undefined) return unreadable(text);
    const there = content.ok ? replayLog(content.value) : content;
    const position = Math.max(there.ok ? there.value.mark.position : 0, lastEntry);
    const agreed = await before(there);
    if (!agreed.ok) return agreed;
    // The cluster stays the one that the masters' copies are of.
    const cluster = (there.ok ? there.value.cluster : undefined) ?? image.cluster ?? "";
    const { state } = image;
    const mark = { position: position + 1, hash: hashOfSeed(state, cluster) };
    const outcome = await log.putRestored(mark.position, encodeSnapshot({ state, mark, cluster }));
    if (outcome === "done") return ok(undefined);
    const why = outcome === "fenced" ? "a master began to lead" : "the session was lost";
    return refuse("failed", `the registry at ${shown(text)} was not restored: ${why}; try again`);
  });
}

/** Errors: `invalid`, no URL; `notReady`, no ZooKeeper. */
async function onLog<T>(
  { clock }: LogParts,
  text: string,
  ask: (session: ZooKeeperSession, url: ZooKeeperUrl) => Promise<Result<T>>,
): Promise<Result<T>> {
  const url = parseZooKeeperUrl(text);
  if (!url.ok) return url;
  const answer = await withSession(url.value, clock, (session) => ask(session, url.value));
  return answer.ok ? answer.value : answer;
}

function unreadable(text: string): Result<never> {
  return refuse("notReady", `the registry at ${shown(text)} cannot be read now; try again`);
}

/** Without the password. */
function shown(text: string): string {
  return text.replace(/^zk:\/\/.*@/, "zk://");
}
