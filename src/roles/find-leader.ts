/** For a command: the address behind a `--master` that may be ZooKeeper's. */
import type { Clock, Rng } from "../base/ports.ts";
import { ok, type Result, refuse } from "../base/result.ts";
import { isZooKeeperUrl, parseZooKeeperUrl } from "../election/core/zookeeper-url.ts";
import { Elector } from "../election/zookeeper/elector.ts";
import type { Codec } from "../protocol/codec.ts";
import { masterOf } from "./candidate.ts";
import { addressOf } from "./office.ts";

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
  let problem = "no master leads there";
  const found = Promise.withResolvers<string | undefined>();
  const elector = new Elector({
    url: url.value,
    sessionTimeoutMs: SESSION_TIMEOUT_MS,
    clock,
    rng,
    log: {
      write: (_level, _message, fields) => {
        problem = String(fields?.["problem"] ?? problem);
      },
    },
    onLeader: (leader) => {
      const info = leader && masterOf(codec, leader.data);
      if (info !== undefined) found.resolve(addressOf(info));
    },
  });
  const cancel = clock.schedule(PATIENCE_MS, () => found.resolve(undefined));
  elector.start();
  const address = await found.promise;
  cancel();
  elector.stop();
  return address === undefined
    ? refuse("notReady", `no leading master was found in ZooKeeper: ${problem}`)
    : ok(address);
}
