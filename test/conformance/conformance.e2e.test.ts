/**
 * The acceptance list of reference/semantics.md 10 over HTTP against the compiled program; its lines
 * about limits of containers are those of limits.e2e.test.ts.
 */
import { AGENT_SCENARIOS } from "./scenarios/agents.ts";
import { EXECUTOR_SCENARIOS } from "./scenarios/executors.ts";
import { FRAMEWORK_SCENARIOS } from "./scenarios/frameworks.ts";
import { MASTER_SCENARIOS } from "./scenarios/masters.ts";
import { OFFER_SCENARIOS } from "./scenarios/offers.ts";
import { OPERATION_SCENARIOS } from "./scenarios/operations.ts";
import { SECURITY_SCENARIOS } from "./scenarios/security.ts";
import { SHARING_SCENARIOS } from "./scenarios/sharing.ts";
import { TASK_SCENARIOS } from "./scenarios/tasks.ts";
import { proveConformance } from "./suite.ts";

proveConformance(
  [
    ...AGENT_SCENARIOS,
    ...EXECUTOR_SCENARIOS,
    ...FRAMEWORK_SCENARIOS,
    ...MASTER_SCENARIOS,
    ...OFFER_SCENARIOS,
    ...OPERATION_SCENARIOS,
    ...SECURITY_SCENARIOS,
    ...SHARING_SCENARIOS,
    ...TASK_SCENARIOS,
  ],
  "all",
);
