/**
 * The lines of the acceptance list of reference/semantics.md 10 about limits of containers, which
 * take a machine whose cgroups v2 have controllers.
 */
import { LIMITS_OBSTACLE } from "../containerizer/native/native.ts";
import { LIMIT_SCENARIOS } from "./scenarios/limits.ts";
import { proveConformance } from "./suite.ts";

proveConformance(
  LIMIT_SCENARIOS.map((scenario) => ({ ...scenario, obstacle: LIMITS_OBSTACLE })),
  "proven",
);
