/**
 * What the ACLs have to say about frameworks' and operators' wishes. Each function turns a wish into
 * questions for the authorizer and answers with the first denial, in words. A framework asks as the
 * principal of its FrameworkInfo, an operator as whom they authenticated.
 * Source: semantics 3.2, 5, 9.3; http-api 6.2.
 */
import { brand, type FrameworkId } from "../../base/ids.ts";
import { type Result, refuse } from "../../base/result.ts";
import type {
  FrameworkInfo,
  MasterCall,
  OfferOperation,
  Resource,
  ResourceReservationInfo,
} from "../../protocol/v1/types.ts";
import { isSameMessage } from "../../registry/core/same-message.ts";
import type { Action } from "../../security/actions.ts";
import { describeDenial, isAllowed } from "../../security/authorizer.ts";
import type { MasterContext } from "./context.ts";
import { rolesOf } from "./framework-info.ts";

/** May somebody do this to that? `object` undefined: to any of its kind. */
interface Question {
  readonly action: Action;
  readonly object: string | undefined;
}

type Principal = string | undefined;

/** REGISTER_FRAMEWORK for every role; one without roles asks for any role. */
export function denialOfRegistration(ctx: MasterContext, info: FrameworkInfo): string | undefined {
  const roles: readonly (string | undefined)[] = rolesOf(info);
  const asked = roles.length === 0 ? [undefined] : roles;
  return denial(
    ctx,
    info.principal,
    asked.map((object) => ({ action: "register_frameworks", object })),
  );
}

/** An operation on resources, normalized and valid. */
export function denialOfOperation(
  ctx: MasterContext,
  principal: Principal,
  operation: OfferOperation,
): string | undefined {
  return denial(ctx, principal, operationQuestions(operation));
}

/** A call of an operator that is not an operation on resources. Refusal: `forbidden`. */
export function denialOfCall(
  ctx: MasterContext,
  principal: Principal,
  call: MasterCall,
): Result<never> | undefined {
  return forbidden(denial(ctx, principal, callQuestions(ctx, call)));
}

/** Ending tasks in a framework's place needs the right to end the framework. */
export function denialOfTeardown(
  ctx: MasterContext,
  principal: Principal,
  frameworkId: string | undefined,
): Result<never> | undefined {
  return forbidden(denial(ctx, principal, [teardownQuestion(ctx, frameworkId)]));
}

/** A denial as the answer to an operator (http-api 2.3). */
export function forbidden(why: string): Result<never>;
export function forbidden(why: string | undefined): Result<never> | undefined;
export function forbidden(why: string | undefined): Result<never> | undefined {
  return why === undefined ? undefined : refuse("forbidden", `403 Forbidden. ${why}`);
}

function denial(
  { options: { acls } }: MasterContext,
  principal: Principal,
  questions: readonly Question[],
): string | undefined {
  for (const { action, object } of questions) {
    if (!isAllowed(acls, action, principal, object)) {
      return describeDenial(action, principal, object);
    }
  }
  return undefined;
}

function operationQuestions(operation: OfferOperation): readonly Question[] {
  const { reserve, unreserve, create, destroy, grow_volume, shrink_volume } = operation;
  switch (operation.type) {
    case "RESERVE":
      return reserveQuestions(reserve?.source ?? [], reserve?.resources ?? []);
    case "UNRESERVE":
      return forEach("unreserve_resources", unreserve?.resources, reserverOf);
    case "CREATE":
      return forEach("create_volumes", create?.volumes, roleOf);
    case "DESTROY":
      return forEach("destroy_volumes", destroy?.volumes, (v) => v.disk?.persistence?.principal);
    case "GROW_VOLUME":
      return forEach("resize_volumes", grow_volume && [grow_volume.volume], roleOf);
    case "SHRINK_VOLUME":
      return forEach("resize_volumes", shrink_volume && [shrink_volume.volume], roleOf);
    default:
      return [];
  }
}

