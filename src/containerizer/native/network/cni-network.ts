/**
 * Networks as operators describe them for CNI: one plugin, or a list of plugins that work on the same
 * interface one after the other. Pure. Source: CNI specification 1.0, sections 1 and 4; Mesos
 * docs/cni.md.
 */
import { isObject, type JsonObject } from "../../../base/json.ts";
import { ok, type Result, refuse } from "../../../base/result.ts";
import type { NetworkInfo } from "../../../protocol/v1/types.ts";
import { Answer } from "../../docker/answer.ts";
import { CNI_PLUGINS_MAX } from "../../limits.ts";

/** A JSON object as somebody else wrote it. */

/** A network as it is used and kept until all that joined it have left. */
export interface CniNetwork {
  readonly name: string;
  readonly cniVersion: string | undefined;
  /** In the order in which they are called; at least one. */
  readonly plugins: readonly JsonObject[];
}

/** What is told to one plugin beside its configuration. */
export interface PluginContext {
  /** What the framework says of the network. */
  readonly info: NetworkInfo;
  /** What the plugin before it answered, or when leaving what the last of them did. */
  readonly prevResult: JsonObject | undefined;
}

/** What Mesos puts its own data under; no operator may use it. */
const MESOS_ARGS = "org.apache.mesos";
/** The plugin of Mesos that maps ports by what is said there. */
const MESOS_PORT_MAPPER = "mesos-cni-port-mapper";
const NAME = /^[A-Za-z0-9][\w.-]*$/;

/** Reads the text of one file. Errors: invalid, a phrase that follows the file's name. */
export function parseNetwork(text: string): Result<CniNetwork> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return refuse("invalid", `is no JSON: ${error instanceof Error ? error.message : error}`);
  }
  if (!isObject(value)) return refuse("invalid", "is no JSON object");
  const name = new Answer(value).at("name").text();
  if (name === undefined || !NAME.test(name)) {
    return refuse("invalid", "has no name, of letters, digits, dots, dashes and underscores");
  }
  const version = value["cniVersion"];
  if (version !== undefined && typeof version !== "string") {
    return refuse("invalid", "has a cniVersion that is no text");
  }
  const plugins: unknown = value["plugins"] ?? [value];
  if (!Array.isArray(plugins) || plugins.length === 0 || plugins.length > CNI_PLUGINS_MAX) {
    return refuse("invalid", `has plugins that are no list of 1 to ${CNI_PLUGINS_MAX}`);
  }
  const fault = plugins.map(faultOfPlugin).find((one) => one !== undefined);
  if (fault !== undefined) return refuse("invalid", fault);
  return ok({ name, cniVersion: version, plugins: plugins.filter(isObject) });
}

/** Name of the program. */
export function typeOf(plugin: JsonObject): string {
  return new Answer(plugin).at("type").text() ?? "";
}

/** Every program that the network needs: its plugins and those that give out addresses for them. */
export function programsOf({ plugins }: CniNetwork): string[] {
  return plugins.flatMap((plugin) => {
    const ipam = new Answer(plugin).at("ipam", "type").text();
    return [typeOf(plugin), ...(ipam === undefined || ipam === "" ? [] : [ipam])];
  });
}

/** Whether one of the plugins makes ports of the host lead into a container. */
export function canMapPorts({ plugins }: CniNetwork): boolean {
  return plugins.some(
    (plugin) => hasPortCapability(plugin) || typeOf(plugin) === MESOS_PORT_MAPPER,
  );
}

/** What a plugin reads on its stdin. */
export function pluginInput(
  { name, cniVersion }: CniNetwork,
  plugin: JsonObject,
  { info, prevResult }: PluginContext,
): JsonObject {
  const args = isObject(plugin["args"]) ? plugin["args"] : {};
  const mappings = (info.port_mappings ?? []).map((mapping) => ({
    hostPort: mapping.host_port,
    containerPort: mapping.container_port,
    protocol: (mapping.protocol ?? "tcp").toLowerCase(),
  }));
  const hasMappings = mappings.length > 0 && hasPortCapability(plugin);
  return {
    ...plugin,
    name,
    ...(cniVersion === undefined ? {} : { cniVersion }),
    args: { ...args, [MESOS_ARGS]: { network_info: info } },
    ...(hasMappings ? { runtimeConfig: { portMappings: mappings } } : {}),
    ...(prevResult === undefined ? {} : { prevResult }),
  };
}

function hasPortCapability(plugin: JsonObject): boolean {
  return new Answer(plugin).at("capabilities", "portMappings").isTrue();
}

function faultOfPlugin(plugin: unknown): string | undefined {
  if (!isObject(plugin)) return "has a plugin that is no JSON object";
  const type = typeOf(plugin);
  if (!NAME.test(type)) return "has a plugin without a type, the name of its program";
  const args = plugin["args"];
  if (args !== undefined && !isObject(args)) return "has args that are no JSON object";
  if (args?.[MESOS_ARGS] !== undefined) return `sets ${MESOS_ARGS} in args, which is reserved`;
  return undefined;
}
