/** Bounds of the link between agent and master, each with its reason. */

/** Version of the handshake and of the frames; both sides must speak the same. */
export const LINK_PROTOCOL: number = 1;

/** Bytes of one WebSocket message: a registration of 10,000 tasks of 3 KB, twice over. */
export const MAX_PACKET_BYTES: number = 64 * 1024 * 1024;

/** Bytes a packet leaves for its epoch and heads; a message may have all the rest. */
export const PACKET_OVERHEAD_BYTES: number = 1024;

/** Bytes after which a packet is full: large enough to spread its cost, small enough to be quick. */
export const PACKET_FULL_BYTES: number = 256 * 1024;

/** Frames of one packet; the sender starts a new packet well before. */
export const MAX_FRAMES_PER_PACKET: number = 1024;

/** Elements of one CBOR array or map: tasks of one agent, with room. */
export const MAX_LINK_ARRAY: number = 200_000;

/** Values of one packet: 10,000 tasks of 200 each, twice over; they take 200 MB at the worst. */
export const MAX_LINK_VALUES: number = 4_000_000;

/** Levels of nesting: the 100 messages the v1 codec allows, each in a list, and our own heads. */
export const MAX_LINK_DEPTH: number = 256;

/** Messages put into one `messages` frame, so that one packet never stalls the reader for long. */
export const MAX_MESSAGES_PER_FRAME: number = 256;

/** Bytes in flight before the sender waits for credit: a second of full load. */
export const LINK_WINDOW_BYTES: number = 8 * 1024 * 1024;

/** Messages that may wait for credit before the link is cut as too slow; a reconnect heals it. */
export const MAX_QUEUED_MESSAGES: number = 100_000;

/** Bytes that may wait for credit likewise; a full registration must fit. */
export const MAX_QUEUED_BYTES: number = 64 * 1024 * 1024;

/** Time for the other side to send hello or welcome. */
export const HANDSHAKE_TIMEOUT_MS: number = 10_000;

/** Heartbeats without a word from the other side after which the link is cut. */
export const HEARTBEATS_MISSED: number = 3;

/** Streams open at once on one link; each holds one window of memory. */
export const MAX_STREAMS: number = 256;

/** Bytes of one stream in flight. */
export const STREAM_WINDOW_BYTES: number = 256 * 1024;

/** Bytes of one stream frame, so that messages get in between and a window is kept to closely. */
export const STREAM_PIECE_BYTES: number = 64 * 1024;
