/** Starts what `--role` asks for, and says what a person wants to know once it is ready. */
import { ok, type Result, refuse } from "../base/result.ts";
import { startAgent } from "./agent-role.ts";
import { startMaster } from "./master-role.ts";
import { type MasterSource, masterSource } from "./master-source.ts";
import type { RoleContext, RunningRole } from "./role-context.ts";
import { withoutPasswords } from "./zookeeper-flags.ts";

export interface StartedRoles {
  /** Lines to print, each ended by a line feed. */
  readonly banner: string;
  stop(): Promise<void>;
}

/** `onExit` is called when the agent has to end. Errors: a refusal for bad flags. */
export async function startRoles(
  context: RoleContext,
  onExit: (reason: string) => void,
): Promise<Result<StartedRoles>> {
  const role = context.flags.string("role");
  if (role !== "master" && role !== "agent" && role !== "both") {
    return refuse("invalid", "say what to run: --role=master, --role=agent or --role=both", "role");
  }
  const running: RunningRole[] = [];
  const stop = async (): Promise<void> => {
    for (const started of running.reverse()) await started.stop();
  };
  let master: MasterSource;
  if (role === "agent") {
    const source = masterSource(context);
    if (!source.ok) return source;
    master = source.value;
  } else {
    const started = await startMaster(context);
    if (!started.ok) return started;
    running.push(started.value);
    master = { ...started.value, stop: () => undefined };
  }
  if (role !== "master") {
    const { flags } = context;
    const agent = await startAgent(context, {
      port: flags.integer(role === "both" ? "agent_port" : "port"),
      master,
      onExit,
    });
    if (!agent.ok) {
      master.stop();
      await stop();
      return agent;
    }
    running.push(agent.value);
  }
  const end = async (): Promise<void> => {
    master.stop();
    await stop();
  };
  return ok({ banner: bannerOf(context, running, bannerAddress(context, running)), stop: end });
}

/**
 * What a person gives as `--master`: what an agent was given, or where this master is. Without a
 * password, since services print it into a log.
 */
export function bannerAddress(
  { flags }: Pick<RoleContext, "flags">,
  [first]: readonly Pick<RunningRole, "url">[],
): string {
  const { master, zk } = withoutPasswords(flags.toFlagStrings());
  if (flags.string("role") === "agent") return master ?? "";
  return zk ?? new URL(first?.url ?? "").host;
}

function bannerOf(
  context: RoleContext,
  running: readonly RunningRole[],
  masterAddress: string,
): string {
  const [first, second] = running;
  const lines = [
    `allot ${context.allotVersion} is ready`,
    `  API   ${first?.url ?? ""}${second === undefined ? "" : `  (agent ${second.url})`}`,
    `  data  ${context.workDir}`,
    "Run a first task:",
    `  ${context.programName} execute --master=${masterAddress} --name=hello --command='echo hello from allot'`,
  ];
  return `${lines.join("\n")}\n`;
}
