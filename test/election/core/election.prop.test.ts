/**
 * Elections against a model of what ZooKeeper promises: sessions that expire, ephemeral nodes,
 * watches, and connections that break with requests under way, carried out or not. At no time do two
 * lead whose sessions can be relied on, and once all is well exactly one does, whom all know.
 */
import { expect, test } from "bun:test";
import process from "node:process";
import fc from "fast-check";
import { must } from "../../../src/base/assert.ts";
import { CANDIDATE_PREFIX } from "../../../src/election/core/candidates.ts";
import {
  Election,
  type ElectionEffect,
  type ElectionInput,
} from "../../../src/election/core/election.ts";
import { ANY_VERSION } from "../../../src/election/zookeeper/session.ts";
import { ZooKeeperModel } from "../model/zookeeper-model.ts";

const TIMEOUT_MS = 1000;
/** When a party that hears nothing gives its session up: before the server does. */
const LEASE_MS = 900;
const STEPS = 400;
const RUNS = Number(process.env["RUNS"] ?? 300);

const PATH = "/mesos";

/** One server of the model that has applied everything. */
class Server {
  nowMs = 0;
  readonly #model = new ZooKeeperModel();
  readonly watchers = new Set<Party>();

  constructor() {
    this.#model.write(0, [{ kind: "create", path: PATH, data: new Uint8Array(0) }]);
    this.#model.listeners.push(() => {
      for (const party of [...this.watchers]) party.notified();
      this.watchers.clear();
    });
  }

  get nodes(): ReadonlyMap<string, { readonly session: number; readonly data: Uint8Array }> {
    const { tree } = this.#model;
    return new Map(
      tree.childNames(PATH).map((name) => {
        const node = must(tree.nodes.get(`${PATH}/${name}`), name);
        return [name, { session: node.owner, data: node.data }];
      }),
    );
  }

  open(): number {
    return this.#model.open(TIMEOUT_MS, this.nowMs);
  }

  /** False when the session has expired. */
  hear(id: number): boolean {
    return this.#model.hear(id, this.nowMs);
  }

  isAlive(id: number): boolean {
    return this.#model.isAlive(id);
  }

  pass(ms: number): void {
    this.nowMs += ms;
    this.#model.expire(this.nowMs);
  }

  create(session: number, data: Uint8Array): string {
    const path = `${PATH}/${CANDIDATE_PREFIX}`;
    const mode = "ephemeralSequential";
    const made = this.#model.write(session, [{ kind: "create", path, data, mode }]);
    return made.error === undefined ? must(made.paths[0], "its path").slice(PATH.length + 1) : "";
  }

  remove(name: string): void {
    this.#model.write(0, [{ kind: "remove", path: `${PATH}/${name}`, version: ANY_VERSION }]);
  }
}

type Request = Extract<ElectionEffect, { kind: "list" | "read" | "stand" | "remove" }>;

class Party {
  readonly name: string;
  readonly #server: Server;
  readonly election = new Election();
  session: number | undefined;
  isConnected = false;
  isStanding = false;
  provenMs = 0;
  /** In order, as one connection keeps it. */
  requests: Request[] = [];
  answers: (ElectionInput | undefined)[] = [];
  isRetryDue = false;
  #candidacies = 0;
  /** Numbers of its reigns. */
  readonly reigns: number[] = [];

  constructor(name: string, server: Server) {
    this.name = name;
    this.#server = server;
    this.#take(this.election.start());
  }

  /** Leads, and its session cannot have expired as far as it knows. */
  get mayAct(): boolean {
    return this.election.isLeading && this.#server.nowMs - this.provenMs < LEASE_MS;
  }

  input(input: ElectionInput): void {
    this.#take(this.election.step(input));
  }

  stand(): void {
    if (this.isStanding) return;
    this.isStanding = true;
    const id = `${this.name}${this.#candidacies++}`;
    this.input({ kind: "stand", id, data: new TextEncoder().encode(id) });
  }

  withdraw(): void {
    if (!this.isStanding) return;
    this.isStanding = false;
    this.input({ kind: "withdraw" });
  }

  connect(): void {
    if (this.isConnected) return;
    if (this.session === undefined) this.session = this.#server.open();
    else if (!this.#server.hear(this.session)) {
      this.over("expired");
      return;
    }
    this.provenMs = this.#server.nowMs;
    this.isConnected = true;
    this.input({ kind: "sessionConnected" });
    this.#server.watchers.add(this);
    this.input({ kind: "changed" });
  }

