/** Bundles against the model of model.ts: every operation gives what plain maps of bigints give. */
import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import type { Resource } from "../../src/protocol/v1/types.ts";
import { Bundle } from "../../src/resources/bundle.ts";
import { formatResources } from "../../src/resources/format.ts";
import { ResourceKinds } from "../../src/resources/kinds.ts";
import { parseResources } from "../../src/resources/parse.ts";
import { toPreRefinement } from "../../src/resources/refinement.ts";
import { FLAG_RESOURCES, holds, minus, modelOf, plus, RESOURCES, textOf } from "./model.ts";

const THREE = [RESOURCES, RESOURCES, RESOURCES] as const;

function contentOf(bundle: Bundle): string {
  return textOf(modelOf(bundle.toResources().map(toPreRefinement)));
}

function sum(a: Bundle, b: Bundle): Bundle {
  const result = a.clone();
  result.add(b);
  return result;
}

describe("a bundle behaves as the model", () => {
  test("from and toResources keep the content [semantics 2.11]", () => {
    void fc.assert(
      fc.property(RESOURCES, (resources) => {
        const kinds = new ResourceKinds();
        const bundle = Bundle.from(kinds, resources);
        expect(contentOf(bundle)).toBe(textOf(modelOf(resources)));
        expect(Bundle.from(kinds, bundle.toResources()).equals(bundle)).toBe(true);
        expect(bundle.isEmpty()).toBe(textOf(modelOf(resources)) === "");
      }),
    );
  });

  test("add, contains and subtract give what the model gives [DESIGN 3]", () => {
    void fc.assert(
      fc.property(...THREE, (a, b, c) => {
        const kinds = new ResourceKinds();
        const bundle = Bundle.from(kinds, a);
        bundle.add(Bundle.from(kinds, b));
        const model = plus(modelOf(a), modelOf(b));
        expect(contentOf(bundle)).toBe(textOf(model));
        const wanted = Bundle.from(kinds, c);
        expect(bundle.contains(wanted)).toBe(holds(model, modelOf(c)));
        if (!bundle.contains(wanted)) return expect(() => bundle.subtract(wanted)).toThrow();
        bundle.subtract(wanted);
        return expect(contentOf(bundle)).toBe(textOf(minus(model, modelOf(c))));
      }),
      { numRuns: 500 },
    );
  });

  test("any part can be taken out, and leaves what the model leaves [DESIGN 3]", () => {
    void fc.assert(
      fc.property(RESOURCES, RESOURCES, (a, b) => {
        const kinds = new ResourceKinds();
        const bundle = sum(Bundle.from(kinds, a), Bundle.from(kinds, b));
        const left = minus(plus(modelOf(a), modelOf(b)), modelOf(b));
        bundle.subtract(Bundle.from(kinds, b));
        expect(contentOf(bundle)).toBe(textOf(left));
        expect(bundle.toResources().every(({ scalar }) => scalar?.value !== 0)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  test("two bundles intersect exactly when they have something in common", () => {
    void fc.assert(
      fc.property(RESOURCES, RESOURCES, (a, b) => {
        const kinds = new ResourceKinds();
        const [one, two] = [modelOf(a), modelOf(b)];
        const isExpected =
          [...one.scalars.keys()].some((key) => two.scalars.has(key)) ||
          [...one.members].some(
            ([key, members]) => !members.isDisjointFrom(two.members.get(key) ?? new Set()),
          );
        expect(Bundle.from(kinds, a).intersects(Bundle.from(kinds, b))).toBe(isExpected);
      }),
    );
  });
});

describe("the laws of addition", () => {
  test("add is commutative and associative", () => {
    void fc.assert(
      fc.property(...THREE, (x, y, z) => {
        const kinds = new ResourceKinds();
        const [a, b, c] = [x, y, z].map((resources) => Bundle.from(kinds, resources));
        if (a === undefined || b === undefined || c === undefined) throw new Error("three");
        expect(sum(a, b).equals(sum(b, a))).toBe(true);
        expect(sum(sum(a, b), c).equals(sum(a, sum(b, c)))).toBe(true);
      }),
    );
  });

  test("subtracting the part and adding it again restores the whole", () => {
    void fc.assert(
      fc.property(RESOURCES, RESOURCES, (x, y) => {
        const kinds = new ResourceKinds();
        const part = Bundle.from(kinds, y);
        const whole = sum(Bundle.from(kinds, x), part);
        const copy = whole.clone();
        copy.subtract(part);
        expect(whole.contains(copy)).toBe(true);
        copy.add(part);
        expect(copy.equals(whole)).toBe(true);
      }),
    );
  });

  test("a clone and the operand of add are untouched by later changes", () => {
    void fc.assert(
      fc.property(RESOURCES, RESOURCES, (x, y) => {
        const kinds = new ResourceKinds();
        const first = Bundle.from(kinds, x);
        const second = Bundle.from(kinds, y);
        const total = first.clone();
        total.add(second);
        total.add(second);
        total.subtract(total);
        expect(total.isEmpty()).toBe(true);
        expect(contentOf(first)).toBe(textOf(modelOf(x)));
        expect(contentOf(second)).toBe(textOf(modelOf(y)));
      }),
    );
  });

  test("allocating and taking the allocation away restores the bundle [semantics 4.11]", () => {
    void fc.assert(
      fc.property(RESOURCES, (x) => {
        const kinds = new ResourceKinds();
        const bundle = Bundle.from(kinds, x);
        const allocated = bundle.withAllocation("web");
        expect(allocated.allocationRoles()).toEqual(bundle.isEmpty() ? [] : ["web"]);
        expect(allocated.withoutAllocation().equals(bundle)).toBe(true);
        expect(allocated.intersects(bundle)).toBe(false);
      }),
    );
  });
});

test("10,000 operations with values such as 0.1 and 0.001 do not drift [semantics 2.11]", () => {
  const value = fc.constantFrom(0.001, 0.1, 0.2, 0.3, 0.7, 1.001, 2.675, 1024.057);
  const steps = fc.array(value, { minLength: 5000, maxLength: 5000, size: "max" });
  void fc.assert(
    fc.property(steps, (values) => {
      const kinds = new ResourceKinds();
      const parts = values.map((cpus) => Bundle.from(kinds, [scalar(cpus)]));
      const bundle = Bundle.empty(kinds);
      let milli = 0n;
      for (const [index, part] of parts.entries()) {
        bundle.add(part);
        milli += BigInt((values[index] ?? 0).toFixed(3).replace(".", ""));
      }
      expect(BigInt(bundle.scalarMilli("cpus"))).toBe(milli);
      for (const part of parts.toReversed()) bundle.subtract(part);
      expect(bundle.isEmpty()).toBe(true);
    }),
    { numRuns: 5 },
  );
});

test("what is printed parses to an equal bundle [semantics 2.11]", () => {
  void fc.assert(
    fc.property(FLAG_RESOURCES, (resources) => {
      const kinds = new ResourceKinds();
      const bundle = Bundle.from(kinds, resources);
      const parsed = parseResources(formatResources(bundle.toResources()), "*");
      if (!parsed.ok) throw new Error(parsed.error.message);
      expect(Bundle.from(kinds, parsed.value).equals(bundle)).toBe(true);
    }),
  );
});

function scalar(value: number): Resource {
  return { name: "cpus", type: "SCALAR", scalar: { value } };
}

describe("copies share their content", () => {
  const step = fc.record({
    kind: fc.constantFrom("clone", "add", "subtract", "allocate", "unallocate", "filter" as const),
    from: fc.nat(3),
    to: fc.nat(3),
  });

  test("and changing one never changes another [DESIGN 3]", () => {
    void fc.assert(
      fc.property(RESOURCES, RESOURCES, fc.array(step, { maxLength: 40 }), (a, b, steps) => {
        const kinds = new ResourceKinds();
        const fresh = (bundle: Bundle): Bundle => Bundle.from(kinds, bundle.toResources());
        const bundles = [a, b, a, b].map((resources) => Bundle.from(kinds, resources));
        // The same four, of which none shares anything with another.
        const apart = bundles.map(fresh);
        for (const { kind, from, to } of steps) {
          const [source, target] = [bundles[from], bundles[to]];
          const [sourceApart, targetApart] = [apart[from], apart[to]];
          if (source === undefined || sourceApart === undefined) continue;
          if (target === undefined || targetApart === undefined) continue;
          if (kind === "clone") {
            bundles[to] = source.clone();
            apart[to] = fresh(sourceApart);
          } else if (kind === "add") {
            target.add(source);
            targetApart.add(fresh(sourceApart));
          } else if (kind === "subtract") {
            expect(target.contains(source)).toBe(targetApart.contains(fresh(sourceApart)));
            if (!target.contains(source)) continue;
            target.subtract(source);
            targetApart.subtract(fresh(sourceApart));
          } else if (kind === "allocate") {
            bundles[to] = source.withAllocation("web");
            apart[to] = fresh(sourceApart.withAllocation("web"));
          } else if (kind === "unallocate") {
            bundles[to] = source.withoutAllocation();
            apart[to] = fresh(sourceApart.withoutAllocation());
          } else {
            bundles[to] = source.filter(({ name }) => name !== "cpus");
            apart[to] = fresh(sourceApart.filter(({ name }) => name !== "cpus"));
          }
          for (const [index, bundle] of bundles.entries()) {
            const other = apart[index] ?? Bundle.empty(kinds);
            expect(bundle.equals(other)).toBe(true);
            expect(sumsOf(bundle)).toEqual(sumsOf(other));
          }
        }
      }),
      { numRuns: 200 },
    );
  });
});

/** The summary by scalar index, whatever the order of its places. */
function sumsOf(bundle: Bundle): Map<number, readonly (number | undefined)[]> {
  const { indexes, milli, quotaMilli, sharedMilli } = bundle.summary();
  return new Map(
    indexes.map((index, place) => [index, [milli[place], quotaMilli[place], sharedMilli[place]]]),
  );
}
