/**
 * A slow, obvious model of plain DRF (semantics 4.1–4.6): nothing is kept sorted, cached or marked.
 * Each cycle looks at every agent and every framework and counts every share anew. Amounts are
 * thousandths by key, `name;reservation,reservation;r` (r for revocable); scalars only.
 */

export type Amounts = ReadonlyMap<string, number>;

export interface ModelFramework {
  readonly roles: readonly string[];
  readonly suppressed: Set<string>;
  readonly capabilities: ReadonlySet<string>;
  /** Thousandths by role; any one vector is enough, none at all asks for nothing. */
  readonly minimums: ReadonlyMap<string, readonly Readonly<Record<string, number>>[]>;
  isActive: boolean;
}

export interface ModelAgent {
  total: Amounts;
  attributes: string;
  isActive: boolean;
  /** By `framework role`. */
  readonly held: Map<string, Map<string, number>>;
}

export interface ModelOffer {
  readonly frameworkId: string;
  readonly role: string;
  readonly agentId: string;
  readonly amounts: Amounts;
}

interface Refusal {
  readonly client: string;
  readonly agentId: string;
  readonly amounts: Amounts;
  readonly endMs: number;
}

export interface ModelOptions {
  readonly minimum: readonly Readonly<Record<string, number>>[];
  readonly intervalMs: number;
  readonly excluded: ReadonlySet<string>;
}

export class Model {
  readonly options: ModelOptions;
  readonly frameworks: Map<string, ModelFramework> = new Map();
  /** In the order of arrival. */
  readonly agents: Map<string, ModelAgent> = new Map();
  /** Allocations by `client …`, `role …` or `branch …`. */
  readonly #counts = new Map<string, number>();
  #refusals: Refusal[] = [];
  #cycles = 0;

  constructor(options: ModelOptions) {
    this.options = options;
  }

  /** What is on an agent and nobody holds. */
  free(agentId: string): Map<string, number> {
    const agent = this.#agent(agentId);
    const free = new Map(agent.total);
    for (const held of agent.held.values()) {
      for (const [key, milli] of held) free.set(key, (free.get(key) ?? 0) - milli);
    }
    for (const [key, milli] of free) {
      if (milli < 0) throw new Error(`agent ${agentId} is overcommitted in ${key}`);
      if (milli === 0) free.delete(key);
    }
    return free;
  }

