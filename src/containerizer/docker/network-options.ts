/** Network mode, host name and port mappings of a Docker container. Source: semantics 7.15. */
import type { ContainerInfo, Resource } from "../../protocol/v1/types.ts";
import { publishedPortOf } from "./option-values.ts";
import type { RunBody } from "./run-body.ts";

/** Errors: an `Error` that names the field to blame. */
export function applyNetwork(
  body: RunBody,
  container: ContainerInfo,
  resources: readonly Resource[],
): void {
  const mode = modeOf(container);
  body.host["NetworkMode"] = mode;
  applyHostname(body, container, mode);
  const mappings = container.docker?.port_mappings ?? [];
  if (mappings.length === 0) return;
  if (mode === "host" || mode === "none") {
    throw new Error(
      `container.docker.port_mappings: port mappings are only supported for bridge and user-defined networks, and the network is ${mode}`,
    );
  }
  const ports = resources.filter(({ name }) => name === "ports");
  if (ports.length === 0) {
    throw new Error("container.docker.port_mappings: port mappings need ports among the resources");
  }
  mappings.forEach((mapping, index) => {
    const { host_port: hostPort, container_port: containerPort, protocol = "tcp" } = mapping;
    const isOurs = ports.some(({ ranges }) =>
      (ranges?.range ?? []).some(({ begin, end }) => begin <= hostPort && hostPort <= end),
    );
    const field = `container.docker.port_mappings[${index}]`;
    if (!isOurs) throw new Error(`${field}: Port [${hostPort}] not included in resources`);
    try {
      const { port, binding } = publishedPortOf(
        `${hostPort}:${containerPort}/${protocol.toLowerCase()}`,
      );
      body.publish(port, binding);
    } catch {
      throw new Error(`${field}: ${protocol} is no protocol of ports; use tcp, udp or sctp`);
    }
  });
}

/** As the Engine names it; a parameter of that meaning wins over the field. */
function modeOf(container: ContainerInfo): string {
  const { docker } = container;
  const parameter = (docker?.parameters ?? []).findLast(
    ({ key }) => key === "net" || key === "network",
  );
  if (parameter !== undefined) return parameter.value;
  switch (docker?.network ?? "HOST") {
    case "HOST":
      return "host";
    case "BRIDGE":
      return "bridge";
    case "NONE":
      return "none";
    case "USER":
      return userNetwork(container);
  }
}

function userNetwork({ network_infos: infos = [] }: ContainerInfo): string {
  const [info] = infos;
  if (infos.length > 1) {
    throw new Error("container.network_infos: a Docker container joins exactly one network");
  }
  if (info?.name === undefined || info.name === "") {
    throw new Error("container.network_infos[0].name is missing, which network USER needs");
  }
  return info.name;
}

function applyHostname(body: RunBody, { hostname }: ContainerInfo, mode: string): void {
  if (hostname === undefined || hostname === "") return;
  if (mode === "host") {
    throw new Error("container.hostname cannot be set with the host's network; use another one");
  }
  body.config["Hostname"] = hostname;
}
