/** How a helper speaks with its agent: lines of JSON over stdin and stdout. It ends with the agent. */
import { writeSync } from "node:fs";
import process from "node:process";

const STDOUT = 1;

/** One line to the agent. */
export function tellAgent(event: object): void {
  writeSync(STDOUT, `${JSON.stringify(event)}\n`);
}

/** Lines from the agent. When they end the agent is gone, and so is everything here. */
export class AgentWords {
  #text = "";
  readonly #lines: string[] = [];
  #wake: (line: string) => void = (line) => void this.#lines.push(line);

  constructor() {
    process.stdin.setEncoding("utf8");
    process.stdin.on("data", (chunk: string) => {
      this.#text += chunk;
      for (let end = this.#text.indexOf("\n"); end >= 0; end = this.#text.indexOf("\n")) {
        const line = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 1);
        this.#wake(line);
      }
    });
    process.stdin.on("end", () => process.kill(-process.pid, "SIGKILL"));
  }

  next(): Promise<string> {
    const line = this.#lines.shift();
    if (line !== undefined) return Promise.resolve(line);
    return new Promise((resolve) => {
      this.#wake = (next) => {
        this.#wake = (later) => void this.#lines.push(later);
        resolve(next);
      };
    });
  }
}
