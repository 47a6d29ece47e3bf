/** What agents without containers are started with, whatever world they live in. */
import { type AgentOptions, DEFAULT_CAPABILITIES } from "../../../src/agent/core/agent-options.ts";
import type { AgentRuntime } from "../../../src/agent/runtime/agent-runtime.ts";
import type { AgentInfo } from "../../../src/protocol/v1/types.ts";
import { OPEN_ACLS } from "../../../src/security/acls.ts";

type Started = Pick<ConstructorParameters<typeof AgentRuntime>[0], "options" | "environment">;

/** Options and the executors' environment of one emulated agent. */
export function emulatedAgentOptions(
  info: AgentInfo,
  workDir: string,
  capabilities: AgentOptions["capabilities"] = DEFAULT_CAPABILITIES,
): Started {
  return {
    options: {
      info,
      version: "1.12.0",
      capabilities,
      workDir,
      ip: "127.0.0.1",
      executorRegistrationTimeoutMs: 60_000,
      executorReregistrationTimeoutMs: 2000,
      executorShutdownGraceMs: 5000,
      isUserSwitched: false,
      acls: OPEN_ACLS,
      areLimitsEnforced: true,
      reconfigurationPolicy: "additive",
    },
    environment: {
      agentPort: info.port ?? 0,
      recoveryTimeoutMs: 900_000,
      executorEnvironmentVariables: undefined,
      sandboxDirectory: "/mnt/mesos/sandbox",
      libprocessIp: undefined,
    },
  };
}
