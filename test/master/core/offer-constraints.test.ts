/** Offer constraints: what is refused at SUBSCRIBE and at UPDATE_FRAMEWORK, and how. */
import { describe, expect, test } from "bun:test";
import type {
  SchedulerAttributeConstraint,
  SchedulerOfferConstraints,
} from "../../../src/protocol/v1/types.ts";
import { eventTypes, SUCCESS, World } from "./harness.ts";

const RACK = { attribute_name: "rack" };

function constraintsOf(
  ...list: readonly SchedulerAttributeConstraint[]
): SchedulerOfferConstraints {
  return { role_constraints: { "*": { groups: [{ attribute_constraints: list }] } } };
}

const matching = (regex: string): SchedulerAttributeConstraint => ({
  selector: RACK,
  predicate: { text_matches: { regex } },
});

describe("offer constraints", () => {
  test("that are complete are taken over as a whole [semantics 3.4, 3.7]", () => {
    const world = new World();
    const offer_constraints = constraintsOf(
      { selector: RACK, predicate: { exists: {} } },
      { selector: { pseudoattribute_type: "ZONE" }, predicate: { text_equals: { value: "a" } } },
      matching("r[0-9]+"),
    );
    const stream = world.subscribe({}, { offer_constraints });
    const framework = world.state.frameworks.get(stream.frameworkId as never);
    expect(framework?.offerConstraints).toEqual(offer_constraints);
    const framework_info = { ...framework?.info, user: "nobody", name: "test" };
    const call = { type: "UPDATE_FRAMEWORK", update_framework: { framework_info } } as const;
    expect(world.call(stream, call)).toEqual(SUCCESS);
    expect(framework?.offerConstraints).toBeUndefined();
  });

  const many = Array.from({ length: 101 }, () => matching("r"));
  const faults: readonly [string, SchedulerOfferConstraints, string][] = [
    ["no groups", { role_constraints: { "*": {} } }, "empty group"],
    ["an empty group", { role_constraints: { "*": { groups: [{}] } } }, "empty group"],
    ["no selector", constraintsOf({ selector: {}, predicate: { exists: {} } }), "selector"],
    [
      "two selectors",
      constraintsOf({
        selector: { ...RACK, pseudoattribute_type: "HOSTNAME" },
        predicate: { exists: {} },
      }),
      "selector",
    ],
    [
      "an unknown pseudoattribute",
      constraintsOf({ selector: { pseudoattribute_type: "UNKNOWN" }, predicate: { exists: {} } }),
      "HOSTNAME, REGION or ZONE",
    ],
    ["no predicate", constraintsOf({ selector: RACK, predicate: {} }), "predicate"],
    ["a broken regular expression", constraintsOf(matching("(")), "Regular expression '('"],
    ["an expensive one", constraintsOf(matching("(a{9}){99}")), "too large"],
    ["too many of them", constraintsOf(...many), "at most 100"],
  ];
  for (const [what, offer_constraints, text] of faults) {
    test(`with ${what} are refused at SUBSCRIBE [semantics 3.2 rule 3]`, () => {
      const stream = new World().subscribe({}, { offer_constraints });
      expect(eventTypes(stream)).toEqual(["ERROR"]);
      expect(stream.events[0]?.error?.message).toContain(text);
    });

    test(`with ${what} are refused at UPDATE_FRAMEWORK [semantics 3.4]`, () => {
      const world = new World();
      const stream = world.subscribe();
      const id = { value: stream.frameworkId };
      const framework_info = { id, user: "nobody", name: "other" };
      const outcome = world.call(stream, {
        type: "UPDATE_FRAMEWORK",
        update_framework: { framework_info, offer_constraints },
      });
      expect(outcome).toMatchObject({ ok: false, error: { code: "invalid" } });
      const message = outcome.ok ? "" : outcome.error.message;
      expect(message).toStartWith("'UpdateFramework' call is not valid: ");
      expect(message).toContain(text);
      expect(world.state.frameworks.get(stream.frameworkId as never)?.info.name).toBe("test");
    });
  }
});
