/**
 * Which network a container is to have: the host's, one of its own, or that of the container or group
 * it is nested in. Pure. Source: semantics 7.16 (network/cni); Mesos docs/cni.md.
 *
 * Differs from Mesos: a port of the host that is mapped has to be among the task's resources, as it
 * is for Docker, since nobody else could tell two tasks that map the same one.
 */
import type { ContainerId } from "../../../base/ids.ts";
import type { ContainerInfo, NetworkInfo, Resource } from "../../../protocol/v1/types.ts";
import { ContainerizerError, type ContainerSpec } from "../../containerizer.ts";
import { CNI_NETWORKS_MAX } from "../../limits.ts";
import { namedNetworks } from "../../named-networks.ts";

export interface NetworkWish {
  /** Container or group whose network it is. */
  readonly ownerId: ContainerId;
  /** What it consists of when it has to be made; undefined when it must be there already. */
  readonly made: MadeNetwork | undefined;
}

export interface MadeNetwork {
  readonly hostname: string;
  /** Each with a name, all different. */
  readonly infos: readonly NetworkInfo[];
}

const HOSTNAME = /^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,62}[A-Za-z0-9])?$/;
const PROTOCOLS = ["tcp", "udp", "sctp"];
const PORT_MAX = 65_535;

/**
 * Undefined for the host's network. `ownerOf`: whose network a container is in. Errors:
 * `ContainerizerError` naming the field.
 */
export function chooseNetwork(
  { containerId, container, group, parentId, resources }: ContainerSpec,
  ownerOf: (containerId: ContainerId) => ContainerId | undefined,
): NetworkWish | undefined {
  // Whoever lists networks without a name among them is on the host's, wherever it is nested.
  if ((container?.network_infos ?? []).length > 0) {
    return own(containerId, container, "container", resources);
  }
  // Ports of a group may be those of any of its tasks.
  if (group !== undefined) return own(group.groupId, group.container, "executor.container");
  const ownerId = parentId === undefined ? undefined : ownerOf(parentId);
  return ownerId === undefined ? undefined : { ownerId, made: undefined };
}

function own(
  ownerId: ContainerId,
  container: ContainerInfo | undefined,
  field: string,
  resources?: readonly Resource[],
): NetworkWish | undefined {
  const infos = namedNetworks(container);
  if (infos.length === 0) return undefined;
  if (infos.length > CNI_NETWORKS_MAX) {
    throw new ContainerizerError(
      `${field}.network_infos: a container joins at most ${CNI_NETWORKS_MAX} networks`,
    );
  }
  const twice = infos.find(
    ({ name }, index) => infos.findIndex((one) => one.name === name) < index,
  );
  if (twice !== undefined) {
    throw new ContainerizerError(
      `${field}.network_infos: the network ${twice.name} is listed more than once`,
    );
  }
  for (const info of infos) checkMappings(info, `${field}.network_infos`, resources);
  const hostname = container?.hostname ?? "";
  if (hostname !== "" && !HOSTNAME.test(hostname)) {
    throw new ContainerizerError(
      `${field}.hostname: use up to 64 letters, digits, dots and dashes`,
    );
  }
  return { ownerId, made: { hostname: hostname === "" ? ownerId : hostname, infos } };
}

function checkMappings(
  { name, port_mappings: mappings = [] }: NetworkInfo,
  field: string,
  resources: readonly Resource[] | undefined,
): void {
  for (const { host_port: hostPort, container_port: containerPort, protocol } of mappings) {
    const fail = (text: string): never => {
      throw new ContainerizerError(
        `${field}: port mapping ${hostPort} of network ${name}: ${text}`,
      );
    };
    if (![hostPort, containerPort].every((port) => port >= 1 && port <= PORT_MAX)) {
      fail(`host_port and container_port are numbers from 1 to ${PORT_MAX}`);
    }
    if (!PROTOCOLS.includes((protocol ?? "tcp").toLowerCase())) {
      fail(`${protocol} is no protocol of ports; use tcp, udp or sctp`);
    }
    if (resources !== undefined && !isAmong(hostPort, resources)) {
      fail("the host's port is not among the ports of the task's resources");
    }
  }
}

function isAmong(port: number, resources: readonly Resource[]): boolean {
  return resources
    .filter(({ name }) => name === "ports")
    .flatMap(({ ranges }) => ranges?.range ?? [])
    .some(({ begin, end }) => begin <= port && port <= end);
}
