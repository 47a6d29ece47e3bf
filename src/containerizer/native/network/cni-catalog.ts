/**
 * The networks and plugins of this host: `--network_cni_config_dir` and `--network_cni_plugins_dir`.
 * Files are read anew for each container that joins a network, as in Mesos, so that networks come
 * and go without a restart. Source: Mesos docs/cni.md.
 */
import { accessSync, constants, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { excerpt } from "../../../base/text.ts";
import { ContainerizerError } from "../../containerizer.ts";
import { CNI_CONFIG_BYTES_MAX } from "../../limits.ts";
import { type CniNetwork, parseNetwork, programsOf } from "./cni-network.ts";

export interface CniCatalogOptions {
  /** Absolute; undefined for no networks at all. */
  readonly configDir: string | undefined;
  /** Absolute folders, searched in this order. */
  readonly pluginDirs: readonly string[];
}

/** What the folder holds at this moment. */
export interface CniNetworks {
  readonly networks: ReadonlyMap<string, CniNetwork>;
  /** Files that are no network, or one that cannot be joined, each with the reason. */
  readonly faults: readonly string[];
}

export class CniCatalog {
  readonly #options: CniCatalogOptions;

  constructor(options: CniCatalogOptions) {
    this.#options = options;
  }

  get pluginDirs(): readonly string[] {
    return this.#options.pluginDirs;
  }

  /** Errors: `ContainerizerError` when there is no such network, saying which there are. */
  network(name: string): CniNetwork {
    const { configDir } = this.#options;
    const shown = excerpt(name);
    if (configDir === undefined) {
      throw new ContainerizerError(
        `Unknown CNI network '${shown}': this agent has no networks, see --network_cni_config_dir`,
      );
    }
    const { networks, faults } = this.read();
    const found = networks.get(name);
    if (found !== undefined) return found;
    const names = networks.size === 0 ? "no network" : [...networks.keys()].join(", ");
    const unusable = faults.length === 0 ? "" : `; not usable: ${faults.join("; ")}`;
    throw new ContainerizerError(
      `Unknown CNI network '${shown}': ${configDir} has ${names}${unusable}`,
    );
  }

  /** In the order of the files' names; of two files for one network the first counts. */
  read(): CniNetworks {
    const networks = new Map<string, CniNetwork>();
    const faults: string[] = [];
    const { configDir } = this.#options;
    if (configDir === undefined) return { networks, faults };
    for (const name of filesIn(configDir, faults)) {
      const network = this.#readFile(join(configDir, name));
      if (typeof network === "string") faults.push(`${name} ${network}`);
      else if (network !== undefined && networks.has(network.name)) {
        faults.push(`${name} describes ${network.name}, as an earlier file does`);
      } else if (network !== undefined) networks.set(network.name, network);
    }
    return { networks, faults };
  }

  /** Undefined for what is no file, text for what is wrong with it. */
  #readFile(path: string): CniNetwork | string | undefined {
    let text: string;
    try {
      const stat = statSync(path);
      if (!stat.isFile()) return undefined;
      if (stat.size > CNI_CONFIG_BYTES_MAX) return `is larger than ${CNI_CONFIG_BYTES_MAX} bytes`;
      text = readFileSync(path, "utf8");
    } catch (error) {
      return `cannot be read: ${error instanceof Error ? error.message : error}`;
    }
    const network = parseNetwork(text);
    if (!network.ok) return network.error.message;
    const { pluginDirs } = this.#options;
    const missing = programsOf(network.value).find(
      (one) => pluginIn(pluginDirs, one) === undefined,
    );
    if (missing === undefined) return network.value;
    return `needs the plugin ${missing}, which is not in ${pluginDirs.join(":")}`;
  }
}

/** Path of the plugin in the first of the folders that has it. */
export function pluginIn(folders: readonly string[], type: string): string | undefined {
  return folders
    .map((folder) => join(folder, type))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return statSync(path).isFile();
      } catch {
        return false;
      }
    });
}

function filesIn(folder: string, faults: string[]): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => !name.startsWith("."))
      .sort();
  } catch (error) {
    faults.push(`the folder cannot be read: ${error instanceof Error ? error.message : error}`);
    return [];
  }
}
