/**
 * Access control lists as operators write them (`--acls`), checked and made ready for judging. What
 * cannot mean anything is refused rather than passed over, because a rule that is ignored lets
 * somebody in. Source: reference/semantics.md 9.3.
 */
import { ok, type Result, refuse } from "../base/result.ts";
import { excerpt } from "../base/text.ts";
import { validateRole } from "../protocol/validation/roles.ts";
import { type Action, type ActionRow, actionRow, GUARDED_PATHS } from "./actions.ts";

/** The names a rule speaks of. `subtrees` are roles of which everything below is meant. */
export interface NameList {
  readonly names: ReadonlySet<string>;
  /** Each with its last slash, as `eng/`. */
  readonly subtrees: readonly string[];
}

/** Whom or what a rule is about. */
export type Entity = "ANY" | "NONE" | NameList;

/** One line of a list: subjects, and the objects on which they may (or may not) act. */
export interface Rule {
  readonly subjects: Entity;
  readonly objects: Entity;
}

/** Rules by action in the order in which they are tried. */
export interface Acls {
  /** The answer where no rule applies. */
  readonly isPermissive: boolean;
  readonly rules: ReadonlyMap<Action, readonly Rule[]>;
}

/** As without `--acls`: everybody may do everything. */
export const OPEN_ACLS: Acls = { isPermissive: true, rules: new Map() };

/** Reads parsed JSON. Refusals: `invalid`, with the path of the faulty field. */
export function parseAcls(value: unknown): Result<Acls> {
  const fields = fieldsOf(value);
  if (fields === undefined) return fault("acls", "is not an object");
  const rules = new Map<Action, readonly Rule[]>();
  let isPermissive = true;
  for (const [name, part] of Object.entries(fields)) {
    if (name === "permissive") {
      if (typeof part !== "boolean") return fault(name, "is neither true nor false");
      isPermissive = part;
      continue;
    }
    const list = readList(name, part);
    if (!list.ok) return list;
    rules.set(name as Action, list.value);
  }
  return ok({ isPermissive, rules });
}

function readList(name: string, part: unknown): Result<readonly Rule[]> {
  const row = actionRow(name);
  const shown = excerpt(name);
  if (row === undefined) return fault(shown, "is no action; see the list of ACLs in Mesos");
  if (!Array.isArray(part)) return fault(name, "is not a list of rules");
  const rules: Rule[] = [];
  for (const [index, item] of (part as unknown[]).entries()) {
    const rule = readRule(`${name}[${index}]`, item, row);
    if (!rule.ok) return rule;
    rules.push(rule.value);
  }
  return ok(rules);
}

function readRule(field: string, item: unknown, { objects: key, kind }: ActionRow): Result<Rule> {
  const fields = fieldsOf(item);
  if (fields === undefined) return fault(field, `is not {"principals": …, "${key}": …}`);
  const extra = Object.keys(fields).find((name) => name !== "principals" && name !== key);
  if (extra !== undefined) {
    return fault(`${field}.${excerpt(extra)}`, `is neither 'principals' nor '${key}'`);
  }
  const subjects = readEntity(`${field}.principals`, fields["principals"], "name");
  if (!subjects.ok) return subjects;
  const objects = readEntity(`${field}.${key}`, fields[key], kind);
  return objects.ok ? ok({ subjects: subjects.value, objects: objects.value }) : objects;
}

const ENTITY_FORM = 'write {"values": […]}, {"type": "ANY"} or {"type": "NONE"}';

function readEntity(field: string, part: unknown, kind: ActionRow["kind"]): Result<Entity> {
  if (part === undefined) return fault(field, `is missing; ${ENTITY_FORM}`);
  const fields = fieldsOf(part);
  if (fields === undefined) return fault(field, `is not an object; ${ENTITY_FORM}`);
  const extra = Object.keys(fields).find((name) => name !== "type" && name !== "values");
  if (extra !== undefined) return fault(`${field}.${excerpt(extra)}`, `is unknown; ${ENTITY_FORM}`);
  const { type = "SOME", values } = fields;
  if (type === "ANY" || type === "NONE") {
    if (values === undefined) return ok(type);
    return fault(field, `has both the type ${type} and values; give one of them`);
  }
  if (type !== "SOME") return fault(`${field}.type`, "is none of ANY, NONE and SOME");
  if (kind === "whole") return fault(field, "can only be of type ANY or NONE");
  if (!Array.isArray(values)) return fault(field, `has no list of values; ${ENTITY_FORM}`);
  return readNames(`${field}.values`, values as unknown[], kind);
}

function readNames(
  field: string,
  values: readonly unknown[],
  kind: ActionRow["kind"],
): Result<NameList> {
  const names = new Set<string>();
  const subtrees: string[] = [];
  for (const [index, value] of values.entries()) {
    const place = `${field}[${index}]`;
    if (typeof value !== "string" || value === "") return fault(place, "is not a name");
    const complaint = complaintOf(value, kind);
    if (complaint !== undefined) return fault(place, complaint);
    if (kind === "role" && value.endsWith("/%")) subtrees.push(value.slice(0, -1));
    else names.add(value);
  }
  return ok({ names, subtrees });
}

function complaintOf(value: string, kind: ActionRow["kind"]): string | undefined {
  if (kind === "path" && !GUARDED_PATHS.has(value)) {
    return `is '${excerpt(value)}', which is none of ${[...GUARDED_PATHS].join(", ")}`;
  }
  if (kind !== "role") return undefined;
  const role = value.endsWith("/%") ? value.slice(0, -2) : value;
  if (role === "*" && value !== "*") return "is '*/%', but nothing lies below '*'";
  const checked = validateRole(role, "values");
  if (checked.ok) return undefined;
  return `is '${excerpt(value)}', which is neither a role nor ROLE/% for all roles below ROLE`;
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? (value as Readonly<Record<string, unknown>>) : undefined;
}

function fault(field: string, what: string): Result<never> {
  return refuse("invalid", `'${field}' ${what}`, field);
}
