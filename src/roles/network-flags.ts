/**
 * Networks of native containers, from the agent's `--network_cni_*` flags. Source: Mesos docs/cni.md.
 */
import { statSync } from "node:fs";
import { resolve } from "node:path";
import { ok, type Result, refuse } from "../base/result.ts";
import type { Isolation } from "../containerizer/native/isolation.ts";
import type { NetworkSettings } from "../containerizer/native/native-containerizer.ts";
import { CniCatalog } from "../containerizer/native/network/cni-catalog.ts";
import type { RoleContext } from "./role-context.ts";

const CONFIG_DIR = "network_cni_config_dir";
const PLUGINS_DIR = "network_cni_plugins_dir";

export interface ChosenNetworks {
  readonly settings: NetworkSettings;
  /** With `network/cni` where there are networks: as in Mesos it need not be asked for. */
  readonly isolation: ReadonlySet<Isolation>;
}

/** Errors: a refusal for folders that are not there, or not both given, or of no use to the launcher. */
export function networkFlags(
  { flags, log }: Pick<RoleContext, "flags" | "log">,
  launcher: "linux" | "posix",
  isolation: ReadonlySet<Isolation>,
): Result<ChosenNetworks> {
  const isPersistent = flags.boolean("network_cni_root_dir_persist");
  const configDir = flags.string(CONFIG_DIR) ?? "";
  const pluginDirs = (flags.string(PLUGINS_DIR) ?? "").split(":").filter((one) => one !== "");
  if (configDir === "" && pluginDirs.length === 0) {
    return ok({ settings: { configDir: undefined, pluginDirs, isPersistent }, isolation });
  }
  if (pluginDirs.length === 0) {
    return refuse("invalid", `--${CONFIG_DIR} needs --${PLUGINS_DIR} beside it`, PLUGINS_DIR);
  }
  if (configDir === "") {
    return refuse("invalid", `--${PLUGINS_DIR} needs --${CONFIG_DIR} beside it`, CONFIG_DIR);
  }
  if (launcher === "posix") {
    const message = `--${CONFIG_DIR} needs the linux launcher: an agent that is root on cgroups v2`;
    return refuse("invalid", message, CONFIG_DIR);
  }
  for (const folder of [configDir, ...pluginDirs]) {
    if (isFolder(folder)) continue;
    const name = folder === configDir ? CONFIG_DIR : PLUGINS_DIR;
    return refuse("invalid", `--${name}: the folder ${folder} does not exist`, name);
  }
  const settings = {
    configDir: resolve(configDir),
    pluginDirs: pluginDirs.map((one) => resolve(one)),
    isPersistent,
  };
  for (const fault of new CniCatalog(settings).read().faults) {
    log.write("warning", "a CNI network cannot be used", { reason: fault });
  }
  return ok({ settings, isolation: new Set([...isolation, "network/cni"]) });
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
