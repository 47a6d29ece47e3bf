/**
 * What each server of an ensemble says of itself, for people: a client's session tells only that it
 * cannot be had, and not whether the servers are away or have no quorum. Asked by ZooKeeper's word
 * `srvr`, the one that is open unless somebody closed it.
 */
import { connect } from "node:net";
import type { Clock } from "../../base/ports.ts";
import type { ServerReport } from "../core/why-no-leader.ts";
import { ASK_MS_MAX } from "./limits.ts";

const WORD = "srvr";
/** An answer is below one kilobyte. */
const ANSWER_LENGTH_MAX = 8192;

/** One report for each of `host:port`, in that order. */
export function askServers(
  servers: readonly string[],
  clock: Clock,
): Promise<readonly ServerReport[]> {
  return Promise.all(servers.map((address) => askServer(address, clock)));
}

function askServer(address: string, clock: Clock): Promise<ServerReport> {
  const colon = address.lastIndexOf(":");
  const { promise, resolve } = Promise.withResolvers<ServerReport>();
  let text = "";
  const socket = connect(Number(address.slice(colon + 1)), address.slice(0, colon), () =>
    socket.write(WORD),
  );
  const tell = (state: ServerReport["state"]): void => {
    cancel();
    socket.destroy();
    resolve({ address, state });
  };
  const cancel = clock.schedule(ASK_MS_MAX, () => tell("silent"));
  socket.on("data", (data: Uint8Array) => {
    text += new TextDecoder().decode(data);
    if (text.length > ANSWER_LENGTH_MAX) socket.destroy();
  });
  socket.on("error", () => tell(text === "" ? "away" : stateOf(text)));
  socket.on("close", () => tell(stateOf(text)));
  return promise;
}

function stateOf(text: string): ServerReport["state"] {
  if (text.includes("Mode:")) return "serving";
  if (text.includes("not currently serving")) return "noQuorum";
  // Its list of words is closed, or a proxy stands before it.
  return text === "" ? "silent" : "unknown";
}
