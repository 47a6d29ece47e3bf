/** The folders of persistent volumes on one server's disk: they outlive processes and reboots. */
import type { Resource } from "../../src/protocol/v1/types.ts";
import type { OperationJudge } from "./operation-judge.ts";
import { volumeKey } from "./operation-judge.ts";

export class Folders {
  readonly #judge: OperationJudge;
  readonly #present = new Set<string>();

  constructor(judge: OperationJudge) {
    this.#judge = judge;
  }

  /** Makes the folder unless it is there, as the runtime does. */
  create(volume: Resource): void {
    this.#present.add(volumeKey(volume));
  }

  /** The folder goes to the trash. */
  remove(agentId: string, volume: Resource): void {
    this.#judge.volumeRemoved(agentId, volume);
    this.#present.delete(volumeKey(volume));
  }

  has(volume: Resource): boolean {
    return this.#present.has(volumeKey(volume));
  }

  wipe(): void {
    this.#present.clear();
  }
}
