/** What a master core sends its agents, without a link: messages from their encoded form. */
import { must } from "../../src/base/assert.ts";
import { createLinkCodec } from "../../src/protocol/link-codec.ts";
import type { MasterToAgent } from "../../src/protocol/link-frames.ts";

const linkCodec = createLinkCodec();

/** What a core encodes with. */
export const encodeMessage: (message: MasterToAgent) => Uint8Array = linkCodec.encodeMessage;

/** The message that an agent gets. */
export function messageOf(sent: MasterToAgent | Uint8Array): MasterToAgent {
  if (!(sent instanceof Uint8Array)) return sent;
  const packet = linkCodec.decodeFrom("master", linkCodec.joinMessages("", [sent]));
  if (!packet.ok) throw new Error(packet.error.message);
  const frame = must(packet.value.frames[0], "frame of a packet");
  return must(frame.kind === "messages" ? frame.messages[0] : undefined, "message of a frame");
}
