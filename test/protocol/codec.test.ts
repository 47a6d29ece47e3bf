/**
 * The rules for messages from outside, one by one, and hostile bodies. Method: small bodies written
 * by hand, in JSON as text and in protobuf as bytes.
 */
import { describe, expect, test } from "bun:test";
import type { Refusal, Result } from "../../src/base/result.ts";
import { createCodec } from "../../src/protocol/codec.ts";
import { CODEC_LIMITS } from "../../src/protocol/limits.ts";
import type { SchedulerCall, V1Messages } from "../../src/protocol/v1/types.ts";

const JSON_TYPE = "application/json";
const PROTOBUF = "application/x-protobuf";
const CALL = "mesos.v1.scheduler.Call";

const codec = createCodec();

function accepted<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(`refused: ${result.error.message}`);
  return result.value;
}

function refusalOf(result: Result<unknown>): Refusal {
  if (result.ok) throw new Error(`accepted: ${JSON.stringify(result.value)}`);
  return result.error;
}

function fromText(text: string): Result<SchedulerCall> {
  return codec.decode(CALL, JSON_TYPE, new TextEncoder().encode(text));
}

function read<N extends keyof V1Messages>(name: N, value: unknown): V1Messages[N] {
  return accepted(codec.fromJson(name, value));
}

function refuse(name: keyof V1Messages, value: unknown): Refusal {
  return refusalOf(codec.fromJson(name, value));
}

const task = { name: "t", task_id: { value: "t1" }, agent_id: { value: "S1" } };

