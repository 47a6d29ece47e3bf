/** Ten thousand malformed requests: each is refused with a reason, and nothing stays of them. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  type AllotProcess,
  makeWorkDir,
  pssBytes,
  removeWorkDir,
  startAllot,
} from "../harness/allot-process.ts";
import { type MalformedRequest, malformedRequest, seededDice } from "../harness/malformed.ts";
import { TestFramework } from "../harness/test-framework.ts";

const TIMEOUT_MS = 300_000;
const REQUESTS = 10_000;
const WARM_UP = 2_000;
const AT_ONCE = 16;
const GROWTH_BYTES_MAX = 30e6;
const SEED = Number(process.env["ALLOT_TEST_SEED"] ?? 1);

let workDir = "";
let both: AllotProcess;

beforeAll(async () => {
  workDir = makeWorkDir();
  both = await startAllot({ role: "both", workDir });
});

afterAll(async () => {
  await both.end("SIGTERM");
  await removeWorkDir(workDir);
});

test(
  "ten thousand malformed requests get a 4xx that names the field, and leave nothing behind [issue 2]",
  async () => {
    const framework = await TestFramework.subscribe({ master: both.url });
    const dice = seededDice(SEED);
    const faults: string[] = [];
    let warmBytes = 0;
    for (let sent = 0; sent < REQUESTS; sent += AT_ONCE) {
      if (sent >= WARM_UP && warmBytes === 0) warmBytes = pssBytes(both.pid);
      const batch = Array.from({ length: AT_ONCE }, () =>
        malformedRequest(dice, {
          master: both.url,
          agent: both.agentUrl ?? "",
          frameworkId: framework.id,
        }),
      );
      faults.push(...(await Promise.all(batch.map(faultOf))).filter((text) => text !== undefined));
      if (faults.length > 5) break;
    }
    expect(faults).toEqual([]);
    expect(pssBytes(both.pid) - warmBytes).toBeLessThan(GROWTH_BYTES_MAX);

    // Behaviour is as before: the framework was not disturbed and a task runs.
    expect(framework.isOver).toBe(false);
    await framework.launch(await framework.offer(), [{ id: "after", command: "exit 3" }]);
    await framework.status("after", "TASK_FAILED");
    await framework.teardown();
  },
  TIMEOUT_MS,
);

/** What is wrong with the answer; undefined when nothing is. */
async function faultOf(request: MalformedRequest): Promise<string | undefined> {
  const { url, method, headers, body, names, what } = request;
  let status: number;
  let text: string;
  try {
    const response = await fetch(url, { method, headers, ...(body === undefined ? {} : { body }) });
    status = response.status;
    text = await response.text();
  } catch (error) {
    return `${what}: ${error}`;
  }
  if (status < 400 || status >= 500) return `${what}: status ${status} ${text.slice(0, 200)}`;
  if (text === "") return `${what}: no reason given with status ${status}`;
  if (names !== undefined && !text.includes(names)) {
    return `${what}: does not name ${names}: ${text.slice(0, 300)}`;
  }
  return undefined;
}
