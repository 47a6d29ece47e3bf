/** The nodes that one ZooKeeper server has, up to the last transaction that it applied. */

export interface ModelNode {
  readonly data: Uint8Array;
  readonly version: number;
  /** The session that an ephemeral node lives as long as; 0: none. */
  readonly owner: number;
}

/** A node as it is from here on; undefined: it is gone. */
export interface NodeChange {
  readonly path: string;
  readonly node: ModelNode | undefined;
}

export interface Transaction {
  readonly zxid: number;
  readonly session: number;
  readonly changes: readonly NodeChange[];
}

export class NodeTree {
  readonly nodes: Map<string, ModelNode> = new Map();
  readonly #children = new Map<string, Set<string>>();
  /** Last transaction that changed which children a node has. */
  readonly #childrenChanged = new Map<string, number>();
  readonly #watches = new Map<string, Set<() => void>>();
  zxid = 0;

  childNames(path: string): readonly string[] {
    return [...(this.#children.get(path) ?? [])];
  }

  has(path: string): boolean {
    return path === "/" || this.nodes.has(path);
  }

  /** Calls back once, when the node has other children or is gone. Returns a way to forget it. */
  watchChildren(path: string, onChange: () => void): () => void {
    const watches = this.#watches.get(path) ?? new Set();
    this.#watches.set(path, watches);
    watches.add(onChange);
    return () => watches.delete(onChange);
  }

  /** Whether a watch that was set at that transaction would have been called by now. */
  isChangedSince(path: string, zxid: number): boolean {
    return (this.#childrenChanged.get(path) ?? 0) > zxid;
  }

  apply({ zxid, changes }: Transaction): void {
    const touched = new Set<string>();
    for (const { path, node } of changes) {
      const isNew = node !== undefined && !this.nodes.has(path);
      if (node !== undefined) this.nodes.set(path, node);
      else {
        this.nodes.delete(path);
        touched.add(path);
      }
      if (!isNew && node !== undefined) continue;
      const { parent, name } = split(path);
      const names = this.#children.get(parent) ?? new Set();
      this.#children.set(parent, names);
      if (isNew) names.add(name);
      else names.delete(name);
      touched.add(parent);
    }
    this.zxid = zxid;
    for (const path of touched) {
      this.#childrenChanged.set(path, zxid);
      const watches = [...(this.#watches.get(path) ?? [])];
      this.#watches.delete(path);
      for (const onChange of watches) onChange();
    }
  }
}

/** The node above, and the name below it. */
export function split(path: string): { readonly parent: string; readonly name: string } {
  const slash = path.lastIndexOf("/");
  return { parent: path.slice(0, slash) || "/", name: path.slice(slash + 1) };
}
