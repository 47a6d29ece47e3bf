/**
 * The isolator `network/ports`: tasks share the host's network, and one that listens on ports it was
 * not given is told of in the log or, if told to, ended. In a network of its own a task may listen
 * where it likes. Source: semantics 7.16.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import type { ContainerId } from "../../base/ids.ts";
import type { Clock, Log } from "../../base/ports.ts";
import type { Resource } from "../../protocol/v1/types.ts";
import type { ContainerSpec, Limitation, Preparation } from "../containerizer.ts";
import { Slices } from "../posix/slices.ts";
import { IsolatorBase, NO_PREPARATION } from "./isolator-base.ts";

export interface PortSettings {
  /** `--container_ports_watch_interval` */
  readonly intervalMs: number;
  /** `--enforce_container_ports` */
  readonly isEnforced: boolean;
  /** `--container_ports_isolated_range`, or the agent's ports; undefined to look at all. */
  readonly looked: readonly PortRange[] | undefined;
}

export interface PortRange {
  readonly begin: number;
  readonly end: number;
}

export interface PortIsolatorOptions extends PortSettings {
  readonly clock: Clock;
  readonly log: Log;
  readonly pidsOf: (containerId: ContainerId) => readonly number[];
  /** False for a container in a network of its own. */
  readonly isOnHost: (containerId: ContainerId) => boolean;
}

export class PortIsolator extends IsolatorBase {
  readonly name = "network/ports";
  readonly #options: PortIsolatorOptions;
  readonly #allowed = new Map<ContainerId, readonly PortRange[]>();
  readonly #watched = new Map<ContainerId, (limitation: Limitation) => void>();
  readonly #told = new Map<ContainerId, string>();
  #cancel: (() => void) | undefined;

  constructor(options: PortIsolatorOptions) {
    super();
    this.#options = options;
  }

  prepare({ containerId, resources }: ContainerSpec): Promise<Preparation> {
    this.#allowed.set(containerId, portsIn(resources));
    return Promise.resolve(NO_PREPARATION);
  }

  /** What adopted containers may listen on arrives here; until then nothing is held against them. */
  override update(containerId: ContainerId, resources: readonly Resource[]): Promise<void> {
    this.#allowed.set(containerId, portsIn(resources));
    return Promise.resolve();
  }

  override cleanup(containerId: ContainerId): Promise<void> {
    this.#allowed.delete(containerId);
    this.#told.delete(containerId);
    return Promise.resolve();
  }

  override watch(
    containerId: ContainerId,
    onLimitation: (limitation: Limitation) => void,
  ): () => void {
    this.#watched.set(containerId, onLimitation);
    this.#cancel ??= this.#schedule();
    return () => {
      this.#watched.delete(containerId);
      if (this.#watched.size > 0) return;
      this.#cancel?.();
      this.#cancel = undefined;
    };
  }

  #schedule(): () => void {
    const { clock, intervalMs, log } = this.#options;
    return clock.schedule(intervalMs, () => {
      this.#lookAtAll()
        .catch((error: unknown) => log.write("error", "looking at ports failed", { error }))
        .finally(() => {
          this.#cancel = this.#watched.size === 0 ? undefined : this.#schedule();
        });
    });
  }

  async #lookAtAll(): Promise<void> {
    const slices = new Slices(this.#options.clock);
    const ports = listeningPorts(
      ["tcp", "tcp6"].map((name) => readText(`/proc/self/net/${name}`)).join("\n"),
    );
    for (const containerId of [...this.#watched.keys()]) {
      if (slices.isOver) await slices.next();
      const allowed = this.#allowed.get(containerId);
      if (allowed === undefined || !this.#options.isOnHost(containerId)) continue;
      const held = this.#options.pidsOf(containerId).flatMap((pid) => socketsOf(pid));
      const listened = new Set(held.flatMap((inode) => ports.get(inode) ?? []));
      this.#judge(
        containerId,
        [...listened].filter((port) => this.#isForeign(port, allowed)),
      );
    }
  }

  #isForeign(port: number, allowed: readonly PortRange[]): boolean {
    const { looked } = this.#options;
    return (looked === undefined || isIn(port, looked)) && !isIn(port, allowed);
  }

  #judge(containerId: ContainerId, foreign: readonly number[]): void {
    const text = [...foreign].sort((a, b) => a - b).join(", ");
    if (text === (this.#told.get(containerId) ?? "")) return;
    this.#told.set(containerId, text);
    if (foreign.length === 0) return;
    const message = `Container is listening on ports it was not given: ${text}`;
    if (!this.#options.isEnforced) {
      this.#options.log.write("warning", message, { container: containerId });
      return;
    }
    const range = foreign.map((port) => ({ begin: port, end: port }));
    this.#watched.get(containerId)?.({
      reason: "REASON_CONTAINER_LIMITATION",
      message,
      resources: [{ name: "ports", type: "RANGES", ranges: { range } }],
    });
  }
}

/** Listening ports by inode of their socket, from what /proc/net/tcp and tcp6 say. */
export function listeningPorts(text: string): ReadonlyMap<number, number> {
  const ports = new Map<number, number>();
  for (const line of text.split("\n")) {
    const match = /^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} 0A (?:\S+ ){5}\s*(\d+)/;
    const [, port, inode] = match.exec(line.replaceAll(/ {2,}/g, " ")) ?? [];
    if (port !== undefined) ports.set(Number(inode), Number.parseInt(port, 16));
  }
  return ports;
}

function socketsOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((name) => {
      const match = /^socket:\[(\d+)\]$/.exec(linkAt(`/proc/${pid}/fd/${name}`));
      return match === null ? [] : [Number(match[1])];
    });
  } catch {
    // It has ended.
    return [];
  }
}

function linkAt(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    // Closed meanwhile.
    return "";
  }
}

function portsIn(resources: readonly Resource[]): PortRange[] {
  return resources
    .filter(({ name }) => name === "ports")
    .flatMap(({ ranges }) => ranges?.range ?? []);
}

function isIn(port: number, ranges: readonly PortRange[]): boolean {
  return ranges.some(({ begin, end }) => begin <= port && port <= end);
}

function readText(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    // A kernel without IPv6 has no tcp6.
    return "";
  }
}
