/** Requests that no server may accept, drawn at random from a seed. */

export interface MalformedRequest {
  /** For people. */
  readonly what: string;
  readonly url: string;
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body: string | Uint8Array<ArrayBuffer> | undefined;
  /** Text that the answer must hold: the field to blame. */
  readonly names: string | undefined;
}

export interface Targets {
  readonly master: string;
  readonly agent: string;
  /** A framework that is subscribed. */
  readonly frameworkId: string;
}

/** A number in [0, 1), the same sequence for the same seed (mulberry32). */
export function seededDice(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const JSON_TYPE = "application/json";
const PROTOBUF_TYPE = "application/x-protobuf";

/** SUBSCRIBE of `{user: "root", name: "x"}` in protobuf; every shorter prefix is malformed. */
const SUBSCRIBE_BYTES = new Uint8Array([
  0x10, 0x01, 0x1a, 0x0b, 0x0a, 0x09, 0x0a, 0x04, 0x72, 0x6f, 0x6f, 0x74, 0x12, 0x01, 0x78,
]);

type Dice = () => number;

/** One request; what it is depends on the dice alone. */
export function malformedRequest(dice: Dice, targets: Targets): MalformedRequest {
  const make = pick(dice, KINDS);
  return make(dice, targets);
}

const KINDS: readonly ((dice: Dice, targets: Targets) => MalformedRequest)[] = [
  (dice, targets) => ({
    ...post(dice, targets, JSON_TYPE),
    what: "random bytes as JSON",
    body: randomBytes(dice, 1 + below(dice, 2000)),
  }),
  (dice, targets) => ({
    ...post(dice, targets, PROTOBUF_TYPE),
    what: "random bytes as protobuf",
    // A first byte of 0 or 7 is no tag, so that no luck makes it a message.
    body: concat(new Uint8Array([pick(dice, [0, 7])]), randomBytes(dice, below(dice, 2000))),
  }),
  (dice, targets) => ({
    ...post(dice, targets, PROTOBUF_TYPE),
    url: `${targets.master}/api/v1/scheduler`,
    what: "truncated protobuf",
    body: SUBSCRIBE_BYTES.slice(0, 3 + below(dice, SUBSCRIBE_BYTES.length - 3)),
  }),
  (dice, targets) => {
    const depth = 200 + below(dice, 20_000);
    return {
      ...post(dice, targets, JSON_TYPE),
      what: "deep JSON",
      body: `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`,
    };
  },
  (dice, targets) => ({
    ...scheduler(targets),
    what: "a huge string as a name",
    body: JSON.stringify({
      type: "SUBSCRIBE",
      subscribe: {
        framework_info: { user: "root", name: 5, id: { value: "x".repeat(below(dice, 100_000)) } },
      },
    }),
    names: "framework_info.name",
  }),
  (dice, targets) => {
    const wrong = pick<unknown>(dice, [1, "text", [], true, { value: 1 }]);
    return {
      ...scheduler(targets),
      what: `a wrong type: framework_id ${JSON.stringify(wrong)}`,
      body: JSON.stringify({ type: "REVIVE", framework_id: wrong }),
      names: "framework_id",
    };
  },
  (dice, targets) => {
    const [type, field] = pick(dice, [
      ["ACCEPT", "accept"],
      ["DECLINE", "decline"],
      ["KILL", "kill"],
      ["ACKNOWLEDGE", "acknowledge"],
      ["SHUTDOWN", "shutdown"],
      ["MESSAGE", "message"],
      ["RECONCILE", "reconcile"],
    ] as const);
    return {
      ...scheduler(targets),
      what: `${type} without its payload`,
      body: JSON.stringify({ type, framework_id: { value: targets.frameworkId } }),
      names: field,
    };
  },
  (dice, targets) => {
    const [payload, field] = pick<readonly [object, string]>(dice, [
      [{ type: "SUBSCRIBE", subscribe: {} }, "framework_info"],
      [{ type: "SUBSCRIBE", subscribe: { framework_info: { name: "x" } } }, "user"],
      [{ type: "KILL", framework_id: { value: "f" }, kill: {} }, "task_id"],
      [{ type: "SHUTDOWN", framework_id: { value: "f" }, shutdown: {} }, "executor_id"],
      [{ framework_id: { value: "f" } }, "type"],
      [{ type: "REVIVE" }, "framework_id"],
      [{ type: "SUBSCRIBE" }, "subscribe"],
    ]);
    return {
      ...scheduler(targets),
      what: `a missing ${field}`,
      body: JSON.stringify(payload),
      names: field,
    };
  },
  (dice, targets) => {
    const type = pick(dice, [
      "text/plain",
      "application/json; charset=utf-8",
      "application/xml",
      "",
    ]);
    const base = post(dice, targets, type);
    const headers = type === "" ? { Accept: JSON_TYPE, "Content-Type": "x" } : base.headers;
    return {
      ...base,
      headers,
      what: `content type ${type}`,
      body: JSON.stringify({ type: "GET_HEALTH" }),
      names: "Content-Type",
    };
  },
  (dice, targets) => {
    const id = pick(dice, ["", "x", "0".repeat(5000), "3ad1ebdb-0ba8-4e43-8f5b-f1c8ac0a6c6a"]);
    const base = scheduler(targets);
    return {
      ...base,
      headers: id === "" ? base.headers : { ...base.headers, "Mesos-Stream-Id": id },
      what: `stream id of ${id.length} characters`,
      body: JSON.stringify({ type: "REVIVE", framework_id: { value: targets.frameworkId } }),
      names: id === "" ? "Mesos-Stream-Id" : "stream ID",
    };
  },
  (dice, targets) => ({
    ...post(dice, targets, JSON_TYPE),
    method: pick(dice, ["GET", "PUT", "DELETE", "PATCH"]),
    body: undefined,
    what: "another method",
    names: "POST",
  }),
  (dice, targets) => ({
    ...scheduler(targets),
    what: "an unknown call",
    body: JSON.stringify({ type: `X${below(dice, 1e6)}`, framework_id: { value: "f" } }),
    names: "type",
  }),
  (dice, targets) => ({
    what: "an unknown path",
    url: `${pick(dice, [targets.master, targets.agent])}/nowhere/${below(dice, 1e6)}`,
    method: "GET",
    headers: {},
    body: undefined,
    names: undefined,
  }),
];

function scheduler(targets: Targets): Omit<MalformedRequest, "what" | "body"> {
  return {
    url: `${targets.master}/api/v1/scheduler`,
    method: "POST",
    headers: { "Content-Type": JSON_TYPE, Accept: JSON_TYPE },
    names: undefined,
  };
}

function post(dice: Dice, targets: Targets, type: string): Omit<MalformedRequest, "what" | "body"> {
  const url = pick(dice, [
    `${targets.master}/api/v1/scheduler`,
    `${targets.master}/api/v1`,
    `${targets.agent}/api/v1`,
  ]);
  return {
    url,
    method: "POST",
    headers: { "Content-Type": type, Accept: JSON_TYPE },
    names: undefined,
  };
}

function below(dice: Dice, limit: number): number {
  return Math.floor(dice() * limit);
}

function pick<T>(dice: Dice, items: readonly T[]): T {
  const item = items[below(dice, items.length)];
  if (item === undefined) throw new Error("nothing to pick from");
  return item;
}

/** Never a digit, `{` or space first, which might begin JSON. */
function randomBytes(dice: Dice, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 1) bytes[at] = below(dice, 256);
  if (length > 0) bytes[0] = 0xff;
  return bytes;
}

function concat(
  left: Uint8Array<ArrayBuffer>,
  right: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(left.length + right.length);
  joined.set(left);
  joined.set(right, left.length);
  return joined;
}
