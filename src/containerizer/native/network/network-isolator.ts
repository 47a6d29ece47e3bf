/**
 * The isolator `network/cni`: before a container starts, its network is there, with its name, its
 * resolvers and its addresses in the files and variables where programs look for them.
 * Source: semantics 7.16; Mesos docs/cni.md.
 */
import { existsSync } from "node:fs";
import type { ContainerId } from "../../../base/ids.ts";
import type { ContainerStatus } from "../../../protocol/v1/types.ts";
import type { ContainerSpec, KnownContainer, Preparation } from "../../containerizer.ts";
import { quote } from "../../keeper/launch-plan.ts";
import { IsolatorBase, NO_PREPARATION } from "../isolator-base.ts";
import type { ContainerNetworks } from "./container-networks.ts";
import { NETWORK_FILES } from "./network-files.ts";

export class NetworkIsolator extends IsolatorBase {
  readonly name = "network/cni";
  readonly #networks: ContainerNetworks;
  readonly #mount: string;

  /** `mount`: path of the program. */
  constructor(networks: ContainerNetworks, mount: string) {
    super();
    this.#networks = networks;
    this.#mount = mount;
  }

  async precede(spec: ContainerSpec): Promise<void> {
    await this.#networks.join(spec);
  }

  prepare(spec: ContainerSpec): Promise<Preparation> {
    const networks = this.#networks;
    const { containerId } = spec;
    if (!networks.has(containerId)) return Promise.resolve(NO_PREPARATION);
    const files = NETWORK_FILES.flatMap((name) => {
      const source = networks.fileFor(spec, name);
      const target = `/etc/${name}`;
      // In a root of its own they are placed with the rest of it.
      if (spec.rootfs !== undefined || source === undefined || !existsSync(target)) return [];
      return [`${this.#mount} --bind -- ${quote(source)} ${target}`];
    });
    const name = networks.hostnameOf(containerId) ?? containerId;
    return Promise.resolve({
      environment: this.#environmentOf(spec),
      setup: [`echo ${quote(name)} >/proc/sys/kernel/hostname`, ...files],
    });
  }

  override statusOf(containerId: ContainerId): ContainerStatus {
    if (!this.#networks.has(containerId)) return {};
    return { network_infos: this.#networks.infosOf(containerId) };
  }

  override recover(known: readonly KnownContainer[]): Promise<void> {
    this.#networks.recover(new Set(known.map(({ containerId }) => containerId)));
    return Promise.resolve();
  }

  override async cleanup(containerId: ContainerId): Promise<void> {
    await this.#networks.leave(containerId);
  }

  override close(): void {
    this.#networks.close();
  }

  /** What the command sets for itself stays. */
  #environmentOf({ containerId, command }: ContainerSpec): Preparation["environment"] {
    const [first] = this.#networks.addressesOf(containerId);
    const own = (command.environment?.variables ?? []).map(({ name }) => name);
    const all = {
      // The agent's own address means nothing in there.
      LIBPROCESS_IP: "0.0.0.0",
      ...(first?.ip_address === undefined ? {} : { MESOS_CONTAINER_IP: first.ip_address }),
    };
    return Object.fromEntries(Object.entries(all).filter(([name]) => !own.includes(name)));
  }
}
