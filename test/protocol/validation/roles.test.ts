/** Rules for role names. */
import { describe, expect, test } from "bun:test";
import { validateRole } from "../../../src/protocol/validation/roles.ts";

describe("validateRole", () => {
  test("a star and paths pass [semantics 3.6]", () => {
    for (const role of ["*", "eng", "eng/web", "a/b/c", "a*", "a-b", ".x", "...", "ü"]) {
      expect(validateRole(role, "role"), role).toEqual({ ok: true, value: role });
    }
  });

  test("all else is refused [semantics 3.6]", () => {
    const roles = [
      "",
      "/",
      "/a",
      "a/",
      "a//b",
      ".",
      "..",
      "a/.",
      "../a",
      "a/*",
      "*/a",
      "-a",
      "a/-b",
    ];
    const spaced = ["\t", "\n", "\v", "\f", "\r", " ", "\x08", "\x7f"].map((space) => `a${space}b`);
    for (const role of [...roles, ...spaced]) {
      const result = validateRole(role, "roles[0]");
      expect(result.ok ? undefined : result.error.field, JSON.stringify(role)).toBe("roles[0]");
    }
  });
});
