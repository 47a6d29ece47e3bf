/** The three reservation formats: going out and coming back changes nothing [http-api 3.3]. */
import { expect, test } from "bun:test";
import * as fc from "fast-check";
import type { Resource } from "../../src/protocol/v1/types.ts";
import {
  isRefined,
  toEndpointFormat,
  toPostRefinement,
  toPreRefinement,
} from "../../src/resources/refinement.ts";
import { validateResources } from "../../src/resources/validate.ts";

const ROLES = ["a", "a/b", "a/b/c"];

/** Stacks of 0 to 3 reservations, in post-refinement form. */
const POST = fc
  .record({
    depth: fc.integer({ min: 0, max: 3 }),
    isStatic: fc.boolean(),
    principal: fc.option(fc.string(), { nil: undefined }),
  })
  .map(({ depth, isStatic, principal }): Resource => {
    const reservations = ROLES.slice(0, depth).map((role, index) =>
      isStatic && index === 0
        ? ({ type: "STATIC", role } as const)
        : ({ type: "DYNAMIC", role, ...(principal === undefined ? {} : { principal }) } as const),
    );
    const cpus: Resource = { name: "cpus", type: "SCALAR", scalar: { value: 1 } };
    return depth === 0 ? cpus : { ...cpus, reservations };
  });

test("pre-refinement and back is the identity on what is not refined", () => {
  void fc.assert(
    fc.property(POST, (resource) => {
      if (isRefined(resource)) return expect(() => toPreRefinement(resource)).toThrow();
      const pre = toPreRefinement(resource);
      expect(pre.reservations).toBeUndefined();
      expect(validateResources([pre], "r").ok).toBe(true);
      return expect(toPostRefinement(pre)).toEqual(resource);
    }),
  );
});

test("the endpoint format is valid input and comes back unchanged", () => {
  void fc.assert(
    fc.property(POST, (resource) => {
      const endpoint = toEndpointFormat(resource);
      expect(validateResources([endpoint], "r")).toEqual({ ok: true, value: undefined });
      expect(toPostRefinement(endpoint)).toEqual(resource);
    }),
  );
});

test("the endpoint format shows role and reservation only where there is one of them", () => {
  const cpus: Resource = { name: "cpus", type: "SCALAR", scalar: { value: 1 } };
  const dynamic = { type: "DYNAMIC", role: "a", principal: "p" } as const;
  expect(toEndpointFormat(cpus).role).toBe("*");
  expect(toEndpointFormat({ ...cpus, reservations: [dynamic] })).toEqual({
    ...cpus,
    reservations: [dynamic],
    role: "a",
    reservation: { principal: "p" },
  });
  const stack = [dynamic, { type: "DYNAMIC", role: "a/b" } as const];
  expect(toEndpointFormat({ ...cpus, reservations: stack }).role).toBeUndefined();
});
