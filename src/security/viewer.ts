/**
 * What a caller may see of users' things and of roles, asked once for a whole answer. Whoever may
 * see everything costs nothing. Source: reference/semantics.md 9.3.
 */
import { must } from "../base/assert.ts";
import type { Resource } from "../protocol/v1/types.ts";
import type { Acls } from "./acls.ts";
import type { Action } from "./actions.ts";
import { type Approver, approverOf } from "./authorizer.ts";

type ViewAction = Extract<
  Action,
  | "view_frameworks"
  | "view_tasks"
  | "view_executors"
  | "view_containers"
  | "view_roles"
  | "get_quotas"
  | "get_maintenance_schedules"
  | "get_maintenance_statuses"
  | "view_flags"
>;

type UserAction = Extract<
  ViewAction,
  "view_frameworks" | "view_tasks" | "view_executors" | "view_containers"
>;

const ACTIONS: readonly ViewAction[] = [
  "view_frameworks",
  "view_tasks",
  "view_executors",
  "view_containers",
  "view_roles",
  "get_quotas",
  "get_maintenance_schedules",
  "get_maintenance_statuses",
  "view_flags",
];

export class Viewer {
  /** Callers of one key see the same. */
  readonly key: string;
  readonly #approvers: ReadonlyMap<Action, Approver>;

  constructor(acls: Acls, principal: string | undefined) {
    this.#approvers = new Map(
      ACTIONS.map((action) => [action, approverOf(acls, action, principal)]),
    );
    this.key = ACTIONS.every((action) => this.seesAll(action)) ? "" : JSON.stringify([principal]);
  }

  /** Nothing has to be looked at. */
  get isUnrestricted(): boolean {
    return this.key === "";
  }

  /** Of one kind of thing everything is seen. */
  seesAll(action: ViewAction): boolean {
    return this.#approverOf(action).scope === "all";
  }

  /** The things of one user. */
  seesUser(action: UserAction, user: string): boolean {
    return this.#approverOf(action).allows(user);
  }

  seesRole(role: string): boolean {
    return this.#approverOf("view_roles").allows(role);
  }

  seesQuota(role: string): boolean {
    return this.#approverOf("get_quotas").allows(role);
  }

  /** In any form: `role` is how a reservation was told before there were several. */
  seesResource({ role, reservations, allocation_info }: Resource): boolean {
    if (role !== undefined && role !== "*" && !this.seesRole(role)) return false;
    return this.seesRoles(reservations ?? [], allocation_info?.role);
  }

  /** Every role that something is reserved to, and the one it is allocated to. */
  seesRoles(
    reservations: readonly { readonly role?: string | undefined }[],
    allocationRole: string | undefined,
  ): boolean {
    if (allocationRole !== undefined && !this.seesRole(allocationRole)) return false;
    return reservations.every(({ role }) => role === undefined || this.seesRole(role));
  }

  #approverOf(action: ViewAction): Approver {
    return must(this.#approvers.get(action), "approver of an action about views");
  }
}
