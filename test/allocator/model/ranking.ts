/** Who is served first: shares counted anew from all that is held, level by level. Semantics 4.2. */
import { isWithin, partOf } from "./amounts.ts";
import { type Cluster, frameworkOf, roleOf } from "./cluster.ts";

interface Rank {
  readonly share: number;
  readonly count: number;
  readonly path: string;
}

/** All clients in serving order. */
export function clientsInOrder(cluster: Cluster): string[] {
  return rolesInOrder(cluster).flatMap((role) =>
    frameworksInOrder(cluster, role).map((frameworkId) => `${frameworkId} ${role}`),
  );
}

/** Roles with clients: the tree is walked from the top, siblings in order. */
function rolesInOrder(cluster: Cluster): string[] {
  const roles = new Set([...cluster.clients()].map(roleOf));
  const order: string[] = [];
  const descend = (parent: string | undefined): void => {
    const siblings: (Rank & { readonly visit: () => void })[] = childrenOf(parent, roles).map(
      (path) => ({
        share: shareOfRole(cluster, path),
        count: cluster.countOf(`branch ${path}`),
        path,
        visit: () => descend(path),
      }),
    );
    if (parent !== undefined && roles.has(parent)) {
      siblings.push({
        share: share(cluster, (role) => role === parent),
        count: cluster.countOf(`role ${parent}`),
        path: `${parent}/.`,
        visit: () => order.push(parent),
      });
    }
    for (const sibling of siblings.sort(compare)) sibling.visit();
  };
  descend(undefined);
  return order;
}

/** Frameworks of one role in serving order. */
function frameworksInOrder(cluster: Cluster, role: string): string[] {
  return [...cluster.clients()]
    .filter((client) => roleOf(client) === role)
    .map((client) => {
      const path = frameworkOf(client);
      const count = cluster.countOf(`client ${client}`);
      return { share: shareOfFramework(cluster, path, role), count, path };
    })
    .sort(compare)
    .map(({ path }) => path);
}

/** Dominant share of a role and all below it, by its weight. */
export function shareOfRole(cluster: Cluster, path: string): number {
  const dominant = share(cluster, (role) => isWithin(role, path));
  return dominant / (cluster.weights.get(path) ?? 1);
}

export function shareOfFramework(cluster: Cluster, frameworkId: string, role: string): number {
  return share(cluster, (other, holder) => other === role && holder === frameworkId);
}

function childrenOf(parent: string | undefined, roles: ReadonlySet<string>): string[] {
  const children = new Set<string>();
  for (const role of roles) {
    const below = parent === undefined ? role : role.slice(parent.length + 1);
    const isBelow = parent === undefined || role.startsWith(`${parent}/`);
    const first = below.split("/")[0] ?? "";
    if (isBelow) children.add(parent === undefined ? first : `${parent}/${first}`);
  }
  return [...children];
}

/** A shared volume counts once per agent, however many of those who are counted hold it. */
function share(
  cluster: Cluster,
  isCounted: (role: string, frameworkId: string) => boolean,
): number {
  const totals = new Map<string, number>();
  const sums = new Map<string, number>();
  for (const agent of cluster.agents.values()) {
    for (const [key, milli] of agent.total) count(totals, key, milli);
    const shared = new Set<string>();
    for (const [client, held] of agent.held) {
      if (!isCounted(roleOf(client), frameworkOf(client))) continue;
      for (const [key, milli] of held) {
        const { isShared, unitMilli } = partOf(key);
        if (!isShared) count(sums, key, milli);
        else if (!shared.has(key)) count(sums, key, unitMilli ?? 0);
        if (isShared) shared.add(key);
      }
    }
  }
  let result = 0;
  for (const [name, milli] of sums) {
    const total = totals.get(name) ?? 0;
    if (total > 0 && !cluster.options.excluded.has(name)) result = Math.max(result, milli / total);
  }
  return result;
}

function count(sums: Map<string, number>, key: string, milli: number): void {
  const { name, port } = partOf(key);
  if (port === undefined) sums.set(name, (sums.get(name) ?? 0) + milli);
}

function compare(a: Rank, b: Rank): number {
  return a.share - b.share || a.count - b.count || (a.path < b.path ? -1 : 1);
}
