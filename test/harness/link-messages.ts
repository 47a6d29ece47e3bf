/** What a master core sends its agents, without a link: messages from their encoded form. */
import { must } from "../../src/base/assert.ts";
import { createCodec } from "../../src/protocol/codec.ts";
import { createLinkCodec } from "../../src/protocol/link-codec.ts";
import type { MasterToAgent } from "../../src/protocol/link-frames.ts";
import { checkMasterMessage } from "../../src/protocol/link-messages.ts";

const linkCodec = createLinkCodec();
const codec = createCodec();

/** What a core encodes with. */
export const encodeMessage: (message: MasterToAgent) => Uint8Array = linkCodec.encodeMessage;

/** The message that an agent gets. */
export function messageOf(sent: MasterToAgent | Uint8Array): MasterToAgent {
  if (!(sent instanceof Uint8Array)) return sent;
  const packet = linkCodec.decode(linkCodec.joinMessages("", [sent]));
  const frame = must(packet.ok ? packet.value.frames[0] : undefined, "frame of a packet");
  const message = frame.kind === "messages" ? frame.messages[0] : undefined;
  const checked = checkMasterMessage(message, codec);
  if (!checked.ok) throw new Error(checked.error.message);
  return checked.value;
}
