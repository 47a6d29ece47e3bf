/** Rules for ids chosen by others. */
import { describe, expect, test } from "bun:test";
import { validateContainerId, validateId } from "../../../src/protocol/validation/ids.ts";

describe("validateId", () => {
  test("usual ids pass, up to 255 bytes [semantics 6.7]", () => {
    for (const id of ["a", "task-1", "a b", "a.b", "...", "ü", "x".repeat(255), "ü".repeat(127)]) {
      expect(validateId(id, "task_id.value"), id).toEqual({ ok: true, value: id });
    }
  });

  test("ids that are no file names are refused with the reason [semantics 6.7]", () => {
    const reasons: Record<string, string> = {
      "": "must not be empty",
      ".": "must not be '.'",
      "..": "must not be '..'",
      "a/b": "must not contain '/'",
      "a\\b": "must not contain '\\'",
      "a\nb": "must not contain the character 0x0a",
      "a\0": "must not contain the character 0x00",
      "\x7f": "must not contain the character 0x7f",
      ["x".repeat(256)]: "must not be longer than 255 bytes",
      ["ü".repeat(128)]: "must not be longer than 255 bytes",
    };
    for (const [id, reason] of Object.entries(reasons)) {
      expect(validateId(id, "task_id.value")).toEqual({
        ok: false,
        error: { code: "invalid", message: `'task_id.value' ${reason}`, field: "task_id.value" },
      });
    }
  });
});

describe("validateContainerId", () => {
  test("each level keeps the id rules without dots and spaces [http-api 7.2]", () => {
    expect(validateContainerId({ value: "c", parent: { value: "p" } }, "id").ok).toBe(true);
    expect(validateContainerId({ value: "x".repeat(242) }, "id").ok).toBe(true);
    for (const value of ["", "a.b", "a b", "a/b", "x".repeat(243)]) {
      const result = validateContainerId({ value: "c", parent: { value } }, "kill.container_id");
      expect(result.ok ? undefined : result.error.field, value).toBe(
        "kill.container_id.parent.value",
      );
    }
  });
});
