/**
 * Faults of the messages that tasks and executors are made of, in words that name who holds them.
 * Source: semantics 6.7 (`src/master/validation.cpp`).
 */
import type {
  CheckInfo,
  CommandInfo,
  ContainerInfo,
  DurationInfo,
  HealthCheck,
  Resource,
} from "../../protocol/v1/types.ts";
import { faultOfEnvironment } from "../../protocol/validation/environment.ts";
import { faultOfResources } from "./resource-forms.ts";

const PORT_MAX = 65_535;

export function faultOfDuration(
  field: string,
  duration: DurationInfo | undefined,
): string | undefined {
  if (duration === undefined || duration.nanoseconds >= 0) return undefined;
  return `Task's '${field}' must be non-negative`;
}

export function faultOfCheck(check: CheckInfo | undefined): string | undefined {
  if (check === undefined) return undefined;
  const message = checkMessage(check.type, check);
  if (typeof message === "string") return `Task uses invalid check: ${message}`;
  const seconds = [check.delay_seconds, check.interval_seconds, check.timeout_seconds];
  if (seconds.every(isNonNegative)) return faultOfCommand("Check", check.command?.command);
  return "Task uses invalid check: Expecting its times to be non-negative";
}

export function faultOfHealthCheck(check: HealthCheck | undefined): string | undefined {
  if (check === undefined) return undefined;
  const message = checkMessage(healthCheckType(check), check);
  if (typeof message === "string") return `Task uses invalid health check: ${message}`;
  const { delay_seconds, interval_seconds, timeout_seconds, grace_period_seconds } = check;
  const seconds = [delay_seconds, interval_seconds, timeout_seconds, grace_period_seconds];
  if (seconds.every(isNonNegative)) return faultOfCommand("Health check", check.command);
  return "Task uses invalid health check: Expecting its times to be non-negative";
}

/** Derived when absent and unambiguous (http-api 4.3 rule 6). */
export function healthCheckType(check: HealthCheck): HealthCheck["type"] {
  if (check.type !== undefined) return check.type;
  const { command, http, tcp } = check;
  const present = [command, http, tcp].filter((message) => message !== undefined);
  if (present.length !== 1) return undefined;
  if (command !== undefined) return "COMMAND";
  return http === undefined ? "TCP" : "HTTP";
}

/** What a task or executor asks for: valid, of the offers' role, firm or revocable, each volume once. */
export function faultOfHoldings(
  what: string,
  resources: readonly Resource[],
  role: string,
): string | undefined {
  const fault = resources.length === 0 ? undefined : faultOfResources(resources);
  if (fault !== undefined) return `${what} uses invalid resources: ${fault}`;
  const foreign = resources.find((resource) => (resource.allocation_info?.role ?? role) !== role);
  if (foreign !== undefined) {
    const named = foreign.allocation_info?.role ?? "";
    return `${what} uses resources allocated to role '${named}'; the offer is for role '${role}'`;
  }
  return faultOfVolumes(what, resources) ?? faultOfMixture(what, resources);
}

/** Of one name it is all firm or all revocable; different names may differ. */
export function faultOfMixture(what: string, resources: readonly Resource[]): string | undefined {
  const firm = new Set<string>();
  const revocable = new Set<string>();
  for (const { name, revocable: mark } of resources) {
    (mark === undefined ? firm : revocable).add(name);
  }
  const mixed = [...firm].find((name) => revocable.has(name));
  if (mixed === undefined) return undefined;
  return `${what} uses both revocable and non-revocable ${mixed}`;
}

function faultOfVolumes(what: string, resources: readonly Resource[]): string | undefined {
  const volumes = new Set<string>();
  for (const { disk } of resources) {
    const volume = disk?.persistence?.id;
    if (volume === undefined) continue;
    if (volumes.has(volume)) return `${what} uses duplicate persistence ID ${volume}`;
    volumes.add(volume);
  }
  return undefined;
}

export function faultOfCommand(what: string, command: CommandInfo | undefined): string | undefined {
  if (command === undefined) return undefined;
  const fault = faultOfEnvironment(command.environment);
  return fault === undefined ? undefined : `${what} uses invalid command: ${fault}`;
}

export function faultOfContainer(container: ContainerInfo | undefined): string | undefined {
  if (container === undefined) return undefined;
  for (const volume of container.volumes ?? []) {
    const { host_path, image, source, container_path } = volume;
    const sources = [host_path, image, source].filter((value) => value !== undefined);
    if (sources.length === 1) continue;
    return `Volume '${container_path}' needs exactly one of host_path, image and source`;
  }
  const fault = faultOfCapabilities(container);
  if (fault !== undefined) return fault;
  if (container.type !== "DOCKER") return undefined;
  if (container.docker === undefined) return "DockerInfo 'docker' is not set for DOCKER container";
  const isNamed = (container.docker.parameters ?? []).some(({ key }) => key === "name");
  return isNamed ? "Parameter in DockerInfo must not be 'name'" : undefined;
}

/** Whatever its agent allows, such a container cannot be. */
function faultOfCapabilities({ linux_info: linux }: ContainerInfo): string | undefined {
  const effective = linux?.effective_capabilities ?? linux?.capability_info;
  const bounding = linux?.bounding_capabilities;
  if (effective === undefined || bounding === undefined) return undefined;
  const outside = (effective.capabilities ?? []).filter(
    (name) => bounding.capabilities?.includes(name) !== true,
  );
  if (outside.length === 0) return undefined;
  return `Effective capabilities ${outside.join(", ")} are not among the container's bounding_capabilities`;
}

interface Endpoint {
  readonly port: number;
}

interface HttpRequest extends Endpoint {
  readonly path?: string | undefined;
  readonly scheme?: string | undefined;
}

function faultOfHttp({ path, scheme, port }: HttpRequest): string | undefined {
  if (path !== undefined && !path.startsWith("/")) {
    return `The path '${path}' of the HTTP check must start with '/'`;
  }
  if (scheme !== undefined && scheme !== "http" && scheme !== "https") {
    return `The scheme '${scheme}' of the HTTP check is neither http nor https`;
  }
  return faultOfPort({ port });
}

/** Port 0 would be the scheme's own, where somebody else may answer. */
function faultOfPort({ port }: Endpoint): string | undefined {
  return port >= 1 && port <= PORT_MAX
    ? undefined
    : `The port ${port} of the check is not from 1 to ${PORT_MAX}`;
}

/** The message that belongs to the type; a text when it is missing or the type is. */
function checkMessage(
  type: CheckInfo["type"],
  check: {
    readonly command?: unknown;
    readonly http?: HttpRequest | undefined;
    readonly tcp?: Endpoint | undefined;
  },
): string | undefined {
  switch (type) {
    case "COMMAND":
      return check.command === undefined ? "Expecting 'command' to be set" : undefined;
    case "HTTP":
      return check.http === undefined ? "Expecting 'http' to be set" : faultOfHttp(check.http);
    case "TCP":
      return check.tcp === undefined ? "Expecting 'tcp' to be set" : faultOfPort(check.tcp);
    default:
      return "Expecting 'type' to be COMMAND, HTTP or TCP";
  }
}

function isNonNegative(value: number | undefined): boolean {
  return value === undefined || value >= 0;
}

/** The first fault among equals. */
export function firstFault<Item>(
  items: readonly Item[] | undefined,
  faultOf: (item: Item) => string | undefined,
): string | undefined {
  for (const item of items ?? []) {
    const fault = faultOf(item);
    if (fault !== undefined) return fault;
  }
  return undefined;
}
