/** What a viewer sees of roles, in each of the forms in which resources name them. */
import { expect, test } from "bun:test";
import { must } from "../../src/base/assert.ts";
import type { Resource } from "../../src/protocol/v1/types.ts";
import { parseAcls } from "../../src/security/acls.ts";
import { Viewer } from "../../src/security/viewer.ts";

function viewerOf(acls: object, principal = "dev"): Viewer {
  const parsed = parseAcls(acls);
  return new Viewer(must(parsed.ok ? parsed.value : undefined, "acls"), principal);
}

const ANY = { type: "ANY" };
const ONLY_ENG = {
  view_roles: [
    { principals: ANY, roles: { values: ["eng", "eng/%"] } },
    { principals: ANY, roles: { type: "NONE" } },
  ],
};

const of = (more: Partial<Resource>): Resource => ({ name: "cpus", type: "SCALAR", ...more });
const dynamic = (...roles: string[]): Partial<Resource> => ({
  reservations: roles.map((role) => ({ type: "DYNAMIC", role })),
});

test("resources are seen by who sees every role they are of [semantics 9.3]", () => {
  const viewer = viewerOf(ONLY_ENG);
  const seen = [
    of({}),
    of({ role: "*" }),
    of({ role: "eng" }),
    of({ ...dynamic("eng"), allocation_info: { role: "eng/web" } }),
    of(dynamic("eng", "eng/web")),
  ];
  const hidden = [
    of({ role: "ads" }),
    of({ role: "ads", reservation: {} }),
    of({ allocation_info: { role: "ads" } }),
    of(dynamic("ads")),
    of(dynamic("ads", "eng")),
    of({ ...dynamic("eng"), allocation_info: { role: "*" } }),
  ];
  for (const one of seen) expect(viewer.seesResource(one), JSON.stringify(one)).toBe(true);
  for (const one of hidden) expect(viewer.seesResource(one), JSON.stringify(one)).toBe(false);
});

test("answers are shared by those who see the same [semantics 9.3]", () => {
  const open = viewerOf({});
  expect(open.key).toBe(viewerOf({}, "ops").key);
  expect(open.isUnrestricted).toBe(true);
  const ops = { principals: { values: ["ops"] }, users: ANY };
  const none = { principals: ANY, users: { type: "NONE" } };
  const acls = { view_tasks: [ops, none] };
  expect(viewerOf(acls, "ops").key).toBe(open.key);
  expect(viewerOf(acls, "dev").key).not.toBe(open.key);
  expect(viewerOf(acls, "dev").key).not.toBe(viewerOf(acls, "ci").key);
});

test("of roles an allocation counts, unless everybody may see the role [semantics 9.3]", () => {
  const viewer = viewerOf({ view_roles: [{ principals: ANY, roles: { values: ["eng"] } }] });
  // Where no rule fits, the ACLs are permissive.
  expect(viewer.seesResource(of({ allocation_info: { role: "ads" } }))).toBe(true);
  expect(viewer.isUnrestricted).toBe(true);
});