  /** `isCarriedOut`: the server still got what was under way. */
  disconnect(isCarriedOut: boolean): void {
    if (!this.isConnected) return;
    if (isCarriedOut) while (this.requests.length > 0) this.carryOutOne();
    this.isConnected = false;
    this.#server.watchers.delete(this);
    this.requests = [];
    this.answers = [];
    this.input({ kind: "sessionDisconnected" });
  }

  over(reason: string): void {
    this.isConnected = false;
    this.#server.watchers.delete(this);
    this.session = undefined;
    this.requests = [];
    this.answers = [];
    this.input({ kind: "sessionOver", reason });
  }

  /** What time brings: proofs while connected, the end of the lease otherwise. */
  tick(): void {
    if (this.session === undefined) return;
    if (this.isConnected) {
      if (this.#server.hear(this.session)) this.provenMs = this.#server.nowMs;
      else this.over("expired");
    } else if (this.#server.nowMs - this.provenMs >= LEASE_MS) this.over("lease");
  }

  notified(): void {
    this.answers.push({ kind: "changed" });
  }

  carryOutOne(): void {
    const request = this.requests.shift();
    if (request === undefined || this.session === undefined) return;
    this.answers.push(this.#server.isAlive(this.session) ? this.#answer(request) : undefined);
  }

  answerOne(): void {
    const answer = this.answers.shift();
    if (answer !== undefined) this.input(answer);
  }

  retry(): void {
    if (!this.isRetryDue) return;
    this.isRetryDue = false;
    this.input({ kind: "retry" });
  }

  #answer(request: Request): ElectionInput | undefined {
    const { nodes } = this.#server;
    switch (request.kind) {
      case "list":
        this.#server.watchers.add(this);
        return { kind: "listed", names: [...nodes.keys()] };
      case "read":
        return { kind: "read", name: request.name, data: nodes.get(request.name)?.data };
      case "remove":
        this.#server.remove(request.name);
        return undefined;
      default:
        return this.#stood(request);
    }
  }

  #stood({ id, data }: Extract<Request, { kind: "stand" }>): ElectionInput {
    const session = this.session ?? 0;
    for (const [name, node] of this.#server.nodes) {
      const isSame = node.data.join() === data.join();
      if (node.session === session && isSame) return { kind: "stood", id, name };
    }
    return { kind: "stood", id, name: this.#server.create(session, data) };
  }

  #take(effects: readonly ElectionEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === "retryIn") this.isRetryDue = true;
      else if (effect.kind === "elected") this.reigns.push(effect.sequence);
      else if (effect.kind === "deposed") this.isStanding = false;
      else if (effect.kind !== "openSession" && effect.kind !== "leader")
        this.requests.push(effect);
    }
  }
}

function check(parties: readonly Party[], server: Server): void {
  const acting = parties.filter((party) => party.mayAct);
  expect(acting.map(({ name }) => name).length).toBeLessThanOrEqual(1);
  for (const { session } of acting) expect(server.isAlive(session ?? 0)).toBe(true);
}

function act(party: Party, choice: number, server: Server): void {
  if (choice < 30) party.carryOutOne();
  else if (choice < 60) party.answerOne();
  else if (choice < 66) party.connect();
  else if (choice < 69) party.disconnect(choice === 66);
  else if (choice < 74) party.stand();
  else if (choice < 76) party.withdraw();
  else if (choice < 80) party.retry();
  else server.pass((choice - 79) * 15);
}

test("never two who may act, and one leader whom all know once all is well [DESIGN 10]", () => {
  const choices = fc.array(fc.tuple(fc.nat(2), fc.nat(99)), {
    minLength: STEPS / 4,
    maxLength: STEPS,
  });
  fc.assert(
    fc.property(choices, (script) => {
      const server = new Server();
      const parties = ["a", "b", "c"].map((name) => new Party(name, server));
      for (const [index, choice] of script) {
        const party = parties[index];
        if (party === undefined) continue;
        act(party, choice, server);
        for (const one of parties) one.tick();
        check(parties, server);
      }
      for (let round = 0; round < 60; round++) {
        for (const party of parties) {
          party.connect();
          party.stand();
          party.carryOutOne();
          party.answerOne();
          party.retry();
        }
        server.pass(60);
        for (const party of parties) party.tick();
        check(parties, server);
      }
      const leaders = parties.filter(({ election }) => election.isLeading);
      expect(leaders.length).toBe(1);
      const known = new Set(parties.map(({ election }) => election.leader?.name));
      expect(known.size).toBe(1);
      const reigns = parties.flatMap((party) => party.reigns);
      expect(new Set(reigns).size).toBe(reigns.length);
    }),
    { numRuns: RUNS },
  );
}, 60_000);
