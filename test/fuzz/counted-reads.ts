/**
 * Counts the reads of real files that are under way: all else that an answer may wait for is moved
 * by hand, so that these alone are waited for in real time.
 */
import type { FileSource } from "../../src/http/file-source.ts";

export class CountedReads {
  #underWay = 0;

  get areUnderWay(): boolean {
    return this.#underWay > 0;
  }

  /** The same files, counted. */
  of(files: FileSource): FileSource {
    return {
      ownerOf: (path) => files.ownerOf(path),
      debug: () => files.debug(),
      browse: (path) => this.#counted(files.browse(path)),
      read: (path, offset, length) => this.#counted(files.read(path, offset, length)),
      tail: (path, offset, follow, signal) => files.tail(path, offset, follow, signal),
    };
  }

  async #counted<Answer>(reading: Promise<Answer>): Promise<Answer> {
    this.#underWay += 1;
    try {
      return await reading;
    } finally {
      this.#underWay -= 1;
    }
  }
}
