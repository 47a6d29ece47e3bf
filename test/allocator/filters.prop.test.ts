/** Refusals in columns against a plain list of them, over random declines and the passing of time. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { Filters } from "../../src/allocator/filters.ts";
import { Bundle } from "../../src/resources/bundle.ts";
import { ResourceKinds } from "../../src/resources/kinds.ts";
import { resources } from "./allocator-fixtures.ts";

const CLIENTS = 4;
const AGENTS = 4;
const TEXTS = ["cpus:1", "cpus:2", "mem:1", "cpus:2;mem:1", "cpus:1;mem:2"];

const client = fc.nat(CLIENTS - 1);
const agent = fc.nat(AGENTS - 1);
const text = fc.constantFrom(...TEXTS);
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("add" as const),
      client,
      agent,
      text,
      forMs: fc.integer({ min: 1, max: 30 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("ask" as const), client, agent, text }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("wait" as const), ms: fc.nat(15) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("clearClient" as const), client }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("clearAgent" as const), agent }) },
);

interface Refusal {
  readonly client: number;
  readonly agent: number;
  readonly resources: Bundle;
  readonly endMs: number;
}

test("what is refused, and until when, is what the list says [semantics 4.5]", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300, size: "max" }), (steps) => {
      const kinds = new ResourceKinds();
      const bundleOf = (from: string): Bundle => Bundle.from(kinds, resources(from));
      const filters = new Filters();
      let list: Refusal[] = [];
      /** Pairs that were held back, of which the end has to be told. */
      const waiting = new Set<string>();
      let nowMs = 0;
      for (const each of steps) {
        if (each.kind === "add") {
          const endMs = nowMs + each.forMs;
          const bundle = bundleOf(each.text);
          filters.add(each.client, each.agent, bundle, endMs, nowMs);
          list.push({ client: each.client, agent: each.agent, resources: bundle, endMs });
          // The caller looks at the pair again.
          waiting.delete(`${each.client} ${each.agent}`);
        } else if (each.kind === "ask") {
          const wanted = bundleOf(each.text);
          const isRefused = list.some(
            (refusal) =>
              refusal.client === each.client &&
              refusal.agent === each.agent &&
              refusal.endMs > nowMs &&
              refusal.resources.contains(wanted),
          );
          expect(filters.isRefused(each.client, each.agent, wanted, nowMs)).toBe(isRefused);
          if (isRefused) waiting.add(`${each.client} ${each.agent}`);
        } else if (each.kind === "wait") {
          nowMs += each.ms;
          filters.expire(nowMs, 1000, (agentNumber, clientNumber) => {
            waiting.delete(`${clientNumber} ${agentNumber}`);
          });
          for (const pair of waiting) {
            const isLive = list.some(
              (refusal) => `${refusal.client} ${refusal.agent}` === pair && refusal.endMs > nowMs,
            );
            expect(isLive).toBe(true);
          }
          expect(filters.nextEndMs(() => true)).toBeGreaterThan(nowMs);
        } else {
          const isGone = (refusal: Refusal): boolean =>
            each.kind === "clearClient"
              ? refusal.client === each.client
              : refusal.agent === each.agent;
          if (each.kind === "clearClient") filters.clearClient(each.client);
          else filters.clearAgent(each.agent);
          for (const refusal of list) {
            if (isGone(refusal)) waiting.delete(`${refusal.client} ${refusal.agent}`);
          }
          list = list.filter((refusal) => !isGone(refusal));
        }
        filters.assertInvariants();
      }
    }),
    { numRuns: 200 },
  );
});
