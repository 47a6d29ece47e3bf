/** For a command: the address behind a `--master` that may be ZooKeeper's. */
import type { Clock, Rng } from "../base/ports.ts";
import { ok, type Result, refuse } from "../base/result.ts";
import { whyNoLeader } from "../election/core/why-no-leader.ts";
import { isZooKeeperUrl, parseZooKeeperUrl } from "../election/core/zookeeper-url.ts";
import { askServers } from "../election/zookeeper/servers.ts";
import { withSession } from "../election/zookeeper/with-session.ts";
import type { Codec } from "../protocol/codec.ts";
import type { NamedMaster } from "../protocol/leader-report.ts";
import { watchLeader } from "./leader-watch.ts";
import { addressOf, namedMaster } from "./master-info.ts";
import { surveyMasters } from "./masters-survey.ts";

const SESSION_TIMEOUT_MS = 10_000;
/** A person waits at a prompt; a new leader is elected within a session's timeout. */
const PATIENCE_MS = 15_000;

/**
 * The leader's `host:port`, or the text itself where it is no URL of ZooKeeper. Errors: `invalid`, the
 * URL is none; `notReady`, nobody leads there, or ZooKeeper does not answer.
 */
export async function findLeader(
  text: string,
  parts: { readonly clock: Clock; readonly rng: Rng; readonly codec: Codec },
): Promise<Result<string>> {
  if (!isZooKeeperUrl(text)) return ok(text);
  const url = parseZooKeeperUrl(text);
  if (!url.ok) return url;
  const { clock, rng, codec } = parts;
  const found = Promise.withResolvers<string | undefined>();
  const watch = watchLeader({
    url: url.value,
    sessionTimeoutMs: SESSION_TIMEOUT_MS,
    clock,
    rng,
    codec,
    log: { write: () => undefined },
    onLeader: (info) => {
      if (info !== undefined) found.resolve(addressOf(info));
    },
  });
  const cancel = clock.schedule(PATIENCE_MS, () => found.resolve(undefined));
  const address = await found.promise;
  cancel();
  const { contact } = watch;
  watch.stop();
  if (address !== undefined) return ok(address);
  const servers = contact.isConnected ? [] : await askServers(url.value.servers, clock);
  const view = { contact, servers, leader: undefined, isRecovering: false };
  return refuse("notReady", ["No leading master was found.", ...whyNoLeader(view)].join(" "));
}

/** All masters that stand there, in order. Errors: as `findLeader`. */
export async function findMasters(
  text: string,
  { clock, codec }: { readonly clock: Clock; readonly codec: Codec },
): Promise<Result<readonly NamedMaster[]>> {
  const url = parseZooKeeperUrl(text);
  if (!url.ok) return url;
  const survey = await withSession(url.value, clock, (session) =>
    surveyMasters(session, url.value.path, codec),
  );
  if (!survey.ok) return survey;
  const { value } = survey;
  return value.ok
    ? ok(value.value.masters.map(namedMaster))
    : refuse("failed", value.error.message);
}
