/** The rules of ACLs one by one, by examples that a person can check. */
import { expect, test } from "bun:test";
import { must } from "../../src/base/assert.ts";
import { type Acls, OPEN_ACLS, parseAcls } from "../../src/security/acls.ts";
import { approverOf, isAllowed } from "../../src/security/authorizer.ts";

function aclsOf(json: unknown): Acls {
  const parsed = parseAcls(json);
  return must(parsed.ok ? parsed.value : undefined, JSON.stringify(parsed));
}

const ANY = { type: "ANY" };
const NONE = { type: "NONE" };
const some = (...values: string[]): object => ({ values });

test("without ACLs everybody may do everything [semantics 9.3]", () => {
  expect(isAllowed(OPEN_ACLS, "run_tasks", undefined, "root")).toBe(true);
  expect(approverOf(OPEN_ACLS, "view_tasks", "ops").scope).toBe("all");
});

test("permissive is true unless told, and decides where no rule applies [semantics 9.3]", () => {
  const rule = { principals: some("ops"), users: some("root") };
  const isDevAllowed = (permissive: object): boolean =>
    isAllowed(aclsOf({ ...permissive, run_tasks: [rule] }), "run_tasks", "dev", "root");
  expect(isDevAllowed({})).toBe(true);
  expect(isDevAllowed({ permissive: true })).toBe(true);
  expect(isDevAllowed({ permissive: false })).toBe(false);
});

test("the first rule that fits decides, later ones are not looked at [semantics 9.3]", () => {
  const acls = aclsOf({
    run_tasks: [
      { principals: some("ops"), users: some("root") },
      { principals: some("ops"), users: NONE },
      { principals: some("ops"), users: ANY },
      { principals: ANY, users: some("guest") },
      { principals: NONE, users: some("root") },
    ],
  });
  expect(isAllowed(acls, "run_tasks", "ops", "root")).toBe(true);
  expect(isAllowed(acls, "run_tasks", "ops", "guest")).toBe(false);
  expect(isAllowed(acls, "run_tasks", "dev", "guest")).toBe(true);
  expect(isAllowed(acls, "run_tasks", "dev", "root")).toBe(false);
  expect(isAllowed(acls, "run_tasks", "dev", "www")).toBe(true);
});

test("a caller without principal fits ANY and NONE, never a list [semantics 9.3]", () => {
  const listed = aclsOf({
    permissive: false,
    run_tasks: [{ principals: some("ops"), users: ANY }],
  });
  expect(isAllowed(listed, "run_tasks", undefined, "root")).toBe(false);
  const open = aclsOf({
    permissive: false,
    run_tasks: [{ principals: ANY, users: some("www") }],
  });
  expect(isAllowed(open, "run_tasks", undefined, "www")).toBe(true);
  const closed = aclsOf({
    run_tasks: [{ principals: NONE, users: some("www") }],
  });
  expect(isAllowed(closed, "run_tasks", undefined, "www")).toBe(false);
});

test("an object without name fits ANY and NONE, never a list [semantics 9.3]", () => {
  const acls = aclsOf({
    permissive: false,
    teardown_frameworks: [
      { principals: some("dev"), framework_principals: some("dev") },
      { principals: some("ops"), framework_principals: ANY },
    ],
  });
  expect(isAllowed(acls, "teardown_frameworks", "dev", "dev")).toBe(true);
  expect(isAllowed(acls, "teardown_frameworks", "dev", undefined)).toBe(false);
  expect(isAllowed(acls, "teardown_frameworks", "ops", undefined)).toBe(true);
});

test("eng/% is every role below eng, not eng itself, nor engine [semantics 9.3]", () => {
  const acls = aclsOf({
    permissive: false,
    register_frameworks: [{ principals: ANY, roles: some("eng/%", "ads") }],
  });
  const allowed = ["eng/web", "eng/web/front", "ads"];
  const denied = ["eng", "engine", "eng%", "*", "ads/web"];
  for (const role of allowed) {
    expect(isAllowed(acls, "register_frameworks", "ops", role), role).toBe(true);
  }
  for (const role of denied) {
    expect(isAllowed(acls, "register_frameworks", "ops", role), role).toBe(false);
  }
});

test("an approver knows when no object makes a difference [semantics 9.3]", () => {
  const acls = aclsOf({
    view_tasks: [
      { principals: some("ops"), users: ANY },
      { principals: some("dev"), users: some("www") },
      { principals: ANY, users: NONE },
    ],
  });
  expect(approverOf(acls, "view_tasks", "ops").scope).toBe("all");
  expect(approverOf(acls, "view_tasks", "dev").scope).toBe("some");
  expect(approverOf(acls, "view_tasks", undefined).scope).toBe("none");
});

const FAULTS: readonly (readonly [unknown, string])[] = [
  [[], "acls"],
  [{ permissive: "yes" }, "permissive"],
  [{ run_task: [] }, "run_task"],
  [{ toString: [] }, "toString"],
  [{ run_tasks: {} }, "run_tasks"],
  [{ run_tasks: [7] }, "run_tasks[0]"],
  [{ run_tasks: [{ principals: ANY }] }, "run_tasks[0].users"],
  [{ run_tasks: [{ users: ANY }] }, "run_tasks[0].principals"],
  [{ run_tasks: [{ principals: ANY, users: ANY, roles: ANY }] }, "run_tasks[0].roles"],
  [{ run_tasks: [{ principals: {}, users: ANY }] }, "run_tasks[0].principals"],
  [{ run_tasks: [{ principals: "ops", users: ANY }] }, "run_tasks[0].principals"],
  [{ run_tasks: [{ principals: { type: "all" }, users: ANY }] }, "run_tasks[0].principals.type"],
  [{ run_tasks: [{ principals: { value: "ops" }, users: ANY }] }, "run_tasks[0].principals.value"],
  [
    {
      run_tasks: [{ principals: { type: "ANY", values: ["ops"] }, users: ANY }],
    },
    "run_tasks[0].principals",
  ],
  [
    { run_tasks: [{ principals: some("ops", ""), users: ANY }] },
    "run_tasks[0].principals.values[1]",
  ],
  [
    { view_roles: [{ principals: ANY, roles: some("eng", "a b") }] },
    "view_roles[0].roles.values[1]",
  ],
  [{ view_roles: [{ principals: ANY, roles: some("*/%") }] }, "view_roles[0].roles.values[0]"],
  [{ view_roles: [{ principals: ANY, roles: some("/%") }] }, "view_roles[0].roles.values[0]"],
  [
    { get_endpoints: [{ principals: ANY, paths: some("/state") }] },
    "get_endpoints[0].paths.values[0]",
  ],
  [{ view_flags: [{ principals: ANY, flags: some("port") }] }, "view_flags[0].flags"],
];

test("what cannot mean anything is refused, naming the field [semantics 9.3]", () => {
  for (const [json, field] of FAULTS) {
    const parsed = parseAcls(json);
    const error = parsed.ok ? undefined : parsed.error;
    expect(error?.field, JSON.stringify(json)).toBe(field);
    expect(error?.message).toContain(`'${field}'`);
  }
});
