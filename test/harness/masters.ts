/** Several compiled masters and agents under one path of a real ZooKeeper. */
import { type AllotProcess, makeWorkDir, removeWorkDir, startAllot } from "./allot-process.ts";
import { until } from "./wait.ts";

/** What is read of a master's `/state`. */
export interface MasterState {
  readonly id: string;
  readonly slaves: readonly { readonly id: string; readonly active: boolean }[];
}

export class Masters {
  readonly url: string;
  readonly #sessionTimeoutMs: number;
  readonly masters: AllotProcess[] = [];
  readonly #flags = new Map<AllotProcess, readonly [folder: string, port: string]>();
  readonly #folders: string[] = [];
  readonly agents: AllotProcess[] = [];

  private constructor(url: string, sessionTimeoutMs: number) {
    this.url = url;
    this.#sessionTimeoutMs = sessionTimeoutMs;
  }

  static async start(
    url: string,
    size: number,
    { sessionTimeoutMs = 3000 }: { readonly sessionTimeoutMs?: number } = {},
  ): Promise<Masters> {
    const masters = new Masters(url, sessionTimeoutMs);
    for (let count = 0; count < size; count++) await masters.startMaster();
    return masters;
  }

  /** A new one, or an ended one again in its folder and on its port; `flags` beside those it needs. */
  async startMaster(ended?: AllotProcess, flags: readonly string[] = []): Promise<AllotProcess> {
    const known = ended && this.#flags.get(ended);
    const workDir = known?.[0] ?? this.#folder();
    const started = await startAllot({
      role: "master",
      workDir,
      flags: [
        `--zk=${this.url}`,
        `--zk_session_timeout=${this.#sessionTimeoutMs}ms`,
        `--port=${known?.[1] ?? 0}`,
        ...flags,
      ],
    });
    this.#flags.set(started, [workDir, new URL(started.url).port]);
    if (ended !== undefined) this.masters.splice(this.masters.indexOf(ended), 1);
    this.masters.push(started);
    return started;
  }

  /** The agent's work folder. */
  async startAgent(): Promise<string> {
    const workDir = this.#folder();
    const flags = [`--master=${this.url}`, "--resources=cpus:10;mem:1000;disk:1000"];
    this.agents.push(await startAllot({ role: "agent", workDir, flags }));
    return workDir;
  }

  /** The one of these that leads with all agents back. */
  leader(among: readonly AllotProcess[] = this.masters): Promise<AllotProcess> {
    return until("a leader with its agents", async () => {
      for (const master of among) {
        const active = (await stateOf(master))?.slaves.filter((agent) => agent.active);
        if (active?.length === this.agents.length) return master;
      }
      return undefined;
    });
  }

  others(one: AllotProcess): AllotProcess[] {
    return this.masters.filter((master) => master !== one);
  }

  async end(): Promise<void> {
    for (const running of [...this.masters, ...this.agents]) {
      if (running.isRunning()) await running.end("SIGKILL");
    }
    for (const folder of this.#folders) await removeWorkDir(folder);
  }

  #folder(): string {
    const folder = makeWorkDir();
    this.#folders.push(folder);
    return folder;
  }
}

/** Undefined where it does not lead, or does not answer. */
export async function stateOf(master: AllotProcess): Promise<MasterState | undefined> {
  if (!master.isRunning()) return undefined;
  const response = await fetch(`${master.url}/state`, {
    redirect: "manual",
    signal: AbortSignal.timeout(2000),
  }).catch(() => undefined);
  if (response?.status !== 200) return undefined;
  return (await response.json().catch(() => undefined)) as MasterState | undefined;
}

/** A call of the operator API, without following redirects. Rejects when nobody answers in time. */
export function postTo(master: AllotProcess, body: object, timeoutMs = 10_000): Promise<Response> {
  return fetch(`${master.url}/api/v1`, {
    method: "POST",
    redirect: "manual",
    headers: { "Content-Type": "application/json", Accept: "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(timeoutMs),
  });
}
