/** Starts what `--role` asks for, and says what a person wants to know once it is ready. */
import { ok, type Result, refuse } from "../base/result.ts";
import { startAgent } from "./agent-role.ts";
import { startMaster } from "./master-role.ts";
import type { RoleContext, RunningRole } from "./role-context.ts";

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
  let masterAddress = role === "agent" ? context.flags.string("master") : undefined;
  if (role !== "agent") {
    const master = await startMaster(context);
    if (!master.ok) return master;
    running.push(master.value);
    masterAddress = new URL(master.value.url).host;
  }
  if (role !== "master") {
    if (masterAddress === undefined) {
      return refuse("invalid", "an agent needs --master=HOST:PORT to find its master", "master");
    }
    const address = masterAddress;
    const { flags } = context;
    const agent = await startAgent(context, {
      port: flags.integer(role === "both" ? "agent_port" : "port"),
      masterAddress: () => address,
      onExit,
    });
    if (!agent.ok) {
      await stop();
      return agent;
    }
    running.push(agent.value);
  }
  return ok({ banner: bannerOf(context, running, masterAddress ?? ""), stop });
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
