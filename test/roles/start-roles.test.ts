/** What a role prints once it is ready. */
import { expect, test } from "bun:test";
import { readRoleFlags } from "../../src/cli/flags/role-table.ts";
import { bannerAddress } from "../../src/roles/start-roles.ts";

function addressOf(...argv: readonly string[]): string {
  const read = readRoleFlags({
    argv,
    environment: { HOME: "/home-of/me" },
    isRoot: false,
    readFile: () => ({ ok: false, error: { code: "notFound", message: "there is no file" } }),
  });
  if (!read.ok) throw new Error(read.error.message);
  return bannerAddress(read.value, [{ url: "http://10.0.0.1:5050" }]);
}

test("the banner, which ends in the journal, holds no password of ZooKeeper", () => {
  const url = "zk://me:sesame@a:2181,b:2181/allot";
  const shown = "zk://me:***@a:2181,b:2181/allot";
  expect(addressOf("--role=agent", `--master=${url}`)).toBe(shown);
  expect(addressOf("--role=master", `--zk=${url}`)).toBe(shown);
  expect(addressOf("--role=agent", "--master=10.0.0.2:5050")).toBe("10.0.0.2:5050");
  expect(addressOf("--role=both")).toBe("10.0.0.1:5050");
});
