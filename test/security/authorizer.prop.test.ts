/**
 * Any ACLs, any question: the authorizer says what the rules say, whether asked at once or by an
 * approver. Method: a slow model on the JSON; few names, so that rules meet questions often.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { parseAcls } from "../../src/security/acls.ts";
import { approverOf, isAllowed } from "../../src/security/authorizer.ts";
import { type AclsJson, type EntityJson, modelAllows, type RuleJson } from "./model.ts";

const PRINCIPALS = ["ops", "dev", "ci"];
const ROLES = ["eng", "eng/web", "eng/web/front", "engine", "ads", "*"];
const ROLE_VALUES = [...ROLES, "eng/%", "eng/web/%", "ads/%"];

const ACTIONS = [
  {
    action: "register_frameworks",
    key: "roles",
    isRole: true,
    objects: ROLES,
    values: ROLE_VALUES,
  },
  {
    action: "teardown_frameworks",
    key: "framework_principals",
    isRole: false,
    objects: PRINCIPALS,
    values: [...PRINCIPALS, "dev/%"],
  },
  {
    action: "drain_agents",
    key: "agents",
    isRole: false,
    objects: [],
    values: [],
  },
] as const;

const entity = (values: readonly string[]): fc.Arbitrary<EntityJson> => {
  const whole = fc.constantFrom<EntityJson>({ type: "ANY" }, { type: "NONE" });
  if (values.length === 0) return whole;
  const some = fc.subarray([...values], { maxLength: 3 }).map((chosen) => ({ values: chosen }));
  return fc.oneof({ weight: 1, arbitrary: whole }, { weight: 3, arbitrary: some });
};

const rules = (key: string, values: readonly string[]): fc.Arbitrary<RuleJson[]> =>
  fc.array(
    fc
      .record({ principals: entity(PRINCIPALS), objects: entity(values) })
      .map(({ principals, objects }) => ({ principals, [key]: objects })),
    { maxLength: 5 },
  );

const acls: fc.Arbitrary<AclsJson> = fc
  .tuple(
    fc.option(fc.boolean(), { nil: undefined }),
    ...ACTIONS.map(({ key, values }) => fc.option(rules(key, values), { nil: undefined })),
  )
  .map(([permissive, ...lists]) => ({
    ...(permissive !== undefined && { permissive }),
    lists: Object.fromEntries(
      ACTIONS.flatMap(({ action }, index) => {
        const list = lists[index];
        return list === undefined ? [] : [[action, list]];
      }),
    ),
  }));

test("every verdict is that of the model [semantics 9.3]", () => {
  fc.assert(
    fc.property(acls, (json) => {
      const { permissive, lists } = json;
      const parsed = parseAcls({
        ...(permissive !== undefined && { permissive }),
        ...lists,
      });
      if (!parsed.ok) throw new Error(parsed.error.message);
      for (const { action, key, isRole, objects } of ACTIONS) {
        for (const principal of [undefined, ...PRINCIPALS, "stranger"]) {
          const approver = approverOf(parsed.value, action, principal);
          const verdicts = [undefined, ...objects, "other", "eng/ads"].map((object) => {
            const wanted = modelAllows(json, {
              action,
              key,
              isRole,
              principal,
              object,
            });
            const context = `${action} ${principal} ${object}`;
            expect(isAllowed(parsed.value, action, principal, object), context).toBe(wanted);
            expect(approver.allows(object), context).toBe(wanted);
            return wanted;
          });
          if (approver.scope === "all") expect(verdicts).not.toContain(false);
          if (approver.scope === "none") expect(verdicts).not.toContain(true);
        }
      }
    }),
    { numRuns: 2000 },
  );
});

test("any JSON is read or refused with a field, never thrown at [semantics 9.3]", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const parsed = parseAcls(value);
      if (!parsed.ok) expect(parsed.error.field).toBeString();
    }),
    { numRuns: 2000 },
  );
});
