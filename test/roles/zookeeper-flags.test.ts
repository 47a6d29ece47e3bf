/** Where masters meet, from their flags. */
import { expect, test } from "bun:test";
import { ok } from "../../src/base/result.ts";
import type { RoleFlags } from "../../src/cli/flags/role-table.ts";
import { withoutPasswords, zooKeeperFlag } from "../../src/roles/zookeeper-flags.ts";
import { roleFlags } from "./role-flags.ts";

const URL_TEXT = "zk://me:sesame@a:2181/allot";

/** `file` is what every file holds. */
function flagsOf(argv: readonly string[], file = ""): RoleFlags["flags"] {
  const textOf = (path: string) => ok(path === "/config" ? "" : file);
  return roleFlags([...argv, "--config=/config"], textOf);
}

test("a master whose --zk is no URL does not start as one that is alone [flags.md]", () => {
  for (const text of ["a:2181,b:2181/allot", "ZK://a:2181/allot", "http://a:2181/allot"]) {
    expect(zooKeeperFlag(flagsOf(["--role=master", `--zk=${text}`]), "zk")).toMatchObject({
      ok: false,
      error: { code: "invalid", field: "zk" },
    });
  }
  expect(zooKeeperFlag(flagsOf(["--role=master"]), "zk")).toEqual({ ok: true, value: undefined });
});

test("an agent's --master may be an address", () => {
  const flags = flagsOf(["--role=agent", "--master=10.0.0.1:5050"]);
  expect(zooKeeperFlag(flags, "master")).toEqual({ ok: true, value: undefined });
});

test("a file may have space around the URL, whose password is not shown", () => {
  const flags = flagsOf(["--role=master", "--zk=file:///zk"], `\n ${URL_TEXT} \r\n`);
  expect(zooKeeperFlag(flags, "zk")).toMatchObject({
    ok: true,
    value: { servers: ["a:2181"], path: "/allot", credentials: "me:sesame" },
  });
  expect(withoutPasswords(flags.toFlagStrings())["zk"]).not.toContain("sesame");
});
