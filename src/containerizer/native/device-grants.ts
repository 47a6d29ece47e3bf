/** Which devices each container may use beyond what all may. */
import type { ContainerId } from "../../base/ids.ts";
import type { ContainerSpec } from "../containerizer.ts";
import type { GrantedDevice } from "./device-rules.ts";

export class DeviceGrants {
  readonly #allowed: readonly GrantedDevice[];
  readonly #given = new Map<ContainerId, readonly GrantedDevice[]>();

  /** `allowed`: those of `--allowed_devices`, which are everybody's. */
  constructor(allowed: readonly GrantedDevice[]) {
    this.#allowed = allowed;
  }

  /** In place of what it was given before. */
  give(containerId: ContainerId, devices: readonly GrantedDevice[]): void {
    this.#given.set(containerId, devices);
  }

  /** What a container has a nested one has too; of nobody: what all have. */
  of(whose: Partial<Pick<ContainerSpec, "containerId" | "parentId">>): GrantedDevice[] {
    return [...this.#allowed, ...this.#givenTo(whose)];
  }

  /** True when it has more than all have. */
  isMore(whose: Pick<ContainerSpec, "containerId" | "parentId">): boolean {
    return this.#givenTo(whose).length > 0;
  }

  #givenTo({
    containerId,
    parentId,
  }: Partial<Pick<ContainerSpec, "containerId" | "parentId">>): GrantedDevice[] {
    return [parentId, containerId].flatMap((id) =>
      id === undefined ? [] : (this.#given.get(id) ?? []),
    );
  }

  takeAll(containerId: ContainerId): void {
    this.#given.delete(containerId);
  }
}
