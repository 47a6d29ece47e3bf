/**
 * A client of the modelled ensemble, as much and as little as the library promises: one connection
 * after the other, requests in order, watches that are set again, answers that get lost with the
 * connection.
 */
import type {
  Answer,
  ClientOptions,
  CreateMode,
  NodeData,
  SessionErrorCode,
  Write,
  ZooKeeperClient,
} from "../../../src/election/zookeeper/client.ts";
import type { ModelWrite } from "../../election/model/zookeeper-model.ts";
import { Pipe } from "../pipe.ts";
import type { World } from "../world.ts";
import type { Program } from "./program.ts";
import type { SimServer, SimZooKeeper } from "./sim-zookeeper.ts";

/** From a lost connection to the next attempt. */
const SPIN_MS = 1000;
/** A connection breaks with so many of its answers. */
const BREAKS = 0.002;

interface Watch {
  readonly path: string;
  readonly onChange: () => void;
}

type Outcome<T> = { readonly error: SessionErrorCode } | { readonly value: T };

/** What happens at the server, in the order of the connection. */
type Handler = (server: SimServer, reply: (arrive: () => void) => void, next: () => void) => void;

export class SimClient implements ZooKeeperClient {
  readonly #world: World;
  readonly #zookeeper: SimZooKeeper;
  readonly #program: Program;
  readonly #options: ClientOptions;
  session: number | undefined;
  /** The newest transaction that was seen: no server is taken that does not have it. */
  #zxid = 0;
  #connection: Connection | undefined;
  readonly #watches = new Set<Watch>();
  #isOver = false;
  #attempts = 0;

  constructor(world: World, zookeeper: SimZooKeeper, program: Program, options: ClientOptions) {
    this.#world = world;
    this.#zookeeper = zookeeper;
    this.#program = program;
    this.#options = options;
  }

  timeoutMs(): number {
    return this.#options.timeoutMs;
  }

  connect(): void {
    this.#attemptIn(0);
  }

  exists(path: string, done: Answer<boolean>): void {
    this.#read(done, (server) => ({ value: server.tree.has(path) }));
  }

  create(path: string, data: Uint8Array, mode: CreateMode, done: Answer<string>): void {
    this.#write([{ kind: "create", path, data, mode }], (error, paths) => done(error, paths?.[0]));
  }

  children(
    path: string,
    onChange: (() => void) | undefined,
    done: Answer<readonly string[]>,
  ): void {
    const connection = this.#connection;
    this.#read<readonly string[]>(done, (server) => {
      if (!server.tree.has(path)) return { error: "noNode" };
      if (onChange !== undefined) connection?.watch({ path, onChange });
      return { value: server.tree.childNames(path) };
    });
  }

  read(path: string, done: Answer<NodeData>): void {
    this.#read<NodeData>(done, ({ tree }) => {
      const node = tree.nodes.get(path);
      if (node === undefined) return { error: "noNode" };
      const { data, version, owner } = node;
      return { value: { data, version, isOwn: owner === this.session, writtenMs: 0 } };
    });
  }

  remove(path: string, version: number, done: Answer<void>): void {
    this.write([{ kind: "remove", path, version }], done);
  }

  write(writes: readonly Write[], done: Answer<void>): void {
    this.#write(writes, (error) => done(error, undefined));
  }

  dropConnection(): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    connection.leave();
    this.#lost(connection);
  }

  dropQueue(): void {
    // Nothing is asked for without a connection here.
  }

  abandon(): void {
    this.#isOver = true;
    this.#connection?.leave();
    this.#connection = undefined;
  }

  close(done: () => void): void {
    const { session } = this;
    this.#isOver = true;
    this.#connection?.ask((_server, reply) => {
      if (session !== undefined) this.#zookeeper.model.end(session);
      reply(() => done());
    });
  }

  #attemptIn(delayMs: number): void {
    this.#program.clock.schedule(delayMs, () => {
      if (!this.#isOver && this.#connection === undefined) this.#attempt();
    });
  }

  /** To the next server; one that does not answer is left when the session says so. */
  #attempt(): void {
    const { servers, timeoutMs } = this.#options;
    const name = servers[this.#attempts % servers.length] ?? "";
    this.#attempts += 1;
    const server = this.#zookeeper.serverOf(name);
    if (server === undefined) return;
    const connection: Connection = new Connection({
      world: this.#world,
      zookeeper: this.#zookeeper,
      program: this.#program,
      server,
      sessionOf: () => this.session,
      onSeen: (zxid) => {
        this.#zxid = Math.max(this.#zxid, zxid);
      },
      onCut: () => this.#lost(connection),
      onFired: (watch) => {
        if (this.#watches.delete(watch)) watch.onChange();
      },
    });
    this.#connection = connection;
    connection.onWatch = (watch) => this.#watches.add(watch);
    const asked = this.session;
    const seen = this.#zxid;
    connection.greet((reply) => {
      const { model } = this.#zookeeper;
      if (!this.#zookeeper.serves(server) || server.tree.zxid < this.#zxid) {
        connection.cut();
      } else if (asked !== undefined && !model.hear(asked, this.#world.time.nowMs)) {
        reply(() => {
          this.#isOver = true;
          this.#options.onState("expired");
        });
      } else {
        const session = asked ?? this.#zookeeper.openSession(timeoutMs);
        this.#zookeeper.attach(session, connection);
        reply(() => {
          this.session = session;
          // Before anything else is asked for on it.
          for (const watch of this.#watches) connection.watchAgain(watch, seen);
          this.#options.onState("connected");
        });
      }
    });
  }

  #lost(connection: Connection): void {
    if (connection !== this.#connection) return;
    this.#connection = undefined;
    if (this.#isOver) return;
    this.#options.onState("disconnected");
    this.#attemptIn(SPIN_MS);
  }

  #read<T>(done: Answer<T>, read: (server: SimServer) => Outcome<T>): void {
    const connection = this.#connection;
    connection?.ask((server, reply, next) => {
      const outcome = read(server);
      reply(() => answer(done, outcome));
      next();
    });
  }

  #write(writes: readonly ModelWrite[], done: Answer<readonly string[]>): void {
    const { session } = this;
    this.#connection?.ask((server, reply, next) => {
      const result = this.#zookeeper.model.write(session ?? 0, writes);
      if (result.error !== undefined) {
        const { error } = result;
        reply(() => answer(done, { error }));
        next();
        return;
      }
      const { zxid, paths } = result;
      server.whenApplied(zxid, () => {
        reply(() => answer(done, { value: paths }));
        next();
      });
    });
  }
}

