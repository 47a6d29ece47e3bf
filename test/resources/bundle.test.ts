/** Single rules of bundles: rounding, counted resources, order, refusal to go below zero. */
import { describe, expect, test } from "bun:test";
import type { Resource } from "../../src/protocol/v1/types.ts";
import { Bundle } from "../../src/resources/bundle.ts";
import { ResourceKinds } from "../../src/resources/kinds.ts";

function scalar(name: string, value: number, rest: Partial<Resource> = {}): Resource {
  return { name, type: "SCALAR", scalar: { value }, ...rest };
}

function volume(size: number, path: string, rest: Partial<Resource> = {}): Resource {
  return scalar("disk", size, {
    reservations: [{ type: "STATIC", role: "db" }],
    disk: { persistence: { id: "v1" }, volume: { mode: "RW", container_path: path } },
    ...rest,
  });
}

const MOUNT: Partial<Resource> = { disk: { source: { type: "MOUNT", mount: { root: "/d1" } } } };

describe("scalars", () => {
  test("are rounded to the nearest thousandth, and less is nothing [semantics 2.11]", () => {
    const kinds = new ResourceKinds();
    const bundle = Bundle.from(kinds, [scalar("cpus", 1.0004), scalar("mem", 0.0004)]);
    expect(bundle.scalarMilli("cpus")).toBe(1000);
    expect(bundle.scalarNames()).toEqual(["cpus"]);
    expect(Bundle.from(kinds, [scalar("cpus", 0.0005)]).scalarMilli("cpus")).toBe(1);
  });

  test("of one name are summed over all kinds", () => {
    const reserved = { reservations: [{ type: "STATIC", role: "db" }] } as const;
    const bundle = Bundle.from(new ResourceKinds(), [
      scalar("cpus", 1),
      scalar("cpus", 2, reserved),
    ]);
    expect(bundle.scalarMilli("cpus")).toBe(3000);
    expect(bundle.toResources()).toHaveLength(2);
  });

  test("beyond those of another bundle are what there is more of, kind by kind", () => {
    const kinds = new ResourceKinds();
    const bundle = Bundle.from(kinds, [scalar("cpus", 3), scalar("mem", 10), scalar("gpus", 1)]);
    const other = Bundle.from(kinds, [scalar("cpus", 1.5), scalar("mem", 20)]);
    const expected = Bundle.from(kinds, [scalar("cpus", 1.5), scalar("gpus", 1)]);
    expect(bundle.beyond(other).equals(expected)).toBe(true);
    expect(bundle.scalarMilli("cpus")).toBe(3000);
  });

  test("that reach zero drop out [semantics 2.11]", () => {
    const bundle = Bundle.from(new ResourceKinds(), [scalar("cpus", 0.3)]);
    bundle.subtract(bundle.clone());
    expect(bundle.isEmpty()).toBe(true);
    expect(bundle.toResources()).toEqual([]);
  });

  test("cannot go below zero: that is an assertion and changes nothing", () => {
    const kinds = new ResourceKinds();
    const bundle = Bundle.from(kinds, [scalar("cpus", 1), scalar("mem", 10)]);
    const tooMuch = Bundle.from(kinds, [scalar("cpus", 1), scalar("mem", 11)]);
    expect(() => bundle.subtract(tooMuch)).toThrow("{cpus:1;mem:10} does not contain");
    expect(bundle.scalarMilli("cpus")).toBe(1000);
  });
});

describe("ranges", () => {
  test("are coalesced, whether they overlap or touch [semantics 2.11]", () => {
    const range = [
      { begin: 7, end: 9 },
      { begin: 1, end: 3 },
      { begin: 4, end: 5 },
      { begin: 2, end: 2 },
    ];
    const ports: Resource = { name: "ports", type: "RANGES", ranges: { range } };
    const [resource] = Bundle.from(new ResourceKinds(), [ports]).toResources();
    expect(resource?.ranges?.range).toEqual([
      { begin: 1, end: 5 },
      { begin: 7, end: 9 },
    ]);
  });

  test("at the largest safe integer lose nothing", () => {
    const kinds = new ResourceKinds();
    const end = Number.MAX_SAFE_INTEGER;
    const all: Resource = { name: "ids", type: "RANGES", ranges: { range: [{ begin: 0, end }] } };
    const last: Resource = { ...all, ranges: { range: [{ begin: end, end }] } };
    const bundle = Bundle.from(kinds, [all]);
    bundle.subtract(Bundle.from(kinds, [last]));
    expect(bundle.toResources()[0]?.ranges?.range).toEqual([{ begin: 0, end: end - 1 }]);
  });
});

