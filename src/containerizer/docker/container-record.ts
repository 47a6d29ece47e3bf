/**
 * What is written down of a running container, so that a restarted agent knows it even while the
 * Engine does not answer: `<runtime_dir>/docker/<mark of the agent>/<container>/{record,position}`.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { ContainerId } from "../../base/ids.ts";
import { isAbsence } from "../system-errors.ts";
import { Answer } from "./answer.ts";

export interface ContainerRecord {
  readonly engineId: string;
  readonly pid: number;
  readonly startedAtMs: number | undefined;
  readonly stopSignal: string;
}

export class ContainerRecords {
  readonly #folder: string;

  /** `mark` names the agent: several may share a runtime folder. */
  constructor(runtimeDir: string, mark: string) {
    this.#folder = join(runtimeDir, "docker", mark);
  }

  /** Where the position of its output is kept. */
  positionPath(containerId: ContainerId): string {
    return join(this.#folder, containerId, "position");
  }

  /** Makes the folder of a container. Throws what the system throws. */
  create(containerId: ContainerId): void {
    mkdirSync(join(this.#folder, containerId), { recursive: true, mode: 0o700 });
  }

  write(containerId: ContainerId, record: ContainerRecord): void {
    const path = join(this.#folder, containerId, "record");
    writeFileSync(`${path}.new`, JSON.stringify(record), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  }

  /** Undefined when the container was never seen running. Throws when that cannot be known. */
  read(containerId: ContainerId): ContainerRecord | undefined {
    const text = readText(join(this.#folder, containerId, "record"));
    if (text === undefined) return undefined;
    try {
      const answer = new Answer(JSON.parse(text));
      const engineId = answer.at("engineId").text();
      const pid = answer.at("pid").number();
      if (engineId === undefined || pid === undefined) return undefined;
      const stopSignal = answer.at("stopSignal").text() ?? "SIGTERM";
      return { engineId, pid, startedAtMs: answer.at("startedAtMs").number(), stopSignal };
    } catch {
      // A host that lost power may have kept half of it.
      return undefined;
    }
  }

  remove(containerId: ContainerId): void {
    rmSync(join(this.#folder, containerId), { recursive: true, force: true });
  }

  /** Removes all but these: an agent may die between forgetting a container and this. */
  keepOnly(known: ReadonlySet<string>): void {
    if (!existsSync(this.#folder)) return;
    for (const name of readdirSync(this.#folder)) {
      if (!known.has(name)) rmSync(join(this.#folder, name), { recursive: true, force: true });
    }
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (isAbsence(error)) return undefined;
    throw error;
  }
}
