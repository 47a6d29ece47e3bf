/**
 * From operator calls about containers to those of the core, and from its answers to theirs.
 * Source: http-api 7.2, 7.3.
 */
import type {
  ContainerAnswer,
  ContainerCall,
  LaunchWish,
} from "../../agent/core/containers/container-calls.ts";
import { ok, type Result } from "../../base/result.ts";
import { rawWaitStatus } from "../../protocol/task-exit.ts";
import type {
  AgentCall,
  AgentResponse,
  AgentResponseWaitContainer,
  ContainerID,
} from "../../protocol/v1/types.ts";
import { faultOfEnvironment } from "../../protocol/validation/environment.ts";
import { validateContainerId } from "../../protocol/validation/ids.ts";
import { validateResources } from "../../resources/validate.ts";

/** Signal of a kill that names none. */
const SIGKILL = 9;
/** Linux has signals up to this one. */
const SIGNAL_MAX = 64;

/** Undefined for calls about other things. Errors: invalid, when the container's id is bad. */
export function containerCallOf(call: AgentCall): Result<ContainerCall | undefined> {
  const wish = wishOf(call);
  if (wish === undefined) return ok(undefined);
  const field = `${(call.type ?? "").toLowerCase()}.container_id`;
  const valid = validateContainerId(wish.id, field);
  if (!valid.ok) return invalid(valid.error.message, field);
  const needsParent = call.type?.includes("NESTED") === true;
  if (needsParent && wish.id.parent === undefined) {
    return invalid(`Expecting '${field}.parent' to be present`, field);
  }
  const part = (call.type ?? "").toLowerCase();
  if (wish.kind === "launch") return checkedLaunch(part, wish);
  return wish.kind === "kill" ? checkedKill(part, wish) : ok(wish);
}

type Call<Kind> = Extract<ContainerCall, { readonly kind: Kind }>;

function checkedLaunch(part: string, wish: Call<"launch">): Result<ContainerCall> {
  const { resources, limits = {}, command } = wish;
  const valid = validateResources(resources, `${part}.resources`);
  if (!valid.ok) return invalid(valid.error.message, valid.error.field ?? `${part}.resources`);
  const negative = Object.entries(limits).find(([, { value }]) => !(value >= 0));
  if (negative !== undefined) {
    const field = `${part}.limits.${negative[0]}`;
    return invalid(`Expecting '${field}' to be non-negative`, field);
  }
  const fault = faultOfEnvironment(command?.environment);
  return fault === undefined ? ok(wish) : invalid(fault, `${part}.command.environment`);
}

function checkedKill(part: string, wish: Call<"kill">): Result<ContainerCall> {
  const field = `${part}.signal`;
  return wish.signal >= 1 && wish.signal <= SIGNAL_MAX
    ? ok(wish)
    : invalid(`Expecting '${field}' to be from 1 to ${SIGNAL_MAX}`, field);
}

function invalid(reason: string, field: string): Result<never> {
  const message = `Failed to validate agent::Call: ${reason}`;
  return { ok: false, error: { code: "invalid", message, field } };
}

function wishOf(call: AgentCall): ContainerCall | undefined {
  switch (call.type) {
    case "LAUNCH_CONTAINER":
      return launchOf(call.launch_container);
    case "LAUNCH_NESTED_CONTAINER":
      return launchOf(call.launch_nested_container);
    case "LAUNCH_NESTED_CONTAINER_SESSION":
      return launchOf(call.launch_nested_container_session, true);
    case "WAIT_CONTAINER":
      return onContainer("wait", call.wait_container);
    case "WAIT_NESTED_CONTAINER":
      return onContainer("wait", call.wait_nested_container);
    case "KILL_CONTAINER":
      return killOf(call.kill_container);
    case "KILL_NESTED_CONTAINER":
      return killOf(call.kill_nested_container);
    case "REMOVE_CONTAINER":
      return onContainer("remove", call.remove_container);
    case "REMOVE_NESTED_CONTAINER":
      return onContainer("remove", call.remove_nested_container);
    case "ATTACH_CONTAINER_OUTPUT":
      return onContainer("attachOutput", call.attach_container_output);
    default:
      return undefined;
  }
}

function launchOf(
  launch: AgentCall["launch_container"],
  isSession = false,
): ContainerCall | undefined {
  if (launch === undefined) return undefined;
  const { container_id: id, command, container, resources, limits } = launch;
  const wish: LaunchWish = {
    id,
    command,
    container,
    resources: resources ?? [],
    limits,
    isSession,
  };
  return { kind: "launch", ...wish };
}

function onContainer(
  kind: "wait" | "remove" | "attachOutput",
  payload: { readonly container_id: ContainerID } | undefined,
): ContainerCall | undefined {
  return payload === undefined ? undefined : { kind, id: payload.container_id };
}

function killOf(kill: AgentCall["kill_container"]): ContainerCall | undefined {
  if (kill === undefined) return undefined;
  return { kind: "kill", id: kill.container_id, signal: kill.signal ?? SIGKILL };
}

/** The message of a WAIT; undefined for answers without one. */
export function waitResponse(
  type: AgentCall["type"],
  answer: ContainerAnswer,
): AgentResponse | undefined {
  if (answer.kind !== "ended") return undefined;
  const wait = terminationOf(answer);
  return type === "WAIT_NESTED_CONTAINER"
    ? { type, wait_nested_container: wait }
    : { type: "WAIT_CONTAINER", wait_container: wait };
}

function terminationOf({
  termination: { exit, limitation },
}: Extract<ContainerAnswer, { kind: "ended" }>): AgentResponseWaitContainer {
  const status = exit.kind === "unknown" ? { message: exit.message } : {};
  const code = exit.kind === "unknown" ? {} : { exit_status: rawWaitStatus(exit) };
  if (limitation === undefined) return { ...code, ...status };
  const { reason, message, resources } = limitation;
  return { ...code, state: "TASK_FAILED", reason, message, limitation: { resources } };
}