interface ConnectionOptions {
  readonly world: World;
  readonly zookeeper: SimZooKeeper;
  readonly program: Program;
  readonly server: SimServer;
  sessionOf(): number | undefined;
  onSeen(zxid: number): void;
  onCut(): void;
  onFired(watch: Watch): void;
}

class Connection {
  readonly #options: ConnectionOptions;
  readonly #up: Pipe;
  readonly #down: Pipe;
  readonly #queue: Handler[] = [];
  #isBusy = false;
  /** The server's end is closed. */
  #isCut = false;
  /** The client's end is. What it sent before still arrives. */
  #hasLeft = false;
  #forget: (() => void)[] = [];
  onWatch: (watch: Watch) => void = () => undefined;

  constructor(options: ConnectionOptions) {
    const { world, program, server } = options;
    this.#options = options;
    const { dice } = world;
    const delayMs = (): number =>
      world.isFault(0.01) ? 200 + dice.below(3000) : 1 + dice.below(8);
    this.#up = new Pipe(world, program.host, server.name, delayMs);
    this.#down = new Pipe(world, server.name, program.host, delayMs);
    server.connections.add(this);
  }

  /** The first words, before there is a session. */
  greet(handle: (reply: (arrive: () => void) => void) => void): void {
    this.#up.send(() => {
      if (!this.#isCut) handle((arrive) => this.#reply(arrive));
    });
  }

  ask(handler: Handler): void {
    if (this.#isCut || this.#hasLeft) return;
    this.#up.send(() => {
      if (this.#isCut) return;
      this.#queue.push(handler);
      this.#work();
    });
  }

  /** At the server: tells the client, once, when the children of that node change. */
  watch(watch: Watch): void {
    if (this.#isCut) return;
    this.onWatch(watch);
    const forget = this.#options.server.tree.watchChildren(watch.path, () =>
      this.#reply(() => this.#options.onFired(watch)),
    );
    this.#forget.push(forget);
  }

  /** What changed since then is told at once. */
  watchAgain(watch: Watch, zxid: number): void {
    this.#up.send(() => {
      const { tree } = this.#options.server;
      if (this.#isCut) return;
      if (tree.isChangedSince(watch.path, zxid)) this.#reply(() => this.#options.onFired(watch));
      else this.watch(watch);
    });
  }

  /** Server and network end it; the client learns of that in its time. */
  cut(): void {
    if (this.#isCut) return;
    this.#end();
    const { world, program, onCut } = this.#options;
    world.time.after(world.dice.delayMs(), () =>
      program.enter(() => {
        // What is still on its way to a closed end arrives nowhere.
        this.#hasLeft = true;
        onCut();
      }),
    );
  }

  /** The client goes; the server learns of that behind what it was sent. */
  leave(): void {
    this.#hasLeft = true;
    this.#up.send(() => this.#end());
  }

  #end(): void {
    this.#isCut = true;
    this.#options.server.connections.delete(this);
    for (const forget of this.#forget.splice(0)) forget();
  }

  #work(): void {
    if (this.#isBusy || this.#isCut) return;
    const handler = this.#queue.shift();
    if (handler === undefined) return;
    const { zookeeper, server, world, sessionOf } = this.#options;
    const session = sessionOf() ?? 0;
    const isKnown =
      zookeeper.isAttached(session, this) && zookeeper.model.hear(session, world.time.nowMs);
    if (!zookeeper.serves(server) || !isKnown || world.isFault(BREAKS)) {
      this.cut();
      return;
    }
    this.#isBusy = true;
    handler(
      server,
      (arrive) => this.#reply(arrive),
      () => {
        this.#isBusy = false;
        this.#work();
      },
    );
  }

  #reply(arrive: () => void): void {
    const { server, program, onSeen, world } = this.#options;
    if (this.#isCut || this.#hasLeft) return;
    if (world.isFault(BREAKS)) {
      this.cut();
      return;
    }
    const { zxid } = server.tree;
    this.#down.send(() => {
      program.enter(() => {
        if (this.#hasLeft) return;
        onSeen(zxid);
        arrive();
      });
    });
  }
}

function answer<T>(done: Answer<T>, outcome: Outcome<T>): void {
  if ("error" in outcome) {
    const message = `ZooKeeper: ${outcome.error}`;
    done({ code: outcome.error, message }, undefined);
  } else done(undefined, outcome.value);
}