describe("JSON input", () => {
  test("unknown keys are ignored and null means absent [http-api 3.2]", () => {
    const call = accepted(fromText('{"type":"REVIVE","frameworkId":{"value":"x"},"accept":null}'));
    expect(call).toEqual({ type: "REVIVE" });
  });

  test("a missing required field is named by its path [http-api 3.2]", () => {
    const tasks = [task, task, { name: "t", task_id: { value: "t3" } }];
    const call = {
      type: "ACCEPT",
      accept: { operations: [{ type: "LAUNCH", launch: { task_infos: tasks } }] },
    };
    const path = "accept.operations[0].launch.task_infos[2].agent_id";
    expect(refuse(CALL, call)).toEqual({
      code: "invalid",
      message: `Failed to convert JSON into Call protobuf: Missing required fields: ${path}`,
      field: path,
    });
  });

  test("enums are names; unknown names leave optional fields unset [http-api 3.2]", () => {
    expect(read(CALL, { type: "JUGGLE" })).toEqual({});
    expect(refuse(CALL, { type: 2 }).message).toContain("Not expecting a JSON number for field");
    // Unset fields read as their default, where they have one.
    expect(read("mesos.v1.NetworkInfo.IPAddress", { protocol: "IPv9" })).toEqual({
      protocol: "IPv4",
    });
  });

  test("unknown enum names are skipped in lists and refused where required [http-api 3.2]", () => {
    const capabilities = ["CHOWN", "JUGGLE", "KILL"];
    expect(read("mesos.v1.CapabilityInfo", { capabilities })).toEqual({
      capabilities: ["CHOWN", "KILL"],
    });
    const refusal = refuse("mesos.v1.Resource", { name: "cpus", type: "COMPLEX" });
    expect(refusal.field).toBe("type");
    expect(refusal.message).toContain("'COMPLEX'");
  });

  test("numbers and booleans may come as strings [http-api 3.2]", () => {
    expect(read("mesos.v1.DurationInfo", { nanoseconds: "9007199254740991" })).toEqual({
      nanoseconds: 9007199254740991,
    });
    expect(read("mesos.v1.Value.Scalar", { value: "Infinity" }).value).toBe(
      Number.POSITIVE_INFINITY,
    );
    expect(read("mesos.v1.Value.Scalar", { value: "-Infinity" }).value).toBe(
      Number.NEGATIVE_INFINITY,
    );
    expect(read("mesos.v1.Value.Scalar", { value: "1.5e3" }).value).toBe(1500);
    expect(read("mesos.v1.CommandInfo", { shell: "false" }).shell).toBe(false);
    for (const value of ["", "NaN", "0x10", " 1", "1 ", "infinity", "1".repeat(100)]) {
      expect(refuse("mesos.v1.Value.Scalar", { value }).field, value).toBe("value");
    }
    expect(refuse("mesos.v1.CommandInfo", { shell: "yes" }).field).toBe("shell");
    expect(refuse("mesos.v1.CommandInfo", { shell: 1 }).field).toBe("shell");
  });

  test("integers truncate and stay in the range of their type [http-api 3.2]", () => {
    expect(read("mesos.v1.DurationInfo", { nanoseconds: -1.9 })).toEqual({ nanoseconds: -1 });
    const port = (value: unknown) => refuse("mesos.v1.Address", { port: value }).message;
    expect(port(2 ** 31)).toContain("out of the range of int32");
    expect(port("-2147483649")).toContain("out of the range of int32");
    const check = (value: unknown) =>
      codec.fromJson("mesos.v1.HealthCheck", { consecutive_failures: value });
    expect(check(-1).ok).toBe(false);
    expect(check(2 ** 32).ok).toBe(false);
    expect(check(2 ** 32 - 1).ok).toBe(true);
    for (const value of [2 ** 64, "-9223372036854777856", Number.POSITIVE_INFINITY]) {
      expect(refuse("mesos.v1.TimeInfo", { nanoseconds: value }).field).toBe("nanoseconds");
    }
    expect(refuse("mesos.v1.TimeInfo", { nanoseconds: Number.NaN }).message).toContain("NaN");
  });

  test("a bare value stands for a list of one; a list for a single field is refused [http-api 3.2]", () => {
    expect(read(CALL, { revive: { roles: "eng" } }).revive?.roles).toEqual(["eng"]);
    expect(read(CALL, { decline: { offer_ids: { value: "O1" } } }).decline?.offer_ids).toEqual([
      { value: "O1" },
    ]);
    expect(refuse(CALL, { framework_id: [{ value: "f" }] }).message).toContain(
      "Not expecting a JSON array for field (framework_id)",
    );
    expect(refuse(CALL, { revive: { roles: [["eng"]] } }).field).toBe("revive.roles[0]");
  });

  test("a duration may come in nanoseconds, and is never lost for its words", () => {
    const grace = (max_grace_period: unknown): unknown =>
      read("mesos.v1.master.Call.DrainAgent", { agent_id: { value: "S1" }, max_grace_period })
        .max_grace_period;
    expect(grace({ seconds: 5, nanos: 7 })).toEqual({ seconds: 5, nanos: 7 });
    expect(grace({ nanoseconds: 90_500_000_000 })).toEqual({ seconds: 90, nanos: 500_000_000 });
    expect(grace({ nanoseconds: "1000000000" })).toEqual({ seconds: 1 });
    // Told as such to whoever judges what may be.
    expect(grace({ nanoseconds: -1_500_000_000 })).toEqual({ seconds: -1, nanos: -500_000_000 });
    expect(grace({ nanoseconds: null, seconds: 1, why: "unknown" })).toEqual({ seconds: 1 });
    expect(grace({})).toEqual({});
    expect(grace(null)).toBeUndefined();
    const wrong = [{ secs: 5 }, { seconds: 1, nanoseconds: 1 }, { nanoseconds: null }];
    for (const max_grace_period of wrong) {
      const bad = { agent_id: { value: "S1" }, max_grace_period };
      expect(refuse("mesos.v1.master.Call.DrainAgent", bad)).toMatchObject({
        code: "invalid",
        message: expect.stringContaining(
          "Expecting either 'seconds' and 'nanos', or 'nanoseconds'",
        ),
        field: "max_grace_period",
      });
    }
  });

  test("empty lists and maps count as absent, null elements are skipped [http-api 3.2]", () => {
    expect(read(CALL, { revive: { roles: [] } }).revive).toEqual({});
    expect(read(CALL, { revive: { roles: [null, "a"] } }).revive).toEqual({ roles: ["a"] });
    expect(read("mesos.v1.TaskInfo", { ...task, limits: {} }).limits).toBeUndefined();
  });

  test("bytes must be base64 and become canonical [http-api 3.2]", () => {
    const read64 = (value: string) => codec.fromJson("mesos.v1.UUID", { value });
    expect(accepted(read64("YR==")).value).toBe("YQ==");
    expect(accepted(read64("YQ")).value).toBe("YQ==");
    expect(refusalOf(read64("Y*==")).message).toBe(
      "Failed to convert JSON into UUID protobuf: Failed to base64 decode bytes field 'value' (value)",
    );
    expect(read64("Y").ok).toBe(false);
    expect(read64("YQ=").ok).toBe(false);
  });

  test("explicit defaults of fields that are not deprecated are filled in [http-api 3.2]", () => {
    expect(read("mesos.v1.Filters", {})).toEqual({ refuse_seconds: 5 });
    expect(read("mesos.v1.FrameworkInfo", { user: "u", name: "n" })).toEqual({
      user: "u",
      name: "n",
      failover_timeout: 0,
      checkpoint: false,
    });
    expect(read("mesos.v1.CommandInfo", {}).shell).toBe(true);
    expect(refuse("mesos.v1.MasterInfo", { id: "m", ip: 1 }).field).toBe("port");
  });

  test("something else than an object is refused [http-api 3.2]", () => {
    for (const text of ["[]", "1", "null", '"x"', "true"]) {
      expect(refusalOf(fromText(text)).message).toBe(
        "Failed to convert JSON into Call protobuf: Expecting a JSON object",
      );
    }
    expect(refuse(CALL, { framework_id: "f" }).message).toContain("Not expecting a JSON string");
    expect(refuse("mesos.v1.TaskInfo", { ...task, limits: [] }).field).toBe("limits");
  });

  test("text that is no JSON is refused as such [http-api 2.3]", () => {
    for (const text of ["", "{", '{"type":"REVIVE"} x', "{'type':1}", "\ufeff{}", '{"a":01}']) {
      const refusal = refusalOf(fromText(text));
      expect(refusal.code).toBe("invalid");
      expect(refusal.message).toStartWith("Failed to parse body into JSON: ");
      expect(refusal.message.length).toBeLessThan(300);
    }
    const invalid = Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d);
    expect(refusalOf(codec.decode(CALL, JSON_TYPE, invalid)).message).toBe(
      "Failed to parse body into JSON: it is not valid UTF-8",
    );
  });

  test("keys named after prototypes change nothing [style 11]", () => {
    const text = `{"name":"t","task_id":{"value":"t"},"agent_id":{"value":"S"},"__proto__":{"name":"x","source":"evil"},
      "constructor":{"prototype":{"evil":1}},
      "limits":{"__proto__":{"value":1},"constructor":{"value":2}}}`;
    const info = read("mesos.v1.TaskInfo", JSON.parse(text));
    expect(Object.entries(info.limits ?? {})).toEqual([
      ["__proto__", { value: 1 }],
      ["constructor", { value: 2 }],
    ]);
    expect(Object.getPrototypeOf(info)).toBe(Object.prototype);
    expect("value" in {}).toBe(false);
    const again = codec.decode(
      "mesos.v1.TaskInfo",
      PROTOBUF,
      codec.encode("mesos.v1.TaskInfo", PROTOBUF, info),
    );
    expect(accepted(again)).toEqual(info);
  });

  test("half surrogate pairs are refused, as they have no UTF-8 [http-api 3.2]", () => {
    const refusal = refusalOf(fromText('{"framework_id":{"value":"\\ud800"}}'));
    expect(refusal.field).toBe("framework_id.value");
  });

  test("the message is fresh [style 2]", () => {
    const input = { revive: { roles: ["a"] } };
    const call = read(CALL, input);
    input.revive.roles.push("b");
    expect(call.revive?.roles).toEqual(["a"]);
  });
});

