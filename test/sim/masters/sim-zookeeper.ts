/**
 * An ensemble of three ZooKeeper servers: each applies what is committed some time later, answers
 * what it has, and is of no use while it is down or there is no quorum.
 */
import { NodeTree } from "../../election/model/node-tree.ts";
import { ZooKeeperModel } from "../../election/model/zookeeper-model.ts";
import type { World } from "../world.ts";

const SERVERS = 3;

/** A connection as its server sees it. */
export interface ServedConnection {
  /** The server ended it, or is gone. */
  cut(): void;
}

export class SimServer {
  readonly name: string;
  readonly tree: NodeTree = new NodeTree();
  readonly connections: Set<ServedConnection> = new Set();
  isUp = true;
  readonly #world: World;
  #waiting: { readonly zxid: number; readonly run: () => void }[] = [];
  #lastMs = 0;

  constructor(world: World, model: ZooKeeperModel, name: string) {
    this.#world = world;
    this.name = name;
    const { time, dice } = world;
    model.listeners.push((transaction) => {
      const delayMs = world.isFault(0.02) ? dice.below(1000) : dice.below(5);
      this.#lastMs = Math.max(this.#lastMs, time.nowMs + delayMs);
      time.after(this.#lastMs - time.nowMs, () => {
        this.tree.apply(transaction);
        this.#tell();
      });
    });
  }

  /** Runs once everything up to that transaction is applied here. */
  whenApplied(zxid: number, run: () => void): void {
    if (this.tree.zxid >= zxid) run();
    else this.#waiting.push({ zxid, run });
  }

  down(forMs: number, onUp: () => void): void {
    this.isUp = false;
    this.#world.log(`${this.name} is down for ${forMs} ms`);
    this.#world.time.after(forMs, () => {
      this.isUp = true;
      onUp();
    });
  }

  #tell(): void {
    const due = this.#waiting.filter(({ zxid }) => zxid <= this.tree.zxid);
    if (due.length === 0) return;
    this.#waiting = this.#waiting.filter(({ zxid }) => zxid > this.tree.zxid);
    for (const { run } of due) run();
  }
}

export class SimZooKeeper {
  readonly model: ZooKeeperModel = new ZooKeeperModel();
  readonly servers: readonly SimServer[];
  readonly #world: World;
  /** The connection that each session is on: requests on an earlier one are not served. */
  readonly #attached = new Map<number, ServedConnection>();

  constructor(world: World) {
    this.#world = world;
    this.servers = Array.from(
      { length: SERVERS },
      (_, index) => new SimServer(world, this.model, `z${index}`),
    );
  }

  get hasQuorum(): boolean {
    return this.servers.filter(({ isUp }) => isUp).length > SERVERS / 2;
  }

  serves(server: SimServer): boolean {
    return server.isUp && this.hasQuorum;
  }

  serverOf(name: string): SimServer | undefined {
    return this.servers.find((server) => server.name === name);
  }

  attach(session: number, connection: ServedConnection): void {
    this.#attached.set(session, connection);
  }

  isAttached(session: number, connection: ServedConnection): boolean {
    return this.#attached.get(session) === connection;
  }

  openSession(timeoutMs: number): number {
    const { time } = this.#world;
    const session = this.model.open(timeoutMs, time.nowMs);
    this.#expireLater(session);
    return session;
  }

  /** A server is away for a while; without quorum all connections of all servers end. */
  serverDown(server: SimServer, forMs: number): void {
    if (!server.isUp) return;
    const had = this.hasQuorum;
    server.down(forMs, () => this.#serverUp());
    const lost = had && !this.hasQuorum ? this.servers : [server];
    if (!this.hasQuorum) this.#world.log("quorum lost");
    for (const { connections } of lost) for (const one of [...connections]) one.cut();
  }

  #serverUp(): void {
    // A new leader of the ensemble gives every session its whole timeout.
    this.model.hearAll(this.#world.time.nowMs);
  }

  #expireLater(session: number): void {
    const atMs = this.model.expiresMs(session);
    if (atMs === undefined) return;
    const { time } = this.#world;
    time.after(atMs - time.nowMs, () => {
      const untilMs = this.model.expiresMs(session) ?? 0;
      if (untilMs <= time.nowMs && this.hasQuorum) this.model.end(session);
      else if (untilMs <= time.nowMs) this.model.hear(session, time.nowMs);
      this.#expireLater(session);
    });
  }
}
