/**
 * For programs in TypeScript: who leads among masters that meet in ZooKeeper, allot's or any other
 * that uses the nodes of Mesos. `import { detectMaster } from "allot/detector"`.
 */
import { isZooKeeperUrl, parseZooKeeperUrl } from "./election/core/zookeeper-url.ts";
import { systemClock, systemRng } from "./platform/system.ts";
import { createCodec } from "./protocol/codec.ts";
import type { MasterInfo } from "./protocol/v1/types.ts";
import { watchLeader } from "./roles/leader-watch.ts";
import { addressOf } from "./roles/master-info.ts";

export interface DetectedMaster {
  /** `host:port`, where its API is. */
  readonly address: string;
  /** All it tells of itself. */
  readonly info: MasterInfo;
}

export interface DetectorOptions {
  /** Ends the detection, and with it the loop over what is detected. */
  readonly signal?: AbortSignal;
  /** How long a leader that went silent is still taken for one; 10,000 unless told. */
  readonly sessionTimeoutMs?: number;
}

const SESSION_TIMEOUT_MS = 10_000;

/**
 * Who leads now, and whoever leads later; undefined while nobody does. A consumer that is slow learns
 * the newest only. Errors: `url` is not `zk://[USER:PASSWORD@]HOST:PORT[,HOST:PORT…]/PATH`; all else, such as
 * servers that do not answer, is waited for.
 */
export async function* detectMaster(
  url: string,
  { signal, sessionTimeoutMs = SESSION_TIMEOUT_MS }: DetectorOptions = {},
): AsyncGenerator<DetectedMaster | undefined, void, void> {
  const parsed = parseZooKeeperUrl(url);
  if (!isZooKeeperUrl(url) || !parsed.ok) {
    throw new TypeError(parsed.ok ? `${url} is not zk://HOST:PORT/PATH` : parsed.error.message);
  }
  let hasNews = false;
  let news: DetectedMaster | undefined;
  let wake: () => void = () => undefined;
  const end = (): void => wake();
  const watch = watchLeader({
    url: parsed.value,
    sessionTimeoutMs,
    clock: systemClock,
    rng: systemRng,
    log: { write: () => undefined },
    codec: createCodec(),
    onLeader: (info) => {
      news = info && { address: addressOf(info), info };
      hasNews = true;
      wake();
    },
  });
  signal?.addEventListener("abort", end);
  try {
    while (signal?.aborted !== true) {
      if (hasNews) {
        hasNews = false;
        yield news;
      } else {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    signal?.removeEventListener("abort", end);
    watch.stop();
  }
}
