/**
 * Which agents a framework wants to be offered for a role, by attributes. What is asked of an agent
 * is worked out once and remembered until the agent says something else of itself.
 * Source: semantics 3.7 (`offer_constraints_filter.cpp`).
 */
import { must } from "../base/assert.ts";
import type {
  Attribute,
  SchedulerAttributeConstraint,
  SchedulerAttributeConstraintPredicate,
  SchedulerOfferConstraints,
} from "../protocol/v1/types.ts";
import { compileConstraintRegex } from "./constraint-regex.ts";

/** What constraints may ask of an agent. */
export interface ConstrainedAgent {
  /** Place of the answer in memory. */
  readonly number: number;
  readonly hostname: string;
  readonly region: string | undefined;
  readonly zone: string | undefined;
  readonly attributes: readonly Attribute[];
}

type Predicate = (agent: ConstrainedAgent) => boolean;
/** A text, something that is no text, or nothing at all. */
type Selected = string | { readonly isText: false } | undefined;

const NO_TEXT = { isText: false } as const;
const UNKNOWN = 0;
const ADMITTED = 1;
const EXCLUDED = 2;
/** The expressions are validated where they come in. */
const UNBOUNDED = {
  memoryBytes: Number.POSITIVE_INFINITY,
  programSize: Number.POSITIVE_INFINITY,
};

/** The constraints of one role of a framework. */
export class AgentConstraint {
  readonly #groups: readonly (readonly Predicate[])[];
  #answers = new Uint8Array(0);

  /** An agent passes if in any one group all predicates hold. */
  constructor(groups: readonly (readonly Predicate[])[]) {
    this.#groups = groups;
  }

  /** O(1) for an agent that was asked before. */
  admits(agent: ConstrainedAgent): boolean {
    const known = this.#answers[agent.number] ?? UNKNOWN;
    if (known !== UNKNOWN) return known === ADMITTED;
    const isAdmitted = this.#groups.some((group) => group.every((holds) => holds(agent)));
    this.#remember(agent.number, isAdmitted ? ADMITTED : EXCLUDED);
    return isAdmitted;
  }

  /** The agent of that number has changed, or is another one. */
  forget(agentNumber: number): void {
    if (agentNumber < this.#answers.length) this.#answers[agentNumber] = UNKNOWN;
  }

  #remember(agentNumber: number, answer: number): void {
    if (agentNumber >= this.#answers.length) {
      const larger = new Uint8Array(Math.max(64, agentNumber * 2));
      larger.set(this.#answers);
      this.#answers = larger;
    }
    this.#answers[agentNumber] = answer;
  }
}

/** By role; roles that are not named are unconstrained. */
export function compileConstraints(
  constraints: SchedulerOfferConstraints | undefined,
): ReadonlyMap<string, AgentConstraint> {
  const byRole = new Map<string, AgentConstraint>();
  for (const [role, { groups }] of Object.entries(constraints?.role_constraints ?? {})) {
    const compiled = (groups ?? []).map(({ attribute_constraints: list }) =>
      (list ?? []).map(predicateOf),
    );
    byRole.set(role, new AgentConstraint(compiled));
  }
  return byRole;
}

function predicateOf({ selector, predicate }: SchedulerAttributeConstraint): Predicate {
  const holds = conditionOf(predicate);
  const { attribute_name: name, pseudoattribute_type: type } = selector;
  if (name !== undefined) return (agent) => holds(attributeOf(agent, name));
  if (type === "HOSTNAME") return ({ hostname }) => holds(hostname);
  if (type === "REGION") return ({ region }) => holds(region);
  return ({ zone }) => holds(zone);
}

function attributeOf({ attributes }: ConstrainedAgent, name: string): Selected {
  const attribute = attributes.find((each) => each.name === name);
  if (attribute === undefined) return undefined;
  return attribute.type === "TEXT" ? (attribute.text?.value ?? "") : NO_TEXT;
}

/** What a predicate says of an attribute; of one that is no text every question of text is true. */
function conditionOf(
  predicate: SchedulerAttributeConstraintPredicate,
): (selected: Selected) => boolean {
  const { exists, not_exists, text_equals, text_not_equals } = predicate;
  if (exists !== undefined) return (selected) => selected !== undefined;
  if (not_exists !== undefined) return (selected) => selected === undefined;
  if (text_equals !== undefined) return asked((text) => text === text_equals.value, false);
  if (text_not_equals !== undefined) return asked((text) => text !== text_not_equals.value, true);
  const { text_matches, text_not_matches } = predicate;
  const pattern = text_matches?.regex ?? text_not_matches?.regex;
  const compiled = compileConstraintRegex(must(pattern, "regex of a constraint"), UNBOUNDED);
  const regex = must(compiled.ok ? compiled.value : undefined, `valid regex ${pattern}`);
  if (text_matches !== undefined) return asked((text) => regex.matches(text), false);
  return asked((text) => !regex.matches(text), true);
}

function asked(
  ask: (text: string) => boolean,
  isTrueWhenMissing: boolean,
): (selected: Selected) => boolean {
  return (selected) => {
    if (selected === undefined) return isTrueWhenMissing;
    return typeof selected === "string" ? ask(selected) : true;
  };
}
