/**
 * Every action that ACLs can speak of, with the key under which a rule names the objects of the
 * action, and what an object is. Source: reference/semantics.md 9.3.
 */

/** Objects are roles; `eng/%` stands for everything below `eng`. */
const ON_ROLES = [
  "register_frameworks",
  "reserve_resources",
  "create_volumes",
  "resize_volumes",
  "create_block_disks",
  "destroy_block_disks",
  "create_mount_disks",
  "destroy_mount_disks",
  "destroy_raw_disks",
  "get_quotas",
  "update_quotas",
  "view_roles",
  "update_weights",
] as const;

/** Objects are users of the operating system. */
const ON_USERS = [
  "run_tasks",
  "view_frameworks",
  "view_tasks",
  "view_executors",
  "access_sandboxes",
  "view_containers",
  "launch_nested_containers_as_user",
  "launch_nested_containers_under_parent_with_user",
  "launch_nested_container_sessions_as_user",
  "launch_nested_container_sessions_under_parent_with_user",
  "wait_nested_containers",
  "kill_nested_containers",
  "remove_nested_containers",
  "attach_containers_input",
  "attach_containers_output",
  "view_standalone_containers",
  "launch_standalone_containers",
  "wait_standalone_containers",
  "kill_standalone_containers",
  "remove_standalone_containers",
] as const;

const ON_AGENTS = [
  "register_agents",
  "drain_agents",
  "deactivate_agents",
  "reactivate_agents",
  "mark_agents_gone",
] as const;

const ON_MACHINES = [
  "update_maintenance_schedules",
  "get_maintenance_schedules",
  "start_maintenances",
  "stop_maintenances",
  "get_maintenance_statuses",
] as const;

const ON_PROVIDERS = [
  "modify_resource_provider_configs",
  "mark_resource_providers_gone",
  "view_resource_providers",
] as const;

/** Those whose objects have a key of their own. */
type LoneAction =
  | "teardown_frameworks"
  | "unreserve_resources"
  | "destroy_volumes"
  | "get_endpoints"
  | "access_mesos_logs"
  | "view_flags"
  | "set_log_level"
  | "prune_images"
  /** Not of Mesos: the lead among masters, and copies of their registry. */
  | "operate_masters";

/** The name of an action, which is the name of its list in ACLs. */
export type Action =
  | (typeof ON_ROLES)[number]
  | (typeof ON_USERS)[number]
  | (typeof ON_AGENTS)[number]
  | (typeof ON_MACHINES)[number]
  | (typeof ON_PROVIDERS)[number]
  | LoneAction;

/** What a list is about. */
export interface ActionRow {
  /** The key of the objects in a rule. */
  readonly objects: string;
  /**
   * `name`: compared as it is. `path`: one of `GUARDED_PATHS`. `whole`: objects are not told apart,
   * so that only ANY and NONE make sense.
   */
  readonly kind: "role" | "name" | "path" | "whole";
}

/** Endpoints that `get_endpoints` guards; the others answer whoever passes their realm. */
export const GUARDED_PATHS: ReadonlySet<string> = new Set([
  "/containers",
  "/containerizer/debug",
  "/files/debug",
  "/logging/toggle",
  "/metrics/snapshot",
  "/monitor/statistics",
]);

/** What the list of this name is about; undefined when there is no such action. */
export function actionRow(name: string): ActionRow | undefined {
  return ROWS.get(name);
}

function rows(
  names: readonly Action[],
  objects: string,
  kind: ActionRow["kind"],
): readonly (readonly [Action, ActionRow])[] {
  return names.map((name) => [name, { objects, kind }]);
}

const ROWS: ReadonlyMap<string, ActionRow> = new Map([
  ...rows(ON_ROLES, "roles", "role"),
  ...rows(ON_USERS, "users", "name"),
  ...rows(["teardown_frameworks"], "framework_principals", "name"),
  ...rows(["unreserve_resources"], "reserver_principals", "name"),
  ...rows(["destroy_volumes"], "creator_principals", "name"),
  ...rows(["get_endpoints"], "paths", "path"),
  ...rows(ON_AGENTS, "agents", "whole"),
  ...rows(ON_MACHINES, "machines", "whole"),
  ...rows(ON_PROVIDERS, "resource_providers", "whole"),
  ...rows(["access_mesos_logs"], "logs", "whole"),
  ...rows(["view_flags"], "flags", "whole"),
  ...rows(["set_log_level"], "level", "whole"),
  ...rows(["prune_images"], "images", "whole"),
  ...rows(["operate_masters"], "masters", "whole"),
]);
