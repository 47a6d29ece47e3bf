/**
 * Schedulers and executors that do not wait for answers, as those of Mesos' own library: every call is
 * answered, in order, however many come at once.
 */
import { afterEach, expect, test } from "bun:test";
import {
  type AllotProcess,
  makeWorkDir,
  removeWorkDir,
  startAllot,
} from "../harness/allot-process.ts";
import { executorInfo, TestExecutor } from "../harness/executor/test-executor.ts";
import { postPipelined } from "../harness/pipelined.ts";
import { TestFramework, taskInfo } from "../harness/test-framework.ts";
import { until } from "../harness/wait.ts";
import { JSON_WIRE } from "../harness/wire.ts";

const TIMEOUT_MS = 120_000;
const CALLS = 3000;
const CONNECTIONS = 4;

let both: AllotProcess | undefined;
let workDir = "";
afterEach(async () => {
  if (both?.isRunning()) await both.end("SIGKILL");
  await removeWorkDir(workDir);
});

async function start(): Promise<AllotProcess> {
  workDir = makeWorkDir();
  both = await startAllot({ role: "both", workDir });
  return both;
}

test(
  "a scheduler's calls are all answered, over several connections at once [http-api 2]",
  async () => {
    const { url } = await start();
    const framework = await TestFramework.subscribe({ master: url });
    const framework_id = { value: framework.id };
    const calls = Array.from({ length: CALLS }, (_, index) =>
      // Every tenth is refused: an answer to each must come all the same, and be that one's.
      index % 10 === 9
        ? { framework_id, type: "KILL" }
        : { framework_id, type: index % 2 === 0 ? "REVIVE" : "SUPPRESS" },
    );
    const statuses = calls.map(({ type }) => (type === "KILL" ? 400 : 202));
    const headers = { "Mesos-Stream-Id": framework.streamId };
    const answers = await Promise.all(
      Array.from({ length: CONNECTIONS }, () =>
        postPipelined(`${url}/api/v1/scheduler`, calls, headers),
      ),
    );
    for (const answer of answers) expect(answer).toEqual(statuses);
    await framework.teardown();
  },
  TIMEOUT_MS,
);

test(
  "an executor's calls are all answered and passed on in order [http-api 2.2]",
  async () => {
    const { url, agentUrl = "" } = await start();
    const framework = await TestFramework.subscribe({ master: url });
    const offer = await framework.offer();
    const executor = executorInfo(offer, { id: "talker", wire: JSON_WIRE, words: ["mute"] });
    const { command: _, ...task } = taskInfo(offer, { id: "task", command: "" }) as {
      readonly command: object;
    };
    await framework.call("ACCEPT", {
      accept: {
        offer_ids: [offer.id],
        operations: [{ type: "LAUNCH", launch: { task_infos: [{ ...task, executor }] } }],
      },
    });
    const running = await TestExecutor.find(workDir, framework.id, "talker");
    await running.line("SUBSCRIBED", ({ event }) => event === "SUBSCRIBED");
    const names = Array.from({ length: CALLS / 10 }, (_, index) => `message ${index}`);
    const calls = names.map((name) => ({
      type: "MESSAGE",
      framework_id: { value: framework.id },
      executor_id: { value: "talker" },
      message: { data: Buffer.from(name).toString("base64") },
    }));
    const statuses = await postPipelined(`${agentUrl}/api/v1/executor`, calls);
    expect(new Set(statuses)).toEqual(new Set([202]));
    const heard = (): string[] =>
      framework.events.flatMap((event) => {
        const { message } = event as { readonly message?: { readonly data: string } };
        return message === undefined ? [] : [Buffer.from(message.data, "base64").toString()];
      });
    await until("all messages to arrive", () => heard().length >= names.length);
    expect(heard()).toEqual(names);
    await framework.teardown();
  },
  TIMEOUT_MS,
);
