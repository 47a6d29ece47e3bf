/**
 * An agent in a process of its own, to be killed: runs tasks in the given folder until each has
 * been acknowledged as RUNNING, says so, and then just lives on.
 * Usage: agent-process.ts FOLDER COUNT; task N waits for the file `go` and exits with N modulo 4.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { commandTask, framework } from "../core/agent-harness.ts";
import { AgentFixture } from "./agent-fixture.ts";

const [folder = "", count = "0"] = process.argv.slice(2);
const agent = new AgentFixture(folder, {});
await mkdir(join(folder, "work", "meta"), { recursive: true });
await agent.start();
for (let number = 0; number < Number(count); number++) {
  // Half of them are let go while the agent is dead.
  const gate = join(folder, number % 2 === 0 ? "go-early" : "go-late");
  const value = `while [ ! -e "${gate}" ]; do sleep 0.1; done; exit ${number % 4}`;
  agent.master.run(framework("fw"), commandTask(`t${number}`, { command: { value } }));
}
for (let number = 0; number < Number(count); number++) {
  await agent.master.untilState(`t${number}`, "TASK_RUNNING");
}
await agent.master.until("all acknowledgements", () =>
  [...agent.runtime.state.streams.values()].every(({ pending }) => pending.length === 0),
);
console.log("ready");
