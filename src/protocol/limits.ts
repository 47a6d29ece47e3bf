/** Bounds on what one message from outside may cost, each with its reason. */

/** What a codec accepts at most; a client of large answers may make one with wider limits. */
export interface CodecLimits {
  /** Bytes of one encoded message. */
  readonly bodyBytes: number;
  /** Messages inside messages, the outermost counting as one. */
  readonly messageDepth: number;
  /** Open brackets and braces of a JSON text, unknown keys included. */
  readonly jsonDepth: number;
  /** Values of a JSON text, about: commas, brackets and braces outside strings. */
  readonly jsonValueCount: number;
  /** Characters of one string; a bytes field is bounded by the body alone. */
  readonly stringLength: number;
  /** Elements of one list, entries of one map in JSON; `valueCount` bounds maps in protobuf. */
  readonly repeatedCount: number;
  /** Messages and elements of the whole body together. */
  readonly valueCount: number;
}

/** Limits for what a server reads. */
export const CODEC_LIMITS: CodecLimits = {
  // Room for an ACCEPT of 10,000 tasks of 1.5 KB each; more would stall the event loop for long.
  bodyBytes: 16 * 1024 * 1024,
  // The recursion limit of the C++ protobuf library, so no message legal for Mesos is refused.
  messageDepth: 100,
  // A message level takes at most an object and an array; the rest is slack for unknown keys.
  jsonDepth: 256,
  // A reconciliation of 100,000 tasks is 500,000; as many distinct keys parse in about 0.3 s.
  jsonValueCount: 600_000,
  // Far above any command line or label; keeps one field from dominating every state answer.
  stringLength: 1024 * 1024,
  // A reconciliation of 100,000 tasks, twice over.
  repeatedCount: 200_000,
  // The same reconciliation is four values per task; the objects stay around 50 MB at the worst.
  valueCount: 500_000,
};

/** Characters of a platform's JSON.parse message that we repeat; it may quote the input at length. */
export const PARSE_MESSAGE_LENGTH = 160;

/** Characters of a number given as a string: enough for any 64-bit integer or double. */
export const NUMERIC_STRING_LENGTH = 64;

/** Digits of a RecordIO header: 10 GB, above any limit a decoder is made with. */
export const RECORD_HEADER_DIGITS = 10;

/** Bytes of a task, executor or framework id (Mesos: common id validation, NAME_MAX). */
export const ID_BYTES = 255;

/** Bytes of one container id (Mesos: `slave/validation.cpp`, room for the cgroup's own parts). */
export const CONTAINER_ID_BYTES = 242;

/** Bytes of an `Accept` header that are looked at; clients send well under 1 KB. */
export const ACCEPT_HEADER_LENGTH = 8192;

/** Operations of one ACCEPT, each judged on its own; one LAUNCH may have any number of tasks. */
export const ACCEPT_OPERATIONS = 5000;

/** Bytes of a UUID on the wire. */
export const UUID_BYTES = 16;
