/**
 * What is written down of a running container, so that a restarted agent knows it even while the
 * Engine does not answer: `<runtime_dir>/docker/<container>/{record,position}`.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ContainerId } from "../../base/ids.ts";
import { Answer } from "./answer.ts";

export interface ContainerRecord {
  readonly engineId: string;
  readonly pid: number;
  readonly startedAtMs: number | undefined;
  readonly stopSignal: string;
}

export class ContainerRecords {
  readonly #folder: string;

  constructor(runtimeDir: string) {
    this.#folder = join(runtimeDir, "docker");
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

  /** Undefined when the container was never seen running. */
  read(containerId: ContainerId): ContainerRecord | undefined {
    try {
      const path = join(this.#folder, containerId, "record");
      const answer = new Answer(JSON.parse(readFileSync(path, "utf8")));
      const engineId = answer.at("engineId").text();
      const pid = answer.at("pid").number();
      if (engineId === undefined || pid === undefined) return undefined;
      const stopSignal = answer.at("stopSignal").text() ?? "SIGTERM";
      return { engineId, pid, startedAtMs: answer.at("startedAtMs").number(), stopSignal };
    } catch {
      // No record: it was not running yet, or is gone.
      return undefined;
    }
  }

  remove(containerId: ContainerId): void {
    rmSync(join(this.#folder, containerId), { recursive: true, force: true });
  }
}
