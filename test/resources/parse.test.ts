/** The text and JSON forms of `--resources`, what they refuse, and how they are printed. */
import { describe, expect, test } from "bun:test";
import { createCodec } from "../../src/protocol/codec.ts";
import type { Resource } from "../../src/protocol/v1/types.ts";
import { formatResources, toEndpointResources } from "../../src/resources/format.ts";
import { RESOURCES_TEXT_LENGTH } from "../../src/resources/limits.ts";
import { parseResources } from "../../src/resources/parse.ts";

function parsed(text: string, role = "*"): Resource[] {
  const result = parseResources(text, role, createCodec());
  if (!result.ok) throw new Error(result.error.message);
  return result.value;
}

function refused(text: string): string {
  const result = parseResources(text, "*", createCodec());
  return result.ok ? "accepted" : result.error.message;
}

describe("the text form [semantics 2.11]", () => {
  test("holds scalars, ranges and sets, with or without a role", () => {
    expect(parsed("cpus:2.5; mem(web):512 ;ports:[31000-32000, 8080-8080];zones:{a,b}")).toEqual([
      { name: "cpus", type: "SCALAR", scalar: { value: 2.5 } },
      {
        name: "mem",
        type: "SCALAR",
        scalar: { value: 512 },
        reservations: [{ type: "STATIC", role: "web" }],
      },
      {
        name: "ports",
        type: "RANGES",
        ranges: {
          range: [
            { begin: 31000, end: 32000 },
            { begin: 8080, end: 8080 },
          ],
        },
      },
      { name: "zones", type: "SET", set: { item: ["a", "b"] } },
    ]);
  });

  test("without a role means the default role, and * means nobody", () => {
    expect(
      parsed("cpus:1;mem(*):2", "eng/ci").map(({ reservations }) => reservations?.[0]?.role),
    ).toEqual(["eng/ci", undefined]);
  });

  test("keeps a zero, which stops the agent from detecting that name", () => {
    expect(parsed("cpus:0").map(({ scalar }) => scalar?.value)).toEqual([0]);
  });

  test("may be empty, have empty pieces, empty ranges and empty sets", () => {
    expect(parsed("")).toEqual([]);
    expect(parsed(";cpus:1;;\n")).toHaveLength(1);
    expect(parsed("ports:[];zones:{}")).toHaveLength(2);
  });

  const cases: readonly [string, string][] = [
    ["cpus", "'cpus' is not a resource; write name:value or name(role):value"],
    [":4", "':4' is not a resource; write name:value or name(role):value"],
    ["cpus(web:4", "'cpus(web:4' is not a resource; write name:value or name(role):value"],
    ["cpus:", "resource cpus: the value is empty; write one after the colon"],
    ["cpus:many", "resource cpus: 'many' is neither a number nor [ranges] nor {a set}"],
    ["cpus:1:2", "resource cpus: '1:2' is neither a number nor [ranges] nor {a set}"],
    ["cpus:0x10", "resource cpus: '0x10' is neither a number nor [ranges] nor {a set}"],
    ["cpus:-1", "Resource cpus is -1; give a number from 0 to 100000000000"],
    ["cpus:1e999", "resource cpus: 1e999 is too large a number; write a smaller one"],
    ["gpus:1.5", "Resource gpus is 1.5; give whole GPUs"],
    ["ports:[1-2", "resource ports: [1-2 must end with its only ]"],
    ["ports:[1-2]3", "resource ports: [1-2]3 must end with its only ]"],
    ["ports:[5]", "resource ports: '5' is not a range; write begin-end, as 31000-32000"],
    ["ports:[9-1]", "resource ports: range 9-1 begins after its end; write 1-9"],
    [
      "ports:[1-9007199254740993]",
      "resource ports: '1-9007199254740993' is not a range; write begin-end, as 31000-32000",
    ],
    ["zones:{a,,b}", "resource zones: {a,,b} has an empty item; take out the extra comma"],
    ["zones:{a,a}", "resource zones: {a,a} names an item twice; name each once"],
    ["zones:a{b}", "resource zones: a{b} has a { inside; begin the value with it"],
    ["cpus:1;cpus:[1-2]", "Resource cpus is SCALAR and RANGES; use one type per name"],
    ["cpus():1", "Role '' in 'resources[0].role' must not be empty"],
    ["cpus(a//b):1", "Role 'a//b' in 'resources[0].role' must not contain '//'"],
  ];
  for (const [text, message] of cases) {
    test(`refuses ${text} and says why`, () => expect(refused(text)).toBe(message));
  }

  test("is bounded, and hostile texts are refused in linear time", () => {
    expect(refused("x".repeat(RESOURCES_TEXT_LENGTH + 1))).toContain("longer than");
    expect(refused("cpus:1;".repeat(10_001))).toContain("more than 10000");
    for (const hostile of [
      `a(${" ".repeat(250_000)}`,
      `a:${"1".repeat(250_000)}x`,
      `a:[${"-".repeat(250_000)}]`,
    ]) {
      expect(refused(hostile)).not.toBe("accepted");
    }
  });
});

