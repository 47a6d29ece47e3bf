/** What a role prints once it is ready. */
import { expect, test } from "bun:test";
import { bannerAddress } from "../../src/roles/start-roles.ts";
import { roleFlags } from "./role-flags.ts";

function addressOf(...argv: readonly string[]): string {
  return bannerAddress({ flags: roleFlags(argv) }, [{ url: "http://10.0.0.1:5050" }]);
}

test("the banner, which ends in the journal, holds no password of ZooKeeper", () => {
  const url = "zk://me:sesame@a:2181,b:2181/allot";
  const shown = "zk://me:***@a:2181,b:2181/allot";
  expect(addressOf("--role=agent", `--master=${url}`)).toBe(shown);
  expect(addressOf("--role=master", `--zk=${url}`)).toBe(shown);
  expect(addressOf("--role=agent", "--master=10.0.0.2:5050")).toBe("10.0.0.2:5050");
  expect(addressOf("--role=both")).toBe("10.0.0.1:5050");
});
