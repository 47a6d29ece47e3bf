/**
 * Which form an answer of the agent's operator API takes: a message, or records of messages, and in
 * which encoding. Source: http-api 2.1, 2.3, 3.1.
 */
import { ok, type Result, refuse } from "../../base/result.ts";
import { acceptsMediaType, MEDIA_TYPES, type MediaType } from "../../protocol/media-types.ts";

export const RECORD_IO = "application/recordio";

export interface AnswerForm {
  /** Of each message. */
  readonly mediaType: MediaType;
  /** Only records are accepted; false where a plain type is, which streams use as well. */
  readonly isRecordIo: boolean;
}

/** Errors: notAcceptable. */
export function answerForm(headers: Headers): Result<AnswerForm> {
  const accept = headers.get("accept");
  const messageAccept = headers.get("message-accept");
  const plain = MEDIA_TYPES.find((one) => acceptsMediaType(accept, one));
  if (plain === undefined && !acceptsMediaType(accept, RECORD_IO)) {
    const text = `application/json or application/x-protobuf or ${RECORD_IO}`;
    return refuse("notAcceptable", `Expecting 'Accept' to allow ${text}`);
  }
  if (plain !== undefined) {
    if (messageAccept === null || accept?.toLowerCase().includes(RECORD_IO) === true) {
      return ok({ mediaType: plain, isRecordIo: false });
    }
    const text = `Expecting 'Message-Accept' to be not set without 'Accept: ${RECORD_IO}'`;
    return refuse("notAcceptable", text);
  }
  const mediaType = MEDIA_TYPES.find((one) => acceptsMediaType(messageAccept, one));
  if (mediaType !== undefined) return ok({ mediaType, isRecordIo: true });
  const text = "Expecting 'Message-Accept' to allow application/json or application/x-protobuf";
  return refuse("notAcceptable", text);
}

/** Heads of an answer in records. */
export function streamHeaders({ mediaType, isRecordIo }: AnswerForm): Record<string, string> {
  if (!isRecordIo) return { "Content-Type": mediaType };
  return { "Content-Type": RECORD_IO, "Message-Content-Type": mediaType };
}
