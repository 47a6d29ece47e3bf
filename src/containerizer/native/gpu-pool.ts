/** The gpus of this host and who has which. Pure. Source: semantics 7.16 (gpu/nvidia). */
import type { ContainerId } from "../../base/ids.ts";
import { ok, type Result, refuse } from "../../base/result.ts";
import type { GrantedDevice } from "./device-rules.ts";

export interface Gpu {
  /** Number in its node's name, which is what --nvidia_gpu_devices lists. */
  readonly id: number;
  readonly device: GrantedDevice;
}

export class GpuPool {
  readonly #gpus: readonly Gpu[];
  readonly #held = new Map<ContainerId, readonly Gpu[]>();

  constructor(gpus: readonly Gpu[]) {
    this.#gpus = gpus;
  }

  heldBy(containerId: ContainerId): readonly Gpu[] {
    return this.#held.get(containerId) ?? [];
  }

  /**
   * Lets the container have so many, keeping those that it has, the lowest free ones first. Errors:
   * `conflict`; then nothing has changed.
   */
  resize(containerId: ContainerId, count: number): Result<readonly Gpu[]> {
    const before = this.heldBy(containerId);
    const taken = new Set([...this.#held.values()].flat());
    const free = this.#gpus.filter((gpu) => !taken.has(gpu));
    const held = [...before.slice(0, count), ...free.slice(0, Math.max(0, count - before.length))];
    if (held.length < count) {
      const all = this.#gpus.length;
      const message = `The container needs ${count} gpus; of the agent's ${all} there are ${free.length} free`;
      return refuse("conflict", message, "gpus");
    }
    if (held.length === 0) this.#held.delete(containerId);
    else this.#held.set(containerId, held);
    return ok(held);
  }

  /** After a restart: the container has these. What is no gpu of the agent any more is left out. */
  recover(containerId: ContainerId, ids: readonly number[]): readonly Gpu[] {
    const held = this.#gpus.filter(({ id }) => ids.includes(id));
    if (held.length > 0) this.#held.set(containerId, held);
    return held;
  }
}
