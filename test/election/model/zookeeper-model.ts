/**
 * What a ZooKeeper ensemble promises, without servers and networks: sessions that expire when
 * nothing is heard of them, their ephemeral nodes, numbers of sequential nodes, and transactions
 * that are done as a whole and in one order for all. Servers of the ensemble are trees that apply
 * those transactions sooner or later.
 */
import type {
  CreateMode,
  SessionErrorCode,
  Write,
} from "../../../src/election/zookeeper/client.ts";
import { type ModelNode, type NodeChange, NodeTree, split, type Transaction } from "./node-tree.ts";

export type ModelWrite =
  | Exclude<Write, { readonly kind: "create" }>
  | (Extract<Write, { readonly kind: "create" }> & { readonly mode?: CreateMode });

export type WriteResult =
  | { readonly error: SessionErrorCode }
  | { readonly error: undefined; readonly zxid: number; readonly paths: readonly string[] };

interface ModelSession {
  readonly timeoutMs: number;
  heardMs: number;
}

/** The path of the node with its number has ten digits. */
const DIGITS = 10;
const ANY_VERSION = -1;

export class ZooKeeperModel {
  /** What is committed. */
  readonly tree: NodeTree = new NodeTree();
  /** Called with each transaction that changed something, in order. */
  readonly listeners: ((transaction: Transaction) => void)[] = [];
  readonly #sessions = new Map<number, ModelSession>();
  readonly #numbers = new Map<string, number>();
  #lastSession = 0;

  open(timeoutMs: number, nowMs: number): number {
    this.#lastSession += 1;
    this.#sessions.set(this.#lastSession, { timeoutMs, heardMs: nowMs });
    return this.#lastSession;
  }

  /** Something was heard of the session. False when there is none any more. */
  hear(session: number, nowMs: number): boolean {
    const found = this.#sessions.get(session);
    if (found !== undefined) found.heardMs = nowMs;
    return found !== undefined;
  }

  /** While there was no quorum no time passed for sessions. */
  hearAll(nowMs: number): void {
    for (const session of this.#sessions.values()) session.heardMs = nowMs;
  }

  isAlive(session: number): boolean {
    return this.#sessions.has(session);
  }

  /** When a session expires unless something is heard of it; undefined when it is over. */
  expiresMs(session: number): number | undefined {
    const found = this.#sessions.get(session);
    return found && found.heardMs + found.timeoutMs;
  }

  /** Ends the sessions that nothing was heard of for their timeout. */
  expire(nowMs: number): void {
    for (const [session, { heardMs, timeoutMs }] of [...this.#sessions]) {
      if (nowMs - heardMs >= timeoutMs) this.end(session);
    }
  }

  /** The session is over, and its ephemeral nodes are gone. */
  end(session: number): void {
    if (!this.#sessions.delete(session)) return;
    const changes: NodeChange[] = [];
    for (const [path, { owner }] of this.tree.nodes) {
      if (owner === session) changes.push({ path, node: undefined });
    }
    this.#commit(session, changes);
  }

  /** All of the writes or none. */
  write(session: number, writes: readonly ModelWrite[]): WriteResult {
    const draft = new Draft(this.tree);
    const paths: string[] = [];
    const numbered: string[] = [];
    for (const write of writes) {
      const outcome = this.#draft(draft, session, write, numbered);
      if ("error" in outcome) return outcome;
      paths.push(outcome.path);
    }
    for (const parent of numbered) this.#numbers.set(parent, this.#numberOf(parent) + 1);
    return { error: undefined, zxid: this.#commit(session, draft.changes()), paths };
  }

  #draft(
    draft: Draft,
    session: number,
    write: ModelWrite,
    numbered: string[],
  ): { readonly error: SessionErrorCode } | { readonly path: string } {
    const { parent } = split(write.path);
    if (write.kind === "create") {
      const mode = write.mode ?? "persistent";
      const isNumbered = mode !== "persistent";
      const number = String(this.#numberOf(parent)).padStart(DIGITS, "0");
      const path = isNumbered ? `${write.path}${number}` : write.path;
      if (draft.get(path) !== undefined || path === "/") return { error: "nodeExists" };
      if (parent !== "/" && draft.get(parent) === undefined) return { error: "noNode" };
      const owner = mode === "ephemeralSequential" ? session : 0;
      draft.put(path, { data: write.data, version: 0, owner });
      numbered.push(parent);
      return { path };
    }
    const node = draft.get(write.path);
    if (node === undefined) return { error: "noNode" };
    if (write.version !== ANY_VERSION && write.version !== node.version) {
      return { error: "badVersion" };
    }
    if (write.kind === "set") {
      draft.put(write.path, { ...node, data: write.data, version: node.version + 1 });
    } else if (write.kind === "remove") {
      if (draft.hasChildren(write.path)) return { error: "notEmpty" };
      draft.put(write.path, undefined);
    }
    return { path: write.path };
  }

  #numberOf(parent: string): number {
    return this.#numbers.get(parent) ?? 0;
  }

  #commit(session: number, changes: readonly NodeChange[]): number {
    if (changes.length === 0) return this.tree.zxid;
    const transaction = { zxid: this.tree.zxid + 1, session, changes };
    for (const listener of this.listeners) listener(transaction);
    this.tree.apply(transaction);
    return transaction.zxid;
  }
}

/** What a transaction would change, seen by its own later writes. */
class Draft {
  readonly #tree: NodeTree;
  readonly #changed = new Map<string, ModelNode | undefined>();

  constructor(tree: NodeTree) {
    this.#tree = tree;
  }

  get(path: string): ModelNode | undefined {
    return this.#changed.has(path) ? this.#changed.get(path) : this.#tree.nodes.get(path);
  }

  put(path: string, node: ModelNode | undefined): void {
    this.#changed.set(path, node);
  }

  hasChildren(path: string): boolean {
    const isThere = (child: string): boolean => this.get(child) !== undefined;
    const old = this.#tree.childNames(path).map((name) => `${path}/${name}`);
    const drafted = [...this.#changed.keys()].filter((one) => split(one).parent === path);
    return [...old, ...drafted].some(isThere);
  }

  changes(): readonly NodeChange[] {
    return [...this.#changed].map(([path, node]) => ({ path, node }));
  }
}
