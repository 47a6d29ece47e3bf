/** ZooKeeper URLs as Mesos writes them. */
import { describe, expect, test } from "bun:test";
import { parseZooKeeperUrl } from "../../../src/election/core/zookeeper-url.ts";

describe("parseZooKeeperUrl [semantics 1.1]", () => {
  test("servers, path and credentials", () => {
    expect(parseZooKeeperUrl("zk://a:2181,10.0.0.2:2182/mesos/prod/")).toEqual({
      ok: true,
      value: { servers: ["a:2181", "10.0.0.2:2182"], path: "/mesos/prod", credentials: undefined },
    });
    expect(parseZooKeeperUrl("zk://me:p@ss:word@a:1/x")).toEqual({
      ok: true,
      value: { servers: ["a:1"], path: "/x", credentials: "me:p@ss:word" },
    });
  });

  test("no path is the root", () => {
    for (const url of ["zk://a:1", "zk://a:1/", "zk://a:1//"]) {
      const parsed = parseZooKeeperUrl(url);
      expect(parsed.ok && parsed.value.path).toBe("/");
    }
  });

  const wrong: readonly (readonly [string, string])[] = [
    ["a:2181/mesos", "begin with zk://"],
    ["zk:///mesos", "host:port"],
    ["zk://a/mesos", "'a' must be host:port"],
    ["zk://a:0/mesos", "'a:0'"],
    ["zk://a:65536/mesos", "'a:65536'"],
    ["zk://a:1,/mesos", "'' must be"],
    ["zk://[::1]:2181/mesos", "IPv4"],
    ["zk://me@a:1/mesos", "user:password"],
    ["zk://me:@a:1/mesos", "user:password"],
    ["zk://a:1/x//y", "empty part"],
    ["zk://a:1/x/../y", ". or .."],
    ["zk://a:1/zookeeper/x", "reserved"],
  ];
  for (const [url, why] of wrong) {
    test(`${url} is refused: ${why}`, () => {
      const parsed = parseZooKeeperUrl(url);
      expect(!parsed.ok && parsed.error.message).toContain(why);
    });
  }

  test("a refusal does not tell the password", () => {
    const parsed = parseZooKeeperUrl("zk://me:s3cret@a/mesos");
    expect(!parsed.ok && parsed.error.message).not.toContain("s3cret");
  });
});
