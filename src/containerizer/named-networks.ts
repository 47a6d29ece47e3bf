/** Networks that containers ask for by name. Source: Mesos docs/cni.md. */
import type { ContainerInfo, NetworkInfo } from "../protocol/v1/types.ts";

/** The networks a container names; one that names none is on the host's. */
export function namedNetworks(container: ContainerInfo | undefined): readonly NetworkInfo[] {
  return (container?.network_infos ?? []).filter(({ name }) => name !== undefined && name !== "");
}
