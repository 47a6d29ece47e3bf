/** Reads documents to their end, for tests. */

import type { MasterState } from "../../../../src/master/core/state.ts";
import {
  type Document,
  type MessageBuilder,
  MessageDocument,
} from "../../../../src/master/core/views/document.ts";
import { OPEN_ACLS } from "../../../../src/security/acls.ts";
import { Viewer } from "../../../../src/security/viewer.ts";

/** All pieces of a document of text, one thing at a time. */
export function textOf(document: Document): string {
  let text = "";
  for (const section of document) {
    for (let index = 0; index < section.count(); index++) text += section.write(index, index + 1);
  }
  return text;
}

export function jsonOf(document: Document): Readonly<Record<string, unknown>> {
  return JSON.parse(textOf(document)) as Readonly<Record<string, unknown>>;
}

/** Sees everything. */
export const EVERYTHING: Viewer = new Viewer(OPEN_ACLS, undefined);

/** What a view of the v1 API describes to somebody who sees everything. */
export function messageOf<Message>(
  describe: (builder: MessageBuilder<Message>, state: MasterState, viewer: Viewer) => void,
  state: MasterState,
): Message {
  const document = new MessageDocument<Message>();
  describe(document, state, EVERYTHING);
  return document.whole();
}
