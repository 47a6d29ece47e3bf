/**
 * Brings the URIs of a command into its sandbox before the command starts. The agent decides and
 * watches; helpers with the rights of the task's user do the work, a bounded number at a time.
 * Whatever a helper has not finished when the agent ends belongs to a container that was never
 * launched. Source: semantics 7.8.
 */
import { closeSync, constants, openSync } from "node:fs";
import type { Log } from "../base/ports.ts";
import { ContainerizerError, type HostUser } from "../containerizer/containerizer.ts";
import { findHostTools } from "../containerizer/keeper/host-tools.ts";
import { HostUsers } from "../containerizer/posix/host-users.ts";
import { giveSandbox, makeSandbox } from "../containerizer/posix/sandbox.ts";
import { TurnQueue } from "../containerizer/turn-queue.ts";
import type { CommandInfoURI } from "../protocol/v1/types.ts";
import { type PlannedFetch, planFetches } from "./fetch-plan.ts";
import { type CacheLease, FetcherCache } from "./fetcher-cache.ts";
import type { FetchItem, HelperEvent, ItemSource } from "./helper-messages.ts";
import { FIRST_DESCRIPTOR, runHelper } from "./helper-process.ts";
import { FETCHES_AT_ONCE } from "./limits.ts";

/** This very program as a helper. */
export interface FetchHelper {
  /** What to start, with first arguments. */
  readonly command: readonly [string, ...string[]];
  /** Its environment: what says how servers are reached, and nothing else. */
  readonly environment: Readonly<Record<string, string>>;
}

export interface FetcherOptions {
  readonly helper: FetchHelper;
  /** `--fetcher_cache_dir`, `--fetcher_cache_size`, `--fetcher_stall_timeout`, `--frameworks_home`. */
  readonly cacheDir: string;
  readonly cacheBytes: number;
  readonly stallTimeoutMs: number;
  readonly frameworksHome: string | undefined;
  readonly log: Log;
}

export interface FetchRequest {
  readonly containerId: string;
  readonly uris: readonly CommandInfoURI[];
  /** Sandbox, absolute; made if it is not there. */
  readonly directory: string;
  /** Whose rights count; undefined for the agent's own user. */
  readonly user: string | undefined;
}

/** Name of the cache's folder of tasks that run as the agent itself. */
const OWN_USER = "agent";

export class Fetcher {
  readonly #options: FetcherOptions;
  readonly #cache: FetcherCache;
  readonly #turns = new TurnQueue(FETCHES_AT_ONCE);
  #users: Promise<HostUsers> | undefined;
  #succeeded = 0;
  #failed = 0;

  /** Empties the cache. Throws what the system throws when its folder cannot be had. */
  constructor(options: FetcherOptions) {
    this.#options = options;
    const { cacheDir, cacheBytes, log } = options;
    this.#cache = new FetcherCache({ folder: cacheDir, bytesMax: cacheBytes, log });
  }

  /** Resolves when all is in the sandbox. Errors: `ContainerizerError`, fit for a task status. */
  async fetch(request: FetchRequest, signal: AbortSignal): Promise<void> {
    try {
      await this.#fetchAll(request, signal);
      this.#succeeded += 1;
    } catch (error) {
      this.#failed += 1;
      throw error;
    }
  }

  /** Under the names of reference/metrics.json. */
  metrics(): Record<string, number> {
    return {
      "containerizer/fetcher/task_fetches_succeeded": this.#succeeded,
      "containerizer/fetcher/task_fetches_failed": this.#failed,
      "containerizer/fetcher/cache_size_total_bytes": this.#cache.bytesMax,
      "containerizer/fetcher/cache_size_used_bytes": this.#cache.bytesUsed,
    };
  }