describe("the JSON form [semantics 2.11]", () => {
  test("takes Resource objects in any reservation format", () => {
    const text = JSON.stringify([
      { name: "cpus", type: "SCALAR", scalar: { value: 1 }, role: "web" },
      { name: "mem", type: "SCALAR", scalar: { value: 2 } },
      {
        name: "disk",
        type: "SCALAR",
        scalar: { value: 9 },
        role: "*",
        disk: { source: { type: "MOUNT", mount: { root: "/d1" } } },
      },
      {
        name: "cpus",
        type: "SCALAR",
        scalar: { value: 3 },
        revocable: {},
        reservations: [{ type: "STATIC", role: "db" }],
      },
    ]);
    const roles = parsed(text, "eng").map(({ reservations }) => reservations?.[0]?.role);
    expect(roles).toEqual(["web", "eng", undefined, "db"]);
  });

  test("names the object at fault", () => {
    expect(
      refused('[{"name":"cpus","type":"SCALAR","scalar":{"value":1}},{"name":"x"}]'),
    ).toContain("resources[1]");
    expect(refused("[1")).toContain("not JSON");
    expect(refused('[{"name":"a","type":"TEXT"}]')).toContain("use SCALAR, RANGES or SET");
  });

  test("is refused where no codec is at hand", () => {
    expect(parseResources("[]", "*").ok).toBe(false);
  });
});

describe("printing", () => {
  test("spells out what no flag can say", () => {
    const resource: Resource = {
      name: "disk",
      type: "SCALAR",
      scalar: { value: 1.5 },
      allocation_info: { role: "web" },
      reservations: [{ type: "DYNAMIC", role: "web", principal: "p" }],
      disk: { persistence: { id: "v" }, volume: { mode: "RW", container_path: "data" } },
      shared: {},
    };
    expect(formatResources([resource])).toBe(
      "disk(allocated: web)(reservations: [(DYNAMIC,web,p)])[v:data]<SHARED>:1.5",
    );
  });

  test("gives the RESOURCES object of the endpoints [http-api 9.1]", () => {
    expect(toEndpointResources([])).toEqual({ cpus: 0, gpus: 0, mem: 0, disk: 0 });
    const text = "cpus:0.1;cpus(a):0.2;ports:[5-6];ports(a):[1-2,7-9];zones:{x,y};bandwidth:10";
    const revocable: Resource = {
      name: "cpus",
      type: "SCALAR",
      scalar: { value: 4 },
      revocable: {},
    };
    expect(toEndpointResources([...parsed(text), revocable])).toEqual({
      cpus: 0.3,
      gpus: 0,
      mem: 0,
      disk: 0,
      ports: "[1-2, 5-9]",
      zones: "{x, y}",
      bandwidth: 10,
      cpus_revocable: 4,
    });
  });

  test("is not led astray by names that objects have by themselves", () => {
    const shown = toEndpointResources(parsed("constructor:1;__proto__:2;toString:3"));
    expect(Object.entries(shown).slice(4)).toEqual([
      ["constructor", 1],
      ["__proto__", 2],
      ["toString", 3],
    ]);
  });

  test("counts a shared volume once, however many hold it", () => {
    const shared: Resource = {
      name: "disk",
      type: "SCALAR",
      scalar: { value: 7 },
      reservations: [{ type: "STATIC", role: "db" }],
      disk: { persistence: { id: "v" } },
      shared: {},
    };
    expect(toEndpointResources([shared, shared])["disk"]).toBe(7);
  });
});