describe("persistent volumes and whole disks", () => {
  test("a volume is taken whole or not at all", () => {
    const kinds = new ResourceKinds();
    const bundle = Bundle.from(kinds, [volume(100, "data")]);
    expect(bundle.contains(Bundle.from(kinds, [volume(50, "data")]))).toBe(false);
    expect(bundle.contains(Bundle.from(kinds, [volume(100, "data")]))).toBe(true);
  });

  test("a task may mount a volume elsewhere than it was created, and its path is kept", () => {
    const kinds = new ResourceKinds();
    const task = Bundle.from(kinds, [volume(100, "elsewhere")]);
    const agent = Bundle.from(kinds, [volume(100, "data")]);
    expect(agent.contains(task)).toBe(true);
    expect(task.toResources()).toEqual([volume(100, "elsewhere")]);
    expect(agent.withAllocation("db").withoutAllocation().toResources()).toEqual([
      volume(100, "data"),
    ]);
  });

  test("two equal MOUNT disks stay two", () => {
    const kinds = new ResourceKinds();
    const disks = Bundle.from(kinds, [scalar("disk", 10, MOUNT), scalar("disk", 10, MOUNT)]);
    expect(disks.toResources()).toHaveLength(2);
    expect(disks.scalarMilli("disk")).toBe(20_000);
    expect(disks.contains(Bundle.from(kinds, [scalar("disk", 20, MOUNT)]))).toBe(false);
  });

  test("PATH disks of one root are divisible", () => {
    const kinds = new ResourceKinds();
    const path: Partial<Resource> = { disk: { source: { type: "PATH", path: { root: "/d" } } } };
    const disk = Bundle.from(kinds, [scalar("disk", 10, path), scalar("disk", 5, path)]);
    expect(disk.contains(Bundle.from(kinds, [scalar("disk", 12, path)]))).toBe(true);
    expect(disk.toResources()).toHaveLength(1);
  });

  test("a shared volume is counted per holder, and its size once", () => {
    const kinds = new ResourceKinds();
    const one = Bundle.from(kinds, [volume(100, "data", { shared: {} })]);
    const used = one.clone();
    used.add(one);
    expect(used.scalarMilli("disk")).toBe(100_000);
    expect(one.contains(used)).toBe(false);
    expect(used.equals(one)).toBe(false);
    used.subtract(one);
    expect(used.equals(one)).toBe(true);
    used.subtract(one);
    expect(used.isEmpty()).toBe(true);
  });
});

describe("messages of a bundle", () => {
  test("come in order of name, then kind", () => {
    const kinds = new ResourceKinds();
    const reserved = { reservations: [{ type: "STATIC", role: "a" }] } as const;
    const bundle = Bundle.from(kinds, [
      scalar("mem", 1),
      scalar("cpus", 2),
      scalar("cpus", 1, reserved),
    ]);
    const shown = bundle.toResources().map(({ name, scalar: value }) => [name, value?.value]);
    expect(shown).toEqual([
      ["cpus", 2],
      ["cpus", 1],
      ["mem", 1],
    ]);
  });

  test("of two allocation roles merge once the allocation is taken away [semantics 4.11]", () => {
    const kinds = new ResourceKinds();
    const plain = Bundle.from(kinds, [scalar("cpus", 1)]);
    const both = plain.withAllocation("a");
    both.add(plain.withAllocation("b"));
    expect(both.allocationRoles()).toEqual(["a", "b"]);
    expect(both.withoutAllocation().toResources()).toEqual([scalar("cpus", 2)]);
    expect(both.filter(({ allocationRole }) => allocationRole === "b").scalarMilli("cpus")).toBe(
      1000,
    );
  });

  test("of two tables of kinds never meet", () => {
    const a = Bundle.empty(new ResourceKinds());
    expect(() => a.add(Bundle.empty(new ResourceKinds()))).toThrow("two tables");
  });
});

describe("interned bundles", () => {
  test("share their content when they are equal, until one changes", () => {
    const kinds = new ResourceKinds();
    const make = (cpus: number): Bundle =>
      Bundle.from(kinds, [scalar("cpus", cpus), scalar("mem", 64)]).interned();
    const [one, two, other] = [make(2), make(2), make(3)];
    expect(one.isCopyOf(two)).toBe(true);
    expect(one.isCopyOf(other)).toBe(false);
    one.subtract(Bundle.from(kinds, [scalar("cpus", 1)]));
    expect(two.scalarMilli("cpus")).toBe(2000);
    expect(make(2).isCopyOf(two)).toBe(true);
  });

  test("keep the words of their own disk", () => {
    const kinds = new ResourceKinds();
    const one = Bundle.from(kinds, [volume(1, "a")]).interned();
    const two = Bundle.from(kinds, [volume(1, "b")]).interned();
    expect(one.equals(two)).toBe(true);
    expect(two.toResources()[0]?.disk?.volume?.container_path).toBe("b");
  });
});
