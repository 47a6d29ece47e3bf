/**
 * Watches the registry of several masters from outside: what ZooKeeper committed, what each copy
 * holds, what was told to be durable. Reads entries by itself and never asks the registrar.
 */
import { gunzipSync } from "node:zlib";
import type { Result } from "../../../src/base/result.ts";
import { isSameBytes } from "../../../src/base/text.ts";
import type {
  RegistryOperation,
  RegistryState,
} from "../../../src/registry/core/registry-state.ts";
import type { LogMark, RegistryFile } from "../../../src/registry/store/registry-file.ts";
import type { Transaction } from "../../election/model/node-tree.ts";
import type { ZooKeeperModel } from "../../election/model/zookeeper-model.ts";
import type { World } from "../world.ts";

export class RegistryJudge {
  readonly #world: World;
  readonly #root: string;
  readonly #entries = new Map<number, Uint8Array>();
  /** How often each operation is in the log, and was said to be. */
  readonly #logged = new Map<string, number>();
  readonly #acknowledged = new Map<string, number>();
  /** Mark and content of copies by position, as the first one had them. */
  readonly #copies = new Map<number, string>();
  /** Who wrote the epoch last. */
  #leaderSession = 0;
  #last = 0;

  constructor(world: World, model: ZooKeeperModel, path: string) {
    this.#world = world;
    this.#root = `${path}/log_replicas/allot`;
    model.listeners.push((transaction) => this.#committed(transaction));
  }

  /** Entries that were committed. */
  get entries(): number {
    return this.#entries.size;
  }

  /** From here on every change of that copy is looked at, until what this returns is called. */
  watch(file: RegistryFile): () => void {
    const write = file.write.bind(file);
    const replace = file.replace.bind(file);
    file.write = (operations, details) => {
      write(operations, details);
      this.copied(file.state, file.mark);
    };
    file.replace = (state, mark, cluster) => {
      replace(state, mark, cluster);
      this.copied(state, mark);
    };
    return () => Object.assign(file, { write, replace });
  }

  /** Registries at one position are the same. */
  copied(state: RegistryState, { position, hash }: LogMark): void {
    // Who begins the log writes its own copy first.
    if (position === 0 || this.#last === 0) return;
    const content = `${hash} ${textOf(state)}`;
    const first = this.#copies.get(position);
    if (first === undefined) this.#copies.set(position, content);
    this.#expect(
      first === undefined || first === content,
      () => `two registries differ at ${position}:\n${first}\n${content}`,
    );
    this.#expect(position <= this.#last, () => `a registry is at ${position}, the log is not`);
  }

  /** A registry told that these are durable. */
  acknowledged(
    operations: readonly RegistryOperation[],
    results: readonly Result<boolean>[],
  ): void {
    for (const [index, operation] of operations.entries()) {
      const result = results[index];
      if (result?.ok !== true || !result.value) continue;
      const key = JSON.stringify(operation);
      const count = (this.#acknowledged.get(key) ?? 0) + 1;
      this.#acknowledged.set(key, count);
      this.#expect(
        count <= (this.#logged.get(key) ?? 0),
        () => `${key} was acknowledged and is not in the log`,
      );
    }
  }

  /** Whether that copy is at the end of the log. */
  isComplete({ position }: LogMark): boolean {
    return position === this.#last;
  }

  /** Within a master, which would take an exception for its own. */
  #expect(condition: boolean, message: () => string): void {
    if (!condition) this.#world.note(message());
  }

  #committed({ session, changes }: Transaction): void {
    for (const { path, node } of changes) {
      if (node === undefined || !path.startsWith(this.#root)) continue;
      const rest = path.slice(this.#root.length);
      if (rest === "/epoch") {
        if (node.version > 0) this.#leaderSession = session;
      } else if (node.data.length > 0 || rest.startsWith("/log/")) {
        this.#world.check(
          session === this.#leaderSession,
          () => `${rest} was written by session ${session} in the epoch of ${this.#leaderSession}`,
        );
        if (rest === "") this.#snapshot(node.data);
        if (rest.startsWith("/log/")) this.#entry(Number(rest.slice(5)), node.data);
      }
    }
  }

  #entry(position: number, bytes: Uint8Array): void {
    const earlier = this.#entries.get(position);
    this.#world.check(
      earlier === undefined || isSameBytes(earlier, bytes),
      () => `entry ${position} was written twice`,
    );
    this.#world.check(
      position === this.#last + 1,
      () => `entry ${position} follows entry ${this.#last}`,
    );
    this.#entries.set(position, bytes);
    this.#last = position;
    for (const operation of operationsOf(bytes)) {
      const key = JSON.stringify(operation);
      this.#logged.set(key, (this.#logged.get(key) ?? 0) + 1);
    }
  }

  /** The first thing of all, when the log begins with what a master brought along. */
  #snapshot(data: Uint8Array): void {
    const { snapshot } = JSON.parse(new TextDecoder().decode(data)) as {
      readonly snapshot: string;
    };
    const position = Number(snapshot.split("-")[0]);
    const isKnown = position <= this.#last || this.#last === 0;
    this.#world.check(isKnown, () => `a snapshot of ${position} follows entry ${this.#last}`);
    this.#last = Math.max(this.#last, position);
  }
}

function operationsOf(bytes: Uint8Array): readonly unknown[] {
  const plain = bytes[0] === 0x1f ? gunzipSync(bytes) : bytes;
  const { content } = JSON.parse(new TextDecoder().decode(plain)) as {
    readonly content: readonly [readonly unknown[], unknown];
  };
  return content[0];
}

/** Unreachable and gone agents are in order of age; the order of others means nothing. */
function textOf({ schedule, unreachable, gone, ...others }: RegistryState): string {
  const sorted = Object.values(others).map((map) =>
    [...map].toSorted(([left], [right]) => (left < right ? -1 : 1)),
  );
  return JSON.stringify([sorted, [...unreachable], [...gone], schedule ?? null]);
}