  async #fetchAll(request: FetchRequest, signal: AbortSignal): Promise<void> {
    const plans = planFetches(request.uris, this.#options.frameworksHome);
    if (!plans.ok) throw new ContainerizerError(plans.error.message);
    const user = request.user === undefined ? undefined : await this.#userOf(request.user);
    // Held until the helper is in it: the one of a nested container lies in what a task may change.
    const files = [openSandbox(request.directory, user)];
    let leases: readonly (CacheLease | undefined)[] = [];
    try {
      leases = await Promise.all(
        plans.value.map((plan) =>
          plan.isCached ? this.#lease(request, plan, user, signal) : undefined,
        ),
      );
      const items = plans.value.map((plan, index) => itemOf(plan, leases[index], files));
      const folder = `/proc/self/fd/${FIRST_DESCRIPTOR}`;
      await this.#help({ request, user, items, files, folder }, signal);
    } finally {
      for (const file of files) closeSync(file);
      for (const lease of leases) lease?.release();
    }
  }

  async #userOf(name: string): Promise<HostUser | undefined> {
    this.#users ??= findHostTools().then((tools) => new HostUsers(tools));
    return await (await this.#users).resolve(name);
  }

  #lease(
    request: FetchRequest,
    plan: PlannedFetch,
    user: HostUser | undefined,
    signal: AbortSignal,
  ): Promise<CacheLease | undefined> {
    const { source, shown, checksum } = plan;
    const item: FetchItem = {
      source,
      shown,
      target: { descriptor: FIRST_DESCRIPTOR },
      checksum,
      isExecutable: false,
      archive: undefined,
      asksForRoom: true,
    };
    return this.#cache.lease(
      user?.name ?? OWN_USER,
      plan.cacheKey,
      (file, hasRoom, stop) =>
        this.#help({ request, user, items: [item], files: [file], folder: "/", hasRoom }, stop),
      signal,
    );
  }

  /** Waits for a turn and has a helper do the items. */
  async #help(work: HelperWork, signal: AbortSignal): Promise<void> {
    const { request, user, items, files, folder, hasRoom = () => true } = work;
    const { helper, stallTimeoutMs } = this.#options;
    const run = { ...helper, files, hasRoom };
    const job = { folder, user, stallTimeoutMs, items };
    const onEvent = (event: HelperEvent): void => this.#note(request, items, event);
    await this.#turns.run(() => runHelper({ ...run, job, onEvent }, signal));
  }

  #note(request: FetchRequest, items: readonly FetchItem[], event: HelperEvent): void {
    if (!("item" in event)) return;
    const { kind, item, ...figures } = event;
    const level = kind === "resumed" ? "warning" : "info";
    this.#options.log.write(level, NOTES[kind], {
      container: request.containerId,
      uri: items[item]?.shown,
      ...figures,
    });
  }
}

interface HelperWork {
  readonly request: FetchRequest;
  readonly user: HostUser | undefined;
  readonly items: readonly FetchItem[];
  readonly files: readonly number[];
  readonly folder: string;
  readonly hasRoom?: (bytes: number | undefined) => boolean;
}

const NOTES = {
  progress: "fetching",
  resumed: "a broken transfer is taken up again",
  fetched: "fetched",
} as const;

/** Makes the sandbox, gives it to its user and opens it. The caller closes it. */
function openSandbox(directory: string, user: HostUser | undefined): number {
  return makeSandbox(directory).use((sandbox) => {
    giveSandbox(sandbox, user);
    return openSync(sandbox.path, constants.O_RDONLY | constants.O_DIRECTORY);
  });
}

/** What the helper is told; opens the cached file, if there is one, for the helper to read. */
function itemOf(plan: PlannedFetch, lease: CacheLease | undefined, files: number[]): FetchItem {
  const { shown, target, isExecutable, archive } = plan;
  const common = { shown, target, isExecutable, archive, asksForRoom: false };
  if (lease === undefined) return { ...common, source: plan.source, checksum: plan.checksum };
  const source: ItemSource = { kind: "descriptor", descriptor: FIRST_DESCRIPTOR + files.length };
  files.push(lease.open());
  // What is in the cache was compared with its digest on the way there.
  return { ...common, source, checksum: undefined };
}
