/** Whether an agent's flags let it give more than it has, and to whom it keeps its word. Source: semantics 8. */
import { existsSync } from "node:fs";
import {
  type Estimator,
  fixedEstimator,
  usageEstimator,
} from "../agent/core/oversubscription/estimators.ts";
import { QOS_INTERVAL_MS_MIN } from "../agent/core/oversubscription/limits.ts";
import {
  loadController,
  pressureController,
  type QosController,
} from "../agent/core/oversubscription/qos-controllers.ts";
import type { OversubscriptionOptions } from "../agent/runtime/oversubscription.ts";
import { ok, type Result, refuse } from "../base/result.ts";
import { parseResources } from "../resources/parse.ts";
import type { RoleContext } from "./role-context.ts";

type Flags = RoleContext["flags"];

/** Undefined when neither an estimator nor a QoS controller is asked for. Errors: `invalid`. */
export function oversubscriptionFlags(flags: Flags): Result<OversubscriptionOptions | undefined> {
  const estimator = estimatorFlag(flags);
  if (!estimator.ok) return estimator;
  const qosController = qosControllerFlag(flags);
  if (!qosController.ok) return qosController;
  if (estimator.value === undefined && qosController.value === undefined) return ok(undefined);
  return ok({
    estimator: estimator.value,
    estimateIntervalMs: flags.durationMs("oversubscribed_resources_interval") ?? 15_000,
    qosController: qosController.value,
    qosIntervalMs: Math.max(
      QOS_INTERVAL_MS_MIN,
      flags.durationMs("qos_correction_interval_min") ?? 0,
    ),
  });
}

function estimatorFlag(flags: Flags): Result<Estimator | undefined> {
  const name = flags.string("resource_estimator");
  const text = flags.string("oversubscribed_resources");
  if (name !== "fixed") {
    if (text !== undefined) {
      const remedy = "belongs to --resource_estimator=fixed, which is not set";
      return refuse("invalid", `--oversubscribed_resources: ${remedy}`, "oversubscribed_resources");
    }
    return ok(name === "usage" ? usageEstimator() : undefined);
  }
  if (text === undefined) {
    const remedy = "wants --oversubscribed_resources, as cpus:4;mem:1024";
    return refuse("invalid", `--resource_estimator=fixed: ${remedy}`, "resource_estimator");
  }
  const resources = parseResources(text, "*");
  if (!resources.ok) {
    const { message } = resources.error;
    return refuse("invalid", `--oversubscribed_resources: ${message}`, "oversubscribed_resources");
  }
  const odd = resources.value.find(
    ({ type, reservations }) => type !== "SCALAR" || (reservations ?? []).length > 0,
  );
  if (odd !== undefined) {
    const fault = `'${odd.name}' is no amount without a role; name amounts only, as cpus:4;mem:1024`;
    return refuse("invalid", `--oversubscribed_resources: ${fault}`, "oversubscribed_resources");
  }
  return ok(fixedEstimator(resources.value));
}

function qosControllerFlag(flags: Flags): Result<QosController | undefined> {
  const name = flags.string("qos_controller");
  if (name === "load") {
    const fiveMinutes = flags.float("qos_load_5min");
    const fifteenMinutes = flags.float("qos_load_15min");
    if (fiveMinutes === undefined && fifteenMinutes === undefined) {
      const remedy = "wants --qos_load_5min or --qos_load_15min";
      return refuse("invalid", `--qos_controller=load: ${remedy}`, "qos_controller");
    }
    return ok(loadController({ fiveMinutes, fifteenMinutes }));
  }
  if (name !== "pressure") return ok(undefined);
  if (!existsSync("/proc/pressure/cpu")) {
    const remedy = "this kernel shows no /proc/pressure; boot with psi=1 or use load";
    return refuse("invalid", `--qos_controller=pressure: ${remedy}`, "qos_controller");
  }
  return ok(
    pressureController({
      cpu: flags.float("qos_cpu_pressure") ?? 50,
      memory: flags.float("qos_memory_pressure") ?? 10,
    }),
  );
}
