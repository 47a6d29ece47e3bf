/**
 * What is on disk of each network that containers have joined:
 * `<owner>/{network.json,members/<container>,hosts,hostname,resolv.conf,ns,lock}`. It is written
 * before the first plugin is called, so that whatever a plugin does can be undone, by whichever
 * plugins and configuration it was done with.
 */
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { brand, type ContainerId } from "../../../base/ids.ts";
import { isObject, type JsonObject } from "../../../base/json.ts";
import type { NetworkInfo } from "../../../protocol/v1/types.ts";
import { isAbsence } from "../../system-errors.ts";
import type { CniNetwork } from "./cni-network.ts";

/** One interface in one network. */
export interface Attachment {
  readonly ifName: string;
  /** As the framework asked for it; has a name. */
  readonly info: NetworkInfo;
  readonly network: CniNetwork;
  /** What the last plugin answered; undefined as long as not all have. */
  readonly result: JsonObject | undefined;
}

export interface NetworkRecord {
  readonly hostname: string;
  /** Where the plugins are that made it. */
  readonly pluginDirs: readonly string[];
  readonly attachments: readonly Attachment[];
}

export class NetworkRecords {
  readonly #folder: string;

  /** Absolute; need not exist. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  pathOf(ownerId: ContainerId, name: string): string {
    return join(this.#folder, ownerId, name);
  }

  /** Owners of the networks that are on disk. */
  list(): ContainerId[] {
    return namesIn(this.#folder).map((name) => brand<ContainerId>(name));
  }

  write(ownerId: ContainerId, record: NetworkRecord): void {
    mkdirSync(this.pathOf(ownerId, "members"), { recursive: true, mode: 0o755 });
    const path = this.pathOf(ownerId, "network.json");
    writeFileSync(`${path}.new`, JSON.stringify(record), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }

  /** Undefined when there is none, or none that makes sense. Throws what the system throws. */
  read(ownerId: ContainerId): NetworkRecord | undefined {
    try {
      const value: unknown = JSON.parse(readFileSync(this.pathOf(ownerId, "network.json"), "utf8"));
      // Only this class writes it, whole.
      return isRecord(value) ? value : undefined;
    } catch (error) {
      if (isAbsence(error) || error instanceof SyntaxError) return undefined;
      throw error;
    }
  }

  writeFile(ownerId: ContainerId, name: string, text: string): void {
    writeFileSync(this.pathOf(ownerId, name), text, { mode: 0o644 });
  }

  addMember(ownerId: ContainerId, containerId: ContainerId): void {
    closeSync(openSync(this.pathOf(ownerId, `members/${containerId}`), "w", 0o600));
  }

  removeMember(ownerId: ContainerId, containerId: ContainerId): void {
    rmSync(this.pathOf(ownerId, `members/${containerId}`), { force: true });
  }

  membersOf(ownerId: ContainerId): ContainerId[] {
    return namesIn(this.pathOf(ownerId, "members")).map((name) => brand<ContainerId>(name));
  }

  async remove(ownerId: ContainerId): Promise<void> {
    await rm(join(this.#folder, ownerId), { recursive: true, force: true });
  }
}

function isRecord(value: unknown): value is NetworkRecord {
  return isObject(value) && [value["attachments"], value["pluginDirs"]].every(Array.isArray);
}

/** A folder that does not exist holds nothing. Throws what else the system throws. */
function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    if (isAbsence(error)) return [];
    throw error;
  }
}