describe("JSON output", () => {
  test("infinite doubles are strings, never null [http-api 3.2]", () => {
    const limits = {
      cpus: { value: Number.POSITIVE_INFINITY },
      mem: { value: Number.NEGATIVE_INFINITY },
    };
    const text = codec.toJsonText("mesos.v1.TaskInfo", { ...task, limits });
    expect(JSON.parse(text).limits).toEqual({
      cpus: { value: "Infinity" },
      mem: { value: "-Infinity" },
    });
    expect(accepted(codec.fromJson("mesos.v1.TaskInfo", JSON.parse(text))).limits).toEqual(limits);
  });

  test("text that says null is written as it is", () => {
    const text = codec.toJsonText("mesos.v1.TaskID", { value: "null" });
    expect(text).toBe('{"value":"null"}');
  });

  test("NaN fails an assertion instead of becoming null", () => {
    expect(() => codec.toJsonText("mesos.v1.Value.Scalar", { value: Number.NaN })).toThrow("NaN");
  });
});

describe("protobuf input", () => {
  const call = (...bytes: number[]) => codec.decode(CALL, PROTOBUF, Uint8Array.from(bytes));

  test("defaults are filled in and absent fields stay absent [http-api 3.2]", () => {
    const decoded = codec.decode("mesos.v1.Filters", PROTOBUF, new Uint8Array());
    expect(accepted(decoded)).toEqual({ refuse_seconds: 5 });
    expect(accepted(call())).toEqual({});
  });

  test("a missing required field is named by its path [http-api 2.3]", () => {
    // revive-less KILL: field 6 holds an empty message, which lacks task_id.
    expect(refusalOf(call(0x32, 0x00))).toEqual({
      code: "invalid",
      message: "Failed to parse body into Call protobuf: Missing required fields: kill.task_id",
      field: "kill.task_id",
    });
  });

  test("an unknown enum number counts as unset; where required it is refused [http-api 3.2]", () => {
    expect(accepted(call(0x10, 0x63))).toEqual({});
    expect(
      accepted(call(0x10, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01)),
    ).toEqual({});
    const resource = Uint8Array.of(0x0a, 0x01, 0x61, 0x10, 0x63);
    expect(refusalOf(codec.decode("mesos.v1.Resource", PROTOBUF, resource)).field).toBe("type");
  });

  test("unknown fields of each wire type are skipped [http-api 3.2]", () => {
    const skipped = [
      [0xf8, 0x07, 0x96, 0x01],
      [0xf9, 0x07, 1, 2, 3, 4, 5, 6, 7, 8],
      [0xfa, 0x07, 0x02, 1, 2],
      [0xfd, 0x07, 1, 2, 3, 4],
    ];
    for (const bytes of skipped) {
      expect(accepted(call(...bytes, 0x10, 0x03))).toEqual({ type: "ACCEPT" });
    }
  });

  test("a known field with another wire type counts as unknown [http-api 3.2]", () => {
    expect(accepted(call(0x12, 0x01, 0x03))).toEqual({});
  });

  test("packed and repeated parts of a list come together; parts of a message merge", () => {
    const capability = codec.decode(
      "mesos.v1.CapabilityInfo",
      PROTOBUF,
      Uint8Array.of(0x08, 0xe8, 0x07, 0x0a, 0x02, 0xe9, 0x07),
    );
    expect(accepted(capability).capabilities).toEqual(["CHOWN", "DAC_OVERRIDE"]);
    const twice = [0x7a, 0x03, 0x0a, 0x01, 0x61, 0x7a, 0x03, 0x0a, 0x01, 0x62];
    expect(accepted(call(...twice))).toEqual({ revive: { roles: ["a", "b"] } });
    const info = Uint8Array.of(
      0x32,
      0x05,
      0x0a,
      0x03,
      0x0a,
      0x01,
      0x74,
      0x32,
      0x0a,
      0x12,
      0x03,
      0x0a,
      0x01,
      0x53,
      0x0a,
      0x03,
      0x0a,
      0x01,
      0x75,
    );
    expect(JSON.stringify(accepted(codec.decode(CALL, PROTOBUF, info)))).toBe(
      '{"kill":{"task_id":{"value":"u"},"agent_id":{"value":"S"}}}',
    );
  });

  test("malformed wire data is refused and nothing thrown [issue 2]", () => {
    const bodies: Record<string, number[]> = {
      "field number 0": [0x00, 0x01],
      "start of a group": [0x0b, 0x0c],
      "end of a group": [0x0c],
      "wire type 6": [0x0e],
      "wire type 7": [0x0f],
      "truncated tag": [0x80],
      "tag of five bytes too large": [0xff, 0xff, 0xff, 0xff, 0x7f, 0x00],
      "tag that never ends": new Array(20).fill(0xff),
      "varint that never ends": [0x10, ...new Array(20).fill(0xff)],
      "truncated varint": [0x10, 0x80],
      "truncated length": [0x0a, 0x80],
      "length beyond the end": [0x0a, 0x05, 0x0a],
      "length of 4 GB": [0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f],
      "length of 2 GB": [0x0a, 0xff, 0xff, 0xff, 0xff, 0x07],
      "inner length beyond the outer": [0x0a, 0x02, 0x0a, 0x05, 0x61, 0x61, 0x61, 0x61, 0x61],
      "unknown field beyond the end": [0xfa, 0x07, 0x7f],
      "unknown fixed64 cut short": [0xf9, 0x07, 1, 2],
      "text that is not UTF-8": [0x0a, 0x03, 0x0a, 0x01, 0xff],
      "varint across the end of its message": [0x3a, 0x01, 0x80],
    };
    for (const [what, bytes] of Object.entries(bodies)) {
      const refusal = refusalOf(call(...bytes));
      expect(refusal.code, what).toBe("invalid");
      expect(refusal.message, what).toStartWith("Failed to parse body into Call protobuf: ");
    }
  });

  test("NaN is refused [issue 2]", () => {
    const nan = Uint8Array.of(0x09, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f);
    expect(refusalOf(codec.decode("mesos.v1.Value.Scalar", PROTOBUF, nan)).field).toBe("value");
  });

  test("64-bit integers survive, their ends as the last number inside [http-api 3.2]", () => {
    const last = 2 ** 63 - 1024;
    for (const nanoseconds of [-last, last, -1, 2 ** 53 + 2, -(2 ** 53) - 2]) {
      const body = codec.encode("mesos.v1.TimeInfo", PROTOBUF, { nanoseconds });
      expect(accepted(codec.decode("mesos.v1.TimeInfo", PROTOBUF, body))).toEqual({ nanoseconds });
    }
    const max = Uint8Array.of(0x08, ...new Array(8).fill(0xff), 0x7f);
    const min = Uint8Array.of(0x08, ...new Array(9).fill(0x80), 0x01);
    expect(accepted(codec.decode("mesos.v1.TimeInfo", PROTOBUF, max)).nanoseconds).toBe(last);
    expect(accepted(codec.decode("mesos.v1.TimeInfo", PROTOBUF, min)).nanoseconds).toBe(-last);
    // JSON output must stay inside the range, or strict clients could not read it.
    const text = codec.toJsonText(
      "mesos.v1.TimeInfo",
      read("mesos.v1.TimeInfo", { nanoseconds: "9223372036854775807" }),
    );
    expect(BigInt(/\d+/.exec(text)?.[0] ?? "")).toBeLessThan(2n ** 63n);
  });

  test("an int32 is negative in ten bytes [protobuf]", () => {
    const body = codec.encode("mesos.v1.Address", PROTOBUF, { port: -1 });
    expect(body.length).toBe(11);
    expect(accepted(codec.decode("mesos.v1.Address", PROTOBUF, body))).toEqual({ port: -1 });
  });
});

