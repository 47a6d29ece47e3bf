/**
 * May this caller do this to that container? Nested ones are judged by the user of their executor,
 * standalone ones by their own; an executor with a token may look after what is nested in its own
 * container, and after nothing else. Source: semantics 9.3, http-api 7.3.
 */
import { type Result, refuse } from "../../../base/result.ts";
import type { Acls } from "../../../security/acls.ts";
import type { Action } from "../../../security/actions.ts";
import { describeDenial, isAllowed } from "../../../security/authorizer.ts";
import type { ExecutorState, FrameworkState } from "../state.ts";
import type { ContainerCall, ContainerCaller } from "./container-calls.ts";
import { rootValueOf } from "./container-names.ts";

/** Whose container it is; without an executor it is standalone. */
export interface Owner {
  readonly executor: ExecutorState | undefined;
  /** User of the executor, or of the standalone container. */
  readonly user: string | undefined;
}

const NESTED: Readonly<Record<Exclude<ContainerCall["kind"], "launch">, Action>> = {
  wait: "wait_nested_containers",
  kill: "kill_nested_containers",
  remove: "remove_nested_containers",
  attachInput: "attach_containers_input",
  attachOutput: "attach_containers_output",
};

const STANDALONE: Readonly<Record<Exclude<ContainerCall["kind"], "launch">, Action>> = {
  wait: "wait_standalone_containers",
  kill: "kill_standalone_containers",
  remove: "remove_standalone_containers",
  attachInput: "attach_containers_input",
  attachOutput: "attach_containers_output",
};

/** The user an executor's processes run as. */
export function userOf(framework: FrameworkState, { info }: ExecutorState): string {
  return info.command?.user ?? framework.info.user;
}

/** A refusal `forbidden`, unless the caller may. */
export function denialOfContainerCall(
  acls: Acls,
  { principal, claims }: ContainerCaller,
  call: ContainerCall,
  { executor, user }: Owner,
): Result<never> | undefined {
  // What an executor does with its own needs nobody's leave (Mesos: implicit authorization).
  if (claims !== undefined) {
    const isOwn = executor !== undefined && claims.cid === rootValueOf(call.id);
    if (isOwn && call.kind !== "attachInput") return undefined;
    return refuse("forbidden", "403 Forbidden. The container belongs to another executor");
  }
  for (const [action, object] of actionsOf(call, executor !== undefined, user)) {
    if (isAllowed(acls, action, principal, object)) continue;
    return refuse("forbidden", `403 Forbidden. ${describeDenial(action, principal, object)}`);
  }
  return undefined;
}

function actionsOf(
  call: ContainerCall,
  isNested: boolean,
  user: string | undefined,
): readonly (readonly [Action, string | undefined])[] {
  if (call.kind !== "launch") {
    return [[isNested ? NESTED[call.kind] : STANDALONE[call.kind], user]];
  }
  const own = call.command?.user;
  if (!isNested) {
    // One below another, which is standalone too, is in what belongs to that one's user.
    const users = new Set(user === undefined ? [own] : [user, own ?? user]);
    return [...users].map((one) => ["launch_standalone_containers", one] as const);
  }
  const [under, as]: readonly [Action, Action] = call.isSession
    ? [
        "launch_nested_container_sessions_under_parent_with_user",
        "launch_nested_container_sessions_as_user",
      ]
    : ["launch_nested_containers_under_parent_with_user", "launch_nested_containers_as_user"];
  return own === undefined
    ? [[under, user]]
    : [
        [under, user],
        [as, own],
      ];
}
