/** What resources are refused, with the path of the field to blame [semantics 2.11, 3.6, 5, 6.7]. */
import { describe, expect, test } from "bun:test";
import type { Resource } from "../../src/protocol/v1/types.ts";
import { validateResources } from "../../src/resources/validate.ts";

const CPUS: Resource = { name: "cpus", type: "SCALAR", scalar: { value: 1 } };
const DISK: Resource = { ...CPUS, name: "disk" };
const STATIC = { type: "STATIC", role: "a" } as const;
const DYNAMIC = { type: "DYNAMIC", role: "a/b" } as const;
const VOLUME: Resource = { ...DISK, reservations: [STATIC], disk: { persistence: { id: "v" } } };

function fieldOf(resource: Resource): string | undefined {
  const result = validateResources([resource], "r");
  return result.ok ? "accepted" : result.error.field;
}

const REFUSED: readonly [string, Resource, string][] = [
  ["an empty name", { ...CPUS, name: "" }, "r[0].name"],
  ["text", { name: "x", type: "TEXT" }, "r[0].type"],
  ["a scalar without a value", { name: "cpus", type: "SCALAR" }, "r[0].scalar"],
  ["a scalar with ranges beside it", { ...CPUS, ranges: {} }, "r[0].ranges"],
  ["a negative scalar", { ...CPUS, scalar: { value: -0.1 } }, "r[0].scalar"],
  ["NaN", { ...CPUS, scalar: { value: Number.NaN } }, "r[0].scalar"],
  ["infinity", { ...CPUS, scalar: { value: Infinity } }, "r[0].scalar"],
  ["half a GPU", { ...CPUS, name: "gpus", scalar: { value: 0.5 } }, "r[0].scalar"],
  [
    "a range the wrong way round",
    { name: "p", type: "RANGES", ranges: { range: [{ begin: 2, end: 1 }] } },
    "r[0].ranges",
  ],
  [
    "a range beyond exact integers",
    { name: "p", type: "RANGES", ranges: { range: [{ begin: 1, end: 2 ** 53 }] } },
    "r[0].ranges",
  ],
  ["a set with a double", { name: "s", type: "SET", set: { item: ["a", "a"] } }, "r[0].set"],
  ["a bad role", { ...CPUS, role: "/a" }, "r[0].role"],
  ["a dynamic reservation for nobody", { ...CPUS, role: "*", reservation: {} }, "r[0].role"],
  [
    "a reservation for *",
    { ...CPUS, reservations: [{ type: "STATIC", role: "*" }] },
    "r[0].reservations[0]",
  ],
  [
    "a reservation without a type",
    { ...CPUS, reservations: [{ role: "a" }] },
    "r[0].reservations[0]",
  ],
  [
    "a static refinement",
    { ...CPUS, reservations: [STATIC, { type: "STATIC", role: "a/b" }] },
    "r[0].reservations[1]",
  ],
  [
    "a refinement elsewhere",
    { ...CPUS, reservations: [STATIC, { type: "DYNAMIC", role: "ab" }] },
    "r[0].reservations[1]",
  ],
  [
    "a role that is not the reservation's",
    { ...CPUS, role: "b", reservations: [STATIC] },
    "r[0].reservations",
  ],
  [
    "a bad allocation role",
    { ...CPUS, allocation_info: { role: "a b" } },
    "r[0].allocation_info.role",
  ],
  ["disk details on cpus", { ...CPUS, disk: {} }, "r[0].disk"],
  [
    "a disk source of no type",
    { ...DISK, disk: { source: { type: "UNKNOWN" } } },
    "r[0].disk.source.type",
  ],
  ["an unreserved volume", { ...DISK, disk: { persistence: { id: "v" } } }, "r[0].reservations"],
  [
    "a volume id that is a path",
    { ...VOLUME, disk: { persistence: { id: "../v" } } },
    "r[0].disk.persistence.id",
  ],
  ["a revocable volume", { ...VOLUME, revocable: {} }, "r[0].revocable"],
  ["sharing of plain disk", { ...DISK, shared: {} }, "r[0].shared"],
];

describe("resources are refused", () => {
  for (const [what, resource, field] of REFUSED) {
    test(`for ${what}`, () => expect(fieldOf(resource)).toBe(field));
  }

  test("when one name has two types [semantics 2.11]", () => {
    const ranges: Resource = { name: "cpus", type: "RANGES", ranges: {} };
    expect(validateResources([CPUS, ranges], "r").ok).toBe(false);
  });
});

test("sound resources in all forms are accepted", () => {
  const shared: Resource = { ...VOLUME, shared: {} };
  const sound = [
    CPUS,
    { ...CPUS, role: "a" },
    { ...CPUS, role: "a", reservation: { principal: "p" } },
    { ...CPUS, reservations: [STATIC, DYNAMIC] },
    { ...CPUS, name: "gpus", scalar: { value: 2 } },
    { ...CPUS, scalar: { value: 0 } },
    VOLUME,
    shared,
  ];
  expect(validateResources(sound, "r")).toEqual({ ok: true, value: undefined });
});