describe("messages of our own making", () => {
  test("a message that is not complete fails an assertion", () => {
    const encode = (message: unknown) => () =>
      codec.encode("mesos.v1.Resource", PROTOBUF, message as never);
    expect(encode({ name: "cpus" })).toThrow("mesos.v1.Resource lacks type");
    expect(encode({ name: "cpus", type: "COMPLEX" })).toThrow("type cannot be COMPLEX");
    expect(encode({ name: true, type: "SET" })).toThrow("name is a boolean, not a string");
    expect(encode({ name: 1, type: "SET" })).toThrow("name is a number, not a string");
    const port = (value: number) => () =>
      codec.encode("mesos.v1.Address", PROTOBUF, { port: value });
    expect(port(1.5)).toThrow("port is no int32: 1.5");
    expect(port(2 ** 31)).toThrow("port is no int32");
  });
});

describe("bounds", () => {
  const small = createCodec({
    ...CODEC_LIMITS,
    bodyBytes: 4096,
    repeatedCount: 10,
    valueCount: 30,
    stringLength: 20,
  });

  test("a body above the limit is too large in both encodings [issue 2]", () => {
    for (const mediaType of [JSON_TYPE, PROTOBUF] as const) {
      expect(refusalOf(small.decode(CALL, mediaType, new Uint8Array(4097))).code).toBe("tooLarge");
    }
  });

  test("ten million open brackets are refused at once [issue 2]", () => {
    for (const bracket of ["[", '{"a":', '[{"a":']) {
      const body = new TextEncoder().encode(bracket.repeat(10_000_000 / bracket.length));
      const refusal = refusalOf(codec.decode(CALL, JSON_TYPE, body));
      expect(refusal.message).toBe(
        "Failed to parse body into JSON: nesting is deeper than 256 levels",
      );
    }
  });

  test("brackets inside strings and after escaped quotes do not count [issue 2]", () => {
    const value = `${'"\\'.repeat(50)}${"[".repeat(1000)}`;
    expect(accepted(fromText(JSON.stringify({ framework_id: { value } }))).framework_id).toEqual({
      value,
    });
  });

  test("millions of values are refused before they are made [issue 2]", () => {
    const body = new TextEncoder().encode(`[${"{},".repeat(5_000_000)}{}]`);
    expect(refusalOf(codec.decode(CALL, JSON_TYPE, body)).message).toContain(
      "more than 600000 values",
    );
  });

  test("container ids nested without end are refused in both encodings [issue 2]", () => {
    let json: unknown = { value: "c" };
    for (let level = 0; level < 100; level++) json = { value: "c", parent: json };
    expect(refuse("mesos.v1.ContainerID", json).message).toContain("deeper than 100 levels");
    expect(
      refusalOf(codec.decode("mesos.v1.ContainerID", PROTOBUF, nestedContainerId(100_000))).message,
    ).toContain("deeper than 100 levels");
    expect(codec.decode("mesos.v1.ContainerID", PROTOBUF, nestedContainerId(99)).ok).toBe(true);
  });

  test("lists, values and texts are bounded in both encodings [issue 2]", () => {
    const roles = Array.from({ length: 11 }, () => "r");
    const tasks = Array.from({ length: 10 }, () => ({
      task_id: { value: "t" },
      agent_id: { value: "a" },
    }));
    const cases: [SchedulerCall, string, string][] = [
      [{ revive: { roles } }, "more than 10 elements", "revive.roles"],
      [{ reconcile: { tasks } }, "more than 30 values", "reconcile.tasks["],
      [{ framework_id: { value: "f".repeat(21) } }, "longer than 20", "framework_id.value"],
    ];
    for (const [message, complaint, field] of cases) {
      for (const mediaType of [JSON_TYPE, PROTOBUF] as const) {
        const refusal = refusalOf(
          small.decode(CALL, mediaType, codec.encode(CALL, mediaType, message)),
        );
        expect(refusal.message, mediaType).toContain(complaint);
        expect(refusal.field, mediaType).toStartWith(field);
      }
    }
  });

  test("five million empty elements in protobuf are refused early [issue 2]", () => {
    const body = new Uint8Array(10_000_000);
    for (let index = 0; index < body.length; index += 2) body.set([0x0a, 0x00], index);
    expect(refusalOf(codec.decode("mesos.v1.Value.Ranges", PROTOBUF, body)).field).toBe(
      "range[0].begin",
    );
    expect(
      refusalOf(codec.decode("mesos.v1.scheduler.Call.Revive", PROTOBUF, body)).message,
    ).toContain("more than 200000 elements");
  });
});

/** ContainerID bodies inside each other, built from the inside out. */
function nestedContainerId(levels: number): Uint8Array {
  const parts: number[][] = [];
  let length = 0;
  for (let level = 0; level <= levels; level++) {
    const header = [0x0a, 0x01, 0x63];
    if (level > 0) header.push(0x12, ...varint(length));
    parts.push(header);
    length += header.length;
  }
  return Uint8Array.from(parts.reverse().flat());
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return [...bytes, rest];
}
