/** The client library, as sessions use it. */
import { Buffer } from "node:buffer";
import {
  ACL,
  type Client,
  createClient,
  Exception,
  Id,
  CreateMode as Mode,
  Permission,
  State,
} from "node-zookeeper-client";
import type {
  Answer,
  ClientOptions,
  ClientState,
  CreateMode,
  NodeData,
  SessionError,
  SessionErrorCode,
  Write,
  ZooKeeperClient,
} from "./client.ts";
import { ClientInternals, setLastVersion } from "./client-internals.ts";

/** Opens nothing before `connect`. */
export function nodeClient(options: ClientOptions): ZooKeeperClient {
  return new NodeClient(options);
}

class NodeClient implements ZooKeeperClient {
  readonly #client: Client;
  readonly #internals: ClientInternals;
  readonly #acls: ACL[];

  constructor({ servers, timeoutMs, credentials, onState }: ClientOptions) {
    this.#client = createClient(servers.join(","), {
      sessionTimeout: timeoutMs,
      spinDelay: Math.min(1000, timeoutMs / 4),
      retries: 0,
    });
    this.#internals = new ClientInternals(this.#client);
    this.#acls = aclsOf(credentials);
    if (credentials !== undefined) this.#client.addAuthInfo("digest", Buffer.from(credentials));
    this.#client.on("state", (state) => {
      const known = STATES.get(state);
      if (known !== undefined) onState(known);
    });
  }

  timeoutMs(): number {
    return this.#client.getSessionTimeout();
  }

  connect(): void {
    this.#client.connect();
  }

  exists(path: string, done: Answer<boolean>): void {
    this.#client.exists(path, (error, stat) => done(errorOf(error), stat !== null));
  }

  create(path: string, data: Uint8Array, mode: CreateMode, done: Answer<string>): void {
    this.#client.create(path, Buffer.from(data), this.#acls, MODES[mode], (error, made) =>
      done(errorOf(error), made),
    );
  }

  children(
    path: string,
    onChange: (() => void) | undefined,
    done: Answer<readonly string[]>,
  ): void {
    const answer = (error: Error | Exception | null, names: string[]): void =>
      done(errorOf(error), names);
    // Each watch is kept until it fires, so that who only looks leaves none.
    if (onChange === undefined) this.#client.getChildren(path, answer);
    else this.#client.getChildren(path, onChange, answer);
  }

  read(path: string, done: Answer<NodeData>): void {
    const own = this.#client.getSessionId();
    this.#client.getData(path, (error, data, stat) => {
      const failure = errorOf(error);
      if (failure !== undefined) {
        done(failure, undefined);
        return;
      }
      done(undefined, {
        data: new Uint8Array(data ?? []),
        version: stat.version,
        isOwn: own.equals(stat.ephemeralOwner),
        writtenMs: Number(stat.mtime.readBigUInt64BE()),
      });
    });
  }

  remove(path: string, version: number, done: Answer<void>): void {
    this.#client.remove(path, version, (error) => done(errorOf(error), undefined));
  }

  write(writes: readonly Write[], done: Answer<void>): void {
    const transaction = this.#client.transaction();
    for (const write of writes) {
      if (write.kind === "create") {
        transaction.create(write.path, Buffer.from(write.data), this.#acls, Mode.PERSISTENT);
      } else if (write.kind === "set") {
        transaction.setData(write.path, Buffer.from(write.data), write.version);
      } else if (write.kind === "check") transaction.check(write.path, write.version);
      else transaction.remove(write.path, write.version);
      if (write.kind !== "create") setLastVersion(transaction, write.version);
    }
    transaction.commit((error) => done(errorOf(error), undefined));
  }

  dropConnection(): void {
    this.#internals.dropConnection();
  }

  dropQueue(): void {
    this.#internals.dropQueue();
  }

  abandon(): void {
    this.#internals.abandon();
  }

  close(done: () => void): void {
    this.#client.close();
    this.#client.once("disconnected", done);
  }
}

const MODES: Readonly<Record<CreateMode, number>> = {
  persistent: Mode.PERSISTENT,
  sequential: Mode.PERSISTENT_SEQUENTIAL,
  ephemeralSequential: Mode.EPHEMERAL_SEQUENTIAL,
};

const STATES: ReadonlyMap<State, ClientState> = new Map([
  [State.SYNC_CONNECTED, "connected"],
  [State.DISCONNECTED, "disconnected"],
  [State.EXPIRED, "expired"],
  [State.AUTH_FAILED, "refused"],
]);

/** The library's own word for no answer is `unknown` too. */
const CODES: ReadonlyMap<number, SessionErrorCode> = new Map([
  [Exception.NO_NODE, "noNode"],
  [Exception.NODE_EXISTS, "nodeExists"],
  [Exception.BAD_VERSION, "badVersion"],
  [Exception.NOT_EMPTY, "notEmpty"],
  [Exception.NO_AUTH, "forbidden"],
  [Exception.AUTH_FAILED, "forbidden"],
  [Exception.CONNECTION_LOSS, "unknown"],
  [Exception.SESSION_EXPIRED, "unknown"],
]);

function errorOf(error: Error | Exception | null | undefined): SessionError | undefined {
  if (error === null || error === undefined) return undefined;
  const code = "code" in error ? CODES.get(error.code) : undefined;
  return { code: code ?? "failed", message: `ZooKeeper: ${error}` };
}

/** As Mesos: with credentials all may read, the creator may do everything. */
function aclsOf(credentials: string | undefined): ACL[] {
  if (credentials === undefined) return [new ACL(Permission.ALL, new Id("world", "anyone"))];
  return [
    new ACL(Permission.READ, new Id("world", "anyone")),
    new ACL(Permission.ALL, new Id("auth", "")),
  ];
}