/**
 * Every reservation that goes, and every one that comes, down to what all of them lie on; the new
 * top in any case.
 */
function reserveQuestions(
  source: readonly Resource[],
  resources: readonly Resource[],
): readonly Question[] {
  if (source.length === 0) return forEach("reserve_resources", resources, roleOf);
  const keptCount = commonDepth([...source, ...resources].map(stackOf));
  const taken = source.flatMap((resource) => stackOf(resource).slice(keptCount));
  const added = resources
    .map(stackOf)
    .flatMap((stack) => stack.slice(Math.min(keptCount, stack.length - 1)));
  return [
    ...taken.map(
      ({ principal }) => ({ action: "unreserve_resources", object: principal }) as const,
    ),
    ...added.map(({ role }) => ({ action: "reserve_resources", object: role }) as const),
  ];
}

/** How many reservations all stacks begin with. */
function commonDepth(stacks: readonly (readonly ResourceReservationInfo[])[]): number {
  const [first = [], ...rest] = stacks;
  const isOther = (one: ResourceReservationInfo, depth: number): boolean =>
    rest.some((stack) => stack[depth] === undefined || !isSameMessage(stack[depth], one));
  const depth = first.findIndex(isOther);
  return depth < 0 ? first.length : depth;
}

function stackOf({ reservations }: Resource): readonly ResourceReservationInfo[] {
  return reservations ?? [];
}

function forEach(
  action: Action,
  resources: readonly Resource[] | undefined,
  objectOf: (resource: Resource) => string | undefined,
): readonly Question[] {
  return (resources ?? []).map((resource) => ({
    action,
    object: objectOf(resource),
  }));
}

function roleOf({ reservations }: Resource): string | undefined {
  return reservations?.at(-1)?.role;
}

function reserverOf({ reservations }: Resource): string | undefined {
  return reservations?.at(-1)?.principal;
}

/** Calls about agents and machines ask once: their objects are not told apart. */
function callQuestions(ctx: MasterContext, call: MasterCall): readonly Question[] {
  const whole = (action: Action): Question => ({ action, object: undefined });
  const quota = (role: string | undefined): Question => ({
    action: "update_quotas",
    object: role,
  });
  switch (call.type) {
    case "TEARDOWN":
      return [teardownQuestion(ctx, call.teardown?.framework_id.value)];
    case "UPDATE_QUOTA":
      return (call.update_quota?.quota_configs ?? []).map(({ role }) => quota(role));
    case "SET_QUOTA":
      return [quota(call.set_quota?.quota_request.role)];
    case "REMOVE_QUOTA":
      return [quota(call.remove_quota?.role)];
    case "UPDATE_WEIGHTS":
      return (call.update_weights?.weight_infos ?? []).map(({ role }) => ({
        action: "update_weights",
        object: role?.trim(),
      }));
    case "UPDATE_MAINTENANCE_SCHEDULE":
      return [whole("update_maintenance_schedules")];
    case "START_MAINTENANCE":
      return [whole("start_maintenances")];
    case "STOP_MAINTENANCE":
      return [whole("stop_maintenances")];
    case "DRAIN_AGENT": {
      const isGoneAfterwards = call.drain_agent?.mark_gone === true;
      return [whole("drain_agents"), ...(isGoneAfterwards ? [whole("mark_agents_gone")] : [])];
    }
    case "DEACTIVATE_AGENT":
      return [whole("deactivate_agents")];
    case "REACTIVATE_AGENT":
      return [whole("reactivate_agents")];
    case "MARK_AGENT_GONE":
      return [whole("mark_agents_gone")];
    default:
      return [];
  }
}

/** An unknown framework stands for any, so that only who may end all of them learns of its absence. */
function teardownQuestion(ctx: MasterContext, frameworkId: string | undefined): Question {
  const framework = ctx.state.frameworks.get(brand<FrameworkId>(frameworkId ?? ""));
  return { action: "teardown_frameworks", object: framework?.info.principal };
}
