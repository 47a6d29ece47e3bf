/**
 * ACLs for one episode: half of the time none, else some that forbid and hide a part of what there
 * is. Nobody logs in, so that only rules about anybody fit.
 */
import { must } from "../../src/base/assert.ts";
import { type Acls, OPEN_ACLS, parseAcls } from "../../src/security/acls.ts";
import { type Dice, pick } from "./dictionary.ts";

const ROLE_ACTIONS = [
  "register_frameworks",
  "reserve_resources",
  "create_volumes",
  "resize_volumes",
  "update_quotas",
  "update_weights",
  "view_roles",
  "get_quotas",
];
const USER_ACTIONS = ["run_tasks", "view_frameworks", "view_tasks", "view_executors"];
const WHOLE_ACTIONS = [
  ["drain_agents", "agents"],
  ["deactivate_agents", "agents"],
  ["mark_agents_gone", "agents"],
  ["update_maintenance_schedules", "machines"],
  ["get_maintenance_statuses", "machines"],
] as const;

const ROLES = ["*", "a", "a/%", "b", "kept"];
const USERS = ["u", "root"];
/** Of the actions, so that most calls still do something. */
const RULED_SHARE = 0.25;

export function randomAcls(dice: Dice): Acls {
  if (dice() < 0.5) return OPEN_ACLS;
  const lists: Record<string, object[]> = {};
  const rule = (action: string, key: string, values: readonly string[]): void => {
    if (dice() >= RULED_SHARE) return;
    const named = values.length > 0 && dice() < 0.7 ? { values: [pick(dice, values)] } : undefined;
    const objects = named ?? { type: pick(dice, ["ANY", "NONE"]) };
    const principals = { type: pick(dice, ["ANY", "ANY", "NONE"]) };
    lists[action] = [{ principals, [key]: objects }];
    if (dice() < 0.5) lists[action].push({ principals, [key]: { type: "NONE" } });
  };
  for (const action of ROLE_ACTIONS) rule(action, "roles", ROLES);
  for (const action of USER_ACTIONS) rule(action, "users", USERS);
  for (const [action, key] of WHOLE_ACTIONS) rule(action, key, []);
  const parsed = parseAcls(lists);
  return must(parsed.ok ? parsed.value : undefined, JSON.stringify(parsed));
}
