/** `allot exec`: runs a command inside a running task, with a terminal where there is one. */
import { randomUUID } from "node:crypto";
import { ok, type Result, refuse } from "../../base/result.ts";
import { encodeBase64 } from "../../protocol/base64.ts";
import type {
  AgentCall,
  AgentProcessIO,
  CommandInfo,
  ContainerID,
} from "../../protocol/v1/types.ts";
import { AgentClient } from "../client/agent-client.ts";
import { loginOf } from "../client/login.ts";
import type { MasterClient } from "../client/master-client.ts";
import { acts, group } from "../flags/flag-table.ts";
import { isTerminal, type Typed, typed, windowSize } from "../keyboard.ts";
import { type Command, type CommandContext, EXIT_FAILED } from "./command.ts";
import { findTask } from "./find-task.ts";

/** An agent that takes no more input tells at once that the command has ended, if it has. */
const END_WAIT_MS = 2000;

/** The verb. */
export const EXEC: Command = {
  name: "exec",
  summary: "run a command inside a running task",
  synopsis: "TASK [-i] [-t] [--user=NAME] [--framework=ID] [-- COMMAND [ARGUMENT…]]",
  description: [
    "Runs the command, or a shell, beside the task: as its user, in its sandbox, with its environment and its limits. It ends with its connection. Exits with the command's own status, 128 + signal when it was killed.",
    "The agent is spoken to directly, so its port has to be open to you.",
  ],
  flags: group("Exec", [
    acts("interactive", "boolean", undefined, "pass on what is typed, or piped in", {
      letter: "i",
      defaultText: "when both ends are a terminal",
    }),
    acts("tty", "boolean", undefined, "give the command a terminal", {
      letter: "t",
      defaultText: "when both ends are a terminal",
    }),
    acts("user", "string", undefined, "run as this user", { defaultText: "the task's own" }),
    acts("framework", "string", undefined, "the framework the task belongs to"),
  ]),
  wordCount: 1,
  wordCountMax: Number.POSITIVE_INFINITY,
  hasTrailing: true,
  run: runInside,
};

async function runInside(context: CommandContext): Promise<number> {
  const { client, console, flags, words, trailing } = context;
  const place = await placeOf(context, words[0] ?? "");
  if (!place.ok) {
    await console.error(`allot exec: ${place.error.message}\n`);
    return EXIT_FAILED;
  }
  const { agent, task } = place.value;
  const isPerson = isTerminal();
  const isTty = flags.isSet("tty") ? flags.boolean("tty") : isPerson;
  const isTyped = flags.isSet("interactive") ? flags.boolean("interactive") : isPerson;
  const id: ContainerID = { value: randomUUID(), parent: task };
  const command = commandOf([...words.slice(1), ...trailing], flags.string("user"));
  const credential = loginOf(flags);
  const login = credential.ok ? credential.value.credential : undefined;
  const session = new AgentClient(client.codec, agent, login);
  const cut = new AbortController();
  const output = await session.output(launchOf(id, command, isTty), cut.signal);
  const over = new AbortController();
  const records = isTyped ? inputOf(typed(isTty && isPerson, over.signal)) : noInput();
  const hasInput = isTyped || !isTty;
  let fault: unknown;
  const onFault = async (error: unknown): Promise<void> => {
    // What has ended, or was to get none anyway, misses nothing.
    if (!isTyped || (await hasEnded(session, id))) return;
    fault = error;
    // Else it would wait for the rest for ever.
    cut.abort();
  };
  const input = hasInput ? session.input(id, records).catch(onFault) : Promise.resolve();
  try {
    for await (const { isError, data } of output) {
      await (isError ? console.error(data) : console.out(data));
    }
  } catch (error) {
    throw fault ?? error;
  } finally {
    over.abort();
  }
  await input;
  const ended = await session.call({
    type: "WAIT_CONTAINER",
    wait_container: { container_id: id },
  });
  return exitCodeOf(ended.wait_container?.exit_status);
}

async function hasEnded(session: AgentClient, container_id: ContainerID): Promise<boolean> {
  const call: AgentCall = { type: "WAIT_CONTAINER", wait_container: { container_id } };
  return await session.call(call, AbortSignal.timeout(END_WAIT_MS)).then(
    () => true,
    () => false,
  );
}

interface Place {
  /** `host:port` */
  readonly agent: string;
  readonly task: ContainerID;
}

async function placeOf({ client, flags }: CommandContext, name: string): Promise<Result<Place>> {
  const found = await findTask(client, name, flags.string("framework"));
  if (!found.ok) return found;
  const { task_id, agent_id, state, statuses } = found.value;
  const status = statuses?.findLast(({ container_status: one }) => one?.container_id !== undefined);
  const task = status?.container_status?.container_id;
  if (state !== "TASK_RUNNING" || task === undefined) {
    return refuse("conflict", `task ${task_id.value} does not run`);
  }
  const agent = await addressOf(client, agent_id.value);
  if (agent === undefined) return refuse("notFound", `the master lost agent ${agent_id.value}`);
  return ok({ agent, task });
}

async function addressOf(client: MasterClient, agentId: string): Promise<string | undefined> {
  const { get_agents: answer } = await client.call({ type: "GET_AGENTS" });
  const agent = answer?.agents?.find(({ agent_info: { id } }) => id?.value === agentId);
  const pid = agent?.pid ?? "";
  return pid.includes("@") ? pid.slice(pid.indexOf("@") + 1) : undefined;
}

function commandOf(words: readonly string[], user: string | undefined): CommandInfo {
  // As text for a shell: what `arguments` are differs between containers of Mesos and of Docker.
  const all = words.length === 0 ? ["/bin/sh"] : words;
  const quoted = all.map((word) => `'${word.replaceAll("'", "'\\''")}'`);
  return {
    shell: true,
    value: `exec ${quoted.join(" ")}`,
    ...(user === undefined ? {} : { user }),
  };
}

function launchOf(container_id: ContainerID, command: CommandInfo, isTty: boolean): AgentCall {
  const window_size = windowSize();
  const tty_info = window_size === undefined ? {} : { window_size };
  const container = isTty ? { container: { type: "MESOS", tty_info } as const } : {};
  return {
    type: "LAUNCH_NESTED_CONTAINER_SESSION",
    launch_nested_container_session: { container_id, command, ...container },
  };
}

async function* inputOf(keys: AsyncGenerator<Typed>): AsyncGenerator<AgentProcessIO> {
  for await (const key of keys) {
    if (key.kind === "size") {
      const tty_info = { window_size: key.size };
      yield { type: "CONTROL", control: { type: "TTY_INFO", tty_info } };
    } else {
      // No bytes at all are the end of the command's input.
      const data = key.kind === "data" ? encodeBase64(key.data) : "";
      yield { type: "DATA", data: { type: "STDIN", data } };
    }
  }
}

/** A command that nothing is passed on to finds its input at the end. */
async function* noInput(): AsyncGenerator<AgentProcessIO> {
  yield { type: "DATA", data: { type: "STDIN", data: "" } };
}

/** From a raw wait status. */
function exitCodeOf(status: number | undefined): number {
  if (status === undefined) return EXIT_FAILED;
  const signal = status & 0x7f;
  return signal === 0 ? status >> 8 : 128 + signal;
}
