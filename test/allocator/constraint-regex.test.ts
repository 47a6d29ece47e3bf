/** Regular expressions of offer constraints: full matches, RE2's syntax, bounded cost. */
import { describe, expect, test } from "bun:test";
import { compileConstraintRegex } from "../../src/allocator/constraint-regex.ts";

const LIMITS = { memoryBytes: 4096, programSize: 100 };

function matches(pattern: string, text: string): boolean {
  const regex = compileConstraintRegex(pattern, LIMITS);
  if (!regex.ok) throw new Error(regex.error.message);
  return regex.value.matches(text);
}

describe("a regular expression of a constraint", () => {
  test("matches whole texts only [semantics 3.7]", () => {
    expect(matches("rack-\\d+", "rack-12")).toBe(true);
    expect(matches("rack-\\d+", "my rack-12")).toBe(false);
    expect(matches("rack-\\d+", "rack-12b")).toBe(false);
    expect(matches("a|bc", "bc")).toBe(true);
  });

  test.each(["(", "(?=x)", "\\1", "a{1001}", "[z-a]"])(
    "%s is not one that RE2 accepts",
    (pattern) => {
      expect(compileConstraintRegex(pattern, LIMITS)).toMatchObject({ error: { code: "invalid" } });
    },
  );

  test("is refused when its program is larger than allowed [semantics 3.7]", () => {
    expect(compileConstraintRegex("x{90}", LIMITS).ok).toBe(true);
    expect(compileConstraintRegex("x{99}", LIMITS)).toMatchObject({ ok: false });
    expect(compileConstraintRegex("x{50}", { ...LIMITS, programSize: 20 })).toMatchObject({
      error: { message: expect.stringContaining("20 instructions") },
    });
    expect(compileConstraintRegex("x{50}", { ...LIMITS, memoryBytes: 240 })).toMatchObject({
      error: { message: expect.stringContaining("10 instructions") },
    });
  });

  test.each([
    `((${"a".repeat(480)}){30}){30}`,
    "x{1000}".repeat(140),
    `${"(".repeat(300)}a${"){9}".repeat(100)}`,
    "a".repeat(100_000),
  ])("is refused before it costs anything (case %#)", (pattern) => {
    expect(compileConstraintRegex(pattern, LIMITS)).toMatchObject({ ok: false });
  });

  test("counts alternatives with common parts once", () => {
    const racks = Array.from({ length: 60 }, (_, index) => `rack-${index % 10}`);
    expect(matches(racks.join("|"), "rack-3")).toBe(true);
  });
});
