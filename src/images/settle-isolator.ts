/**
 * Takes a container's root off the host when everything in it has been prepared; the container mounts
 * it for itself (overlay.ts).
 */
import type { ContainerId } from "../base/ids.ts";
import type { Preparation } from "../containerizer/containerizer.ts";
import { IsolatorBase, NO_PREPARATION } from "../containerizer/native/isolator-base.ts";
import type { Provisioner } from "./provisioner.ts";

export class SettleIsolator extends IsolatorBase {
  readonly name = "image";
  readonly #provisioner: Provisioner;

  constructor(provisioner: Provisioner) {
    super();
    this.#provisioner = provisioner;
  }

  prepare(): Promise<Preparation> {
    return Promise.resolve(NO_PREPARATION);
  }

  override async isolate(containerId: ContainerId): Promise<void> {
    await this.#provisioner.settle(containerId);
  }
}
