/** One short look at an ensemble, for commands: a session that ends with its question. */
import type { Clock } from "../../base/ports.ts";
import { ok, type Result, refuse } from "../../base/result.ts";
import { serversText } from "../core/why-no-leader.ts";
import type { ZooKeeperUrl } from "../core/zookeeper-url.ts";
import { COMMAND_CONNECT_MS_MAX, COMMAND_SESSION_MS } from "./limits.ts";
import { askServers } from "./servers.ts";
import { ZooKeeperSession } from "./session.ts";

/** Errors: `notReady`, ZooKeeper cannot be reached, with what each server says. */
export async function withSession<T>(
  url: ZooKeeperUrl,
  clock: Clock,
  ask: (session: ZooKeeperSession) => Promise<T>,
): Promise<Result<T>> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const session = new ZooKeeperSession({
    servers: url.servers,
    timeoutMs: COMMAND_SESSION_MS,
    credentials: url.credentials,
    clock,
    onConnected: () => resolve(undefined),
    onDisconnected: () => undefined,
    onOver: resolve,
  });
  const late = `no answer within ${COMMAND_CONNECT_MS_MAX / 1000} s`;
  const cancel = clock.schedule(COMMAND_CONNECT_MS_MAX, () => resolve(late));
  try {
    const problem = await promise;
    return problem === undefined ? ok(await ask(session)) : await unreachable(url, clock, problem);
  } finally {
    cancel();
    session.close();
  }
}

async function unreachable(
  url: ZooKeeperUrl,
  clock: Clock,
  problem: string,
): Promise<Result<never>> {
  const servers = serversText(await askServers(url.servers, clock));
  return refuse("notReady", `ZooKeeper cannot be used: ${problem} (${servers})`);
}