  hold(agentId: string, frameworkId: string, role: string, amounts: Amounts): void {
    const { held } = this.#agent(agentId);
    const client = `${frameworkId} ${role}`;
    const own = held.get(client) ?? new Map<string, number>();
    for (const [key, milli] of amounts) own.set(key, (own.get(key) ?? 0) + milli);
    held.set(client, own);
    const names = [`client ${client}`, `role ${role}`];
    for (const path of prefixesOf(role)) names.push(`branch ${path}`);
    for (const name of names) this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  recover(offer: ModelOffer, refuseMs: number, nowMs: number): void {
    const { frameworkId, role, agentId, amounts } = offer;
    const client = `${frameworkId} ${role}`;
    const { held } = this.#agent(agentId);
    const own = held.get(client) ?? new Map<string, number>();
    for (const [key, milli] of amounts) {
      const left = (own.get(key) ?? 0) - milli;
      if (left > 0) own.set(key, left);
      else own.delete(key);
    }
    if (own.size === 0) held.delete(client);
    const framework = this.frameworks.get(frameworkId);
    if (refuseMs > 0 && framework?.isActive === true && framework.roles.includes(role)) {
      const endMs = nowMs + Math.max(refuseMs, this.options.intervalMs);
      this.#refusals.push({ client, agentId, amounts, endMs });
    }
  }

  clearRefusals(isCleared: (frameworkId: string, role: string, agentId: string) => boolean): void {
    this.#refusals = this.#refusals.filter(({ client, agentId }) => {
      const [frameworkId = "", role = ""] = client.split(" ");
      return !isCleared(frameworkId, role, agentId);
    });
  }

  /** To be called after each event: what nobody has a part in any more starts from nothing later. */
  forgetCounts(): void {
    const names = new Set<string>();
    for (const client of this.#clients()) {
      const role = client.split(" ")[1] ?? "";
      names.add(`client ${client}`).add(`role ${role}`);
      for (const path of prefixesOf(role)) names.add(`branch ${path}`);
    }
    for (const name of [...this.#counts.keys()]) if (!names.has(name)) this.#counts.delete(name);
  }

  allocate(nowMs: number): ModelOffer[] {
    const offers: ModelOffer[] = [];
    const agentIds = [...this.agents.keys()];
    const start = this.#cycles++ % Math.max(1, agentIds.length);
    for (const agentId of [...agentIds.slice(start), ...agentIds.slice(0, start)]) {
      for (const client of this.#inOrder()) {
        const [frameworkId = "", role = ""] = client.split(" ");
        const amounts = this.#offerable(agentId, frameworkId, role, nowMs);
        if (amounts === undefined) continue;
        this.hold(agentId, frameworkId, role, amounts);
        offers.push({ frameworkId, role, agentId, amounts });
      }
    }
    return offers;
  }

  shareOfRole(path: string): number {
    return this.#share((role) => role === path || role.startsWith(`${path}/`));
  }

  shareOfFramework(frameworkId: string, role: string): number {
    return this.#share((other, holder) => other === role && holder === frameworkId);
  }

  #offerable(
    agentId: string,
    frameworkId: string,
    role: string,
    nowMs: number,
  ): Amounts | undefined {
    const agent = this.#agent(agentId);
    const framework = this.frameworks.get(frameworkId);
    if (!agent.isActive || framework?.isActive !== true) return undefined;
    if (!framework.roles.includes(role) || framework.suppressed.has(role)) return undefined;
    const { capabilities } = framework;
    const hasGpus = [...agent.total.keys()].some((key) => key.startsWith("gpus;"));
    if (hasGpus && !capabilities.has("GPU_RESOURCES")) return undefined;
    const amounts = new Map<string, number>();
    for (const [key, milli] of this.free(agentId)) {
      const [, stackText = "", revocable = ""] = key.split(";");
      const stack = stackText === "" ? [] : stackText.split(",");
      const owner = stack.at(-1);
      if (owner !== undefined && !prefixesOf(role).includes(owner)) continue;
      if (revocable === "r" && !capabilities.has("REVOCABLE_RESOURCES")) continue;
      if (stack.length > 1 && !capabilities.has("RESERVATION_REFINEMENT")) continue;
      amounts.set(key, milli);
    }
    if (amounts.size === 0) return undefined;
    const minimum = framework.minimums.get(role) ?? this.options.minimum;
    const sums = namesOf(amounts);
    const isEnough = minimum.some((vector) =>
      Object.entries(vector).every(([name, milli]) => (sums.get(name) ?? 0) >= milli),
    );
    if (minimum.length > 0 && !isEnough) return undefined;
    const isRefused = this.#refusals.some(
      (refusal) =>
        refusal.client === `${frameworkId} ${role}` &&
        refusal.agentId === agentId &&
        refusal.endMs > nowMs &&
        [...amounts].every(([key, milli]) => (refusal.amounts.get(key) ?? 0) >= milli),
    );
    return isRefused ? undefined : amounts;
  }

  /** All clients in serving order, level by level from the top. */
  #inOrder(): string[] {
    const clients = [...this.#clients()];
    const roles = new Set(clients.map((client) => client.split(" ")[1] ?? ""));
    const order: string[] = [];
    const descend = (parent: string | undefined): void => {
      const children = new Set<string>();
      for (const role of roles) {
        const below = parent === undefined ? role : role.slice(parent.length + 1);
        const isBelow = parent === undefined || role.startsWith(`${parent}/`);
        const first = below.split("/")[0] ?? "";
        if (isBelow) children.add(parent === undefined ? first : `${parent}/${first}`);
      }
      const siblings = [...children].map((path) => ({
        share: this.shareOfRole(path),
        count: this.#counts.get(`branch ${path}`) ?? 0,
        path,
        visit: () => descend(path),
      }));
      if (parent !== undefined && roles.has(parent)) {
        siblings.push({
          share: this.#share((role) => role === parent),
          count: this.#counts.get(`role ${parent}`) ?? 0,
          path: `${parent}/.`,
          visit: () => order.push(...this.#frameworksInOrder(clients, parent)),
        });
      }
      for (const sibling of siblings.sort(compare)) sibling.visit();
    };
    descend(undefined);
    return order;
  }

  #frameworksInOrder(clients: readonly string[], role: string): string[] {
    return clients
      .filter((client) => client.endsWith(` ${role}`))
      .map((client) => {
        const path = client.split(" ")[0] ?? "";
        const count = this.#counts.get(`client ${client}`) ?? 0;
        return { share: this.shareOfFramework(path, role), count, path, client };
      })
      .sort(compare)
      .map(({ client }) => client);
  }

  /** Frameworks in roles they subscribe to or hold something for. */
  #clients(): Set<string> {
    const clients = new Set<string>();
    for (const [id, { roles }] of this.frameworks)
      for (const role of roles) clients.add(`${id} ${role}`);
    for (const { held } of this.agents.values())
      for (const client of held.keys()) clients.add(client);
    return clients;
  }

  #share(isCounted: (role: string, frameworkId: string) => boolean): number {
    const totals = new Map<string, number>();
    const sums = new Map<string, number>();
    for (const agent of this.agents.values()) {
      addTo(totals, namesOf(agent.total));
      for (const [client, held] of agent.held) {
        const [frameworkId = "", role = ""] = client.split(" ");
        if (isCounted(role, frameworkId)) addTo(sums, namesOf(held));
      }
    }
    let share = 0;
    for (const [name, milli] of sums) {
      if (!this.options.excluded.has(name))
        share = Math.max(share, milli / (totals.get(name) ?? 1));
    }
    return share;
  }

  #agent(id: string): ModelAgent {
    const agent = this.agents.get(id);
    if (agent === undefined) throw new Error(`the model has no agent ${id}`);
    return agent;
  }
}

interface Rank {
  readonly share: number;
  readonly count: number;
  readonly path: string;
}

function compare(a: Rank, b: Rank): number {
  return a.share - b.share || a.count - b.count || (a.path < b.path ? -1 : 1);
}

/** `a/b/c` as `a`, `a/b`, `a/b/c`. */
function prefixesOf(role: string): string[] {
  const parts = role.split("/");
  return parts.map((_, index) => parts.slice(0, index + 1).join("/"));
}

function namesOf(amounts: Amounts): Map<string, number> {
  const sums = new Map<string, number>();
  for (const [key, milli] of amounts) {
    const name = key.split(";")[0] ?? "";
    sums.set(name, (sums.get(name) ?? 0) + milli);
  }
  return sums;
}

function addTo(sums: Map<string, number>, amounts: Amounts): void {
  for (const [name, milli] of amounts) sums.set(name, (sums.get(name) ?? 0) + milli);
}
