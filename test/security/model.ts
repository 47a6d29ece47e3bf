/**
 * The rules of reference/semantics.md 9.3 on the JSON itself, as a person would apply them: no
 * compilation, no short cuts. Written apart from `src/security`.
 */

export interface EntityJson {
  readonly type?: "ANY" | "NONE";
  readonly values?: readonly string[];
}

export type RuleJson = Readonly<Record<string, EntityJson>>;

export interface AclsJson {
  readonly permissive?: boolean;
  readonly lists: Readonly<Record<string, readonly RuleJson[]>>;
}

/** The verdict. `key` is the name of the objects in a rule of this action. */
export function modelAllows(
  acls: AclsJson,
  question: {
    readonly action: string;
    readonly key: string;
    readonly isRole: boolean;
    readonly principal: string | undefined;
    readonly object: string | undefined;
  },
): boolean {
  const { action, key, isRole, principal, object } = question;
  const matching = (acls.lists[action] ?? []).filter((rule) => {
    return (
      matches(rule["principals"] ?? {}, principal, false) &&
      matches(rule[key] ?? {}, object, isRole)
    );
  });
  const [first] = matching;
  if (first === undefined) return acls.permissive ?? true;
  return first["principals"]?.type !== "NONE" && first[key]?.type !== "NONE";
}

function matches({ type, values }: EntityJson, name: string | undefined, isRole: boolean): boolean {
  if (type !== undefined) return true;
  if (name === undefined) return false;
  return (values ?? []).some((value) => {
    if (!isRole || !value.endsWith("/%")) return value === name;
    const above = value.split("/").slice(0, -1);
    const parts = name.split("/");
    return parts.length > above.length && above.every((part, index) => parts[index] === part);
  });
}
