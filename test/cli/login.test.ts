/** As whom a verb logs in, from the flags of the command line and of variables. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LOGIN_FLAGS, LOGIN_VARIABLES, loginOf, principalOf } from "../../src/cli/client/login.ts";
import { type ParsedFlags, parseFlags } from "../../src/cli/flags/parse-flags.ts";
import type { Credential } from "../../src/security/credentials.ts";

const FOLDER = mkdtempSync(join(tmpdir(), "allot-login-"));
afterAll(() => rmSync(FOLDER, { recursive: true }));

const FILE = join(FOLDER, "credential");
writeFileSync(FILE, "of-file sesame", { mode: 0o600 });

function flagsOf(
  argv: readonly string[],
  environment: Readonly<Record<string, string>>,
): ParsedFlags {
  const flags = parseFlags(
    {
      flags: LOGIN_FLAGS,
      environment: LOGIN_VARIABLES,
      isConfigRead: false,
      areArgumentsAllowed: true,
    },
    { argv, environment, readFile: () => ({ ok: true, value: "" }) },
  );
  if (!flags.ok) throw new Error(flags.error.message);
  return flags.value;
}

function login(...given: Parameters<typeof flagsOf>): Credential | undefined {
  const read = loginOf(flagsOf(...given));
  if (!read.ok) throw new Error(read.error.message);
  return read.value.credential;
}

/** Of what the verb makes. */
function principal(...given: Parameters<typeof flagsOf>): string | undefined {
  return principalOf(flagsOf(...given), login(...given)?.principal);
}

const OUTRIGHT = { ALLOT_PRINCIPAL: "of-variable", ALLOT_SECRET: "other" };

test("a file of the command line wins over a secret of the environment", () => {
  expect(login([`--credential=${FILE}`], OUTRIGHT)).toEqual({
    principal: "of-file",
    secret: "sesame",
  });
});

test("a secret wins over a file that comes from the same place or a weaker one", () => {
  const ofVariable = { principal: "of-variable", secret: "other" };
  expect(login([], OUTRIGHT)).toEqual(ofVariable);
  expect(login([], { ...OUTRIGHT, ALLOT_CREDENTIAL: FILE })).toEqual(ofVariable);
  const given = { principal: "given", secret: "s" };
  const words = ["--principal=given", "--secret=s"];
  expect(login(words, { ALLOT_CREDENTIAL: FILE })).toEqual(given);
  expect(login([...words, `--credential=${FILE}`], {})).toEqual(given);
});

test("a reservation or framework has the principal of such a file, unless it is named beside it", () => {
  const argv = [`--credential=${FILE}`];
  expect(principal(argv, OUTRIGHT)).toBe("of-file");
  expect(principal([...argv, "--principal=named"], OUTRIGHT)).toBe("named");
  expect(principal([], { ALLOT_CREDENTIAL: FILE, ALLOT_PRINCIPAL: "of-variable" })).toBe(
    "of-variable",
  );
  expect(principal([], { ALLOT_CREDENTIAL: FILE })).toBe("of-file");
});
