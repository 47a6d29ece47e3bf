/** Bounds on what a client waits for and takes in, each with its reason. */
import { CODEC_LIMITS, type CodecLimits } from "../../protocol/limits.ts";

/** Milliseconds until an answer has begun; the slowest is a full state of a large cluster. */
export const ANSWER_TIMEOUT_MS = 30_000;

/** Redirects in a row: to the leader, once more when it changes, and slack. */
export const REDIRECT_COUNT_MAX = 5;

/** Bytes of one event; an OFFERS event of 10,000 agents is a few megabytes. */
export const EVENT_BYTES_MAX: number = 64 * 1024 * 1024;

/** Characters of an error body that are shown. */
export const ERROR_TEXT_LENGTH = 500;

/** Missed heartbeats before a silent stream counts as broken (http-api 3.4). */
export const HEARTBEATS_MISSED_MAX = 3;

/** A client trusts the master it asked: a state of 400,000 tasks has to pass. */
export const CLIENT_CODEC_LIMITS: CodecLimits = {
  ...CODEC_LIMITS,
  bodyBytes: 2 * 1024 * 1024 * 1024,
  jsonValueCount: 200_000_000,
  repeatedCount: 20_000_000,
  valueCount: 100_000_000,
};
