/**
 * What must hold at any time, by recounting everything: nothing is promised twice, and whatever is
 * kept up to date equals a count from nothing. Costs a full scan.
 */
import { assert } from "../base/assert.ts";
import type { AgentId } from "../base/ids.ts";
import type { Bundle } from "../resources/bundle.ts";
import type { ScalarSummary } from "../resources/summary.ts";
import type { AgentRecord } from "./agents.ts";
import { type Ledger, reservedAmountsOf, sharedAmountsOf } from "./ledger.ts";
import { isWithin } from "./offerable.ts";
import type { Client } from "./role-tree.ts";

/** Asserts all of it. */
export function assertLedger(ledger: Ledger): void {
  const { pool, tree, quotas, offerable } = ledger;
  const available: number[] = [];
  for (const agent of pool.all()) {
    assertAgent(ledger, agent);
    const isOffered = offerable.has(agent);
    assert(isOffered === agent.isOfferable, () => `agent ${agent.id} is noted when offerable`);
    if (agent.isEligible) addQuota(available, agent.free.summary());
  }
  assertTotals(ledger);
  assertAccounts(ledger);
  let hungryCount = 0;
  for (const client of tree.clients()) {
    assertClient(ledger, client);
    if (client.isHungry) hungryCount += 1;
  }
  assert(hungryCount === tree.hungryCount, "hungry clients by counter equal those by scan");
  assertWalk(ledger, hungryCount);
  quotas.assertInvariants(available, (role) => consumedBy(ledger, role));
}

function assertAgent({ tree }: Ledger, agent: AgentRecord): void {
  agent.assertInvariants();
  for (const [client, held] of agent.held.entries()) {
    const name = `${client.frameworkId} in ${client.role}`;
    assert(!held.isEmpty(), () => `${name} holds something on agent ${agent.id}`);
    const isNoted = client.agents.has(agent.number);
    assert(isNoted, () => `${name} knows what it holds on agent ${agent.id}`);
    const isLive = tree.find(client.frameworkId, client.role) === client;
    assert(isLive, () => `${name} on agent ${agent.id} is in the tree`);
  }
}

function assertTotals({ pool, tree }: Ledger): void {
  const totals = new Recount();
  for (const { id, total } of pool.all()) totals.add(id, total);
  for (let index = 0; index < tree.table.width; index++) {
    const isSame = (totals.milli[index] ?? 0) === tree.table.totalOf(index);
    assert(isSame, () => `cluster total of name ${index} equals a recount`);
  }
}

/** Counts what is held once more, for every node of the tree. */
function assertAccounts({ pool, tree }: Ledger): void {
  const { table } = tree;
  const recounts = new Map<number, Recount>();
  for (const { id, held } of pool.all()) {
    for (const [client, resources] of held.entries()) {
      const plain = resources.withoutAllocation();
      for (const number of lineOf(client)) {
        const recount = recounts.get(number) ?? new Recount();
        recounts.set(number, recount);
        recount.add(id, plain);
      }
    }
  }
  for (const { number } of tree.contenders()) {
    const recount = recounts.get(number);
    for (let index = 0; index < table.width; index++) {
      const isSame = (recount?.milli[index] ?? 0) === table.heldOf(number, index);
      assert(isSame, () => `account of ${table.path[number]} equals a recount`);
      const isQuotaSame = (recount?.quotaMilli[index] ?? 0) === table.quotaHeldOf(number, index);
      assert(isQuotaSame, () => `quota of ${table.path[number]} equals a recount`);
    }
  }
}

/** Sums over agents, thousandths by scalar index; holes are 0. */
class Recount {
  readonly milli: number[] = [];
  readonly quotaMilli: number[] = [];
  readonly #sharedKeys = new Set<string>();

  /** `plain` in unallocated form. */
  add(agentId: AgentId, plain: Bundle): void {
    const summary = plain.summary();
    for (const [place, index] of summary.indexes.entries()) {
      this.milli[index] = (this.milli[index] ?? 0) + (summary.milli[place] ?? 0);
    }
    addQuota(this.quotaMilli, summary);
    if (!summary.hasShared) return;
    for (const { key, index, milli } of sharedAmountsOf(agentId, plain)) {
      if (this.#sharedKeys.has(key)) continue;
      this.#sharedKeys.add(key);
      this.milli[index] = (this.milli[index] ?? 0) + milli;
    }
  }
}

function assertClient({ pool, tree }: Ledger, client: Client): void {
  const name = `${client.frameworkId} in ${client.role}`;
  for (const number of client.agents) {
    assert(
      pool.at(number).held.get(client) !== undefined,
      () => `${name} holds something where it says`,
    );
  }
  const isNeeded = client.isSubscribed || client.agents.size > 0;
  assert(isNeeded, () => `${name} has a reason to be kept`);
  const isRanked = tree.table.isRanked[client.number] === 1;
  assert(isRanked === client.isHungry, () => `${name} is ranked when hungry`);
}

/** Every hungry client is served, once, and each level in order. */
function assertWalk({ tree }: Ledger, hungryCount: number): void {
  let seen = 0;
  tree.walk({
    enters: () => true,
    visit: (client) => {
      assert(client.isHungry, () => `client ${client.frameworkId} is served while hungry`);
      seen += 1;
      return false;
    },
  });
  assert(seen === hungryCount, "every hungry client is served");
}

function consumedBy({ pool }: Ledger, role: string): number[] {
  const consumed: number[] = [];
  for (const { total, held } of pool.all()) {
    for (const { role: owner, index, milli } of reservedAmountsOf(total)) {
      if (isWithin(owner, role)) consumed[index] = (consumed[index] ?? 0) + milli;
    }
    for (const [client, resources] of held.entries()) {
      if (isWithin(client.role, role)) addQuota(consumed, resources.summary());
    }
  }
  return consumed;
}

function addQuota(sums: number[], { indexes, quotaMilli }: ScalarSummary): void {
  for (const [place, index] of indexes.entries()) {
    sums[index] = (sums[index] ?? 0) + (quotaMilli[place] ?? 0);
  }
}

/** Numbers of the client, its role and all above. */
function lineOf(client: Client): number[] {
  const numbers = [client.number, client.parent.number];
  for (let branch = client.parent.parent; branch.parent !== undefined; branch = branch.parent) {
    numbers.push(branch.number);
  }
  return numbers;
}
