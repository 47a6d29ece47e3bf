/** What a command's URIs mean: sources, names of files, digests, and clear refusals. */
import { expect, test } from "bun:test";
import { planFetches } from "../../src/fetcher/fetch-plan.ts";
import type { CommandInfoURI } from "../../src/protocol/v1/types.ts";

const plan = (uri: CommandInfoURI | string, home?: string) => {
  const plans = planFetches([typeof uri === "string" ? { value: uri } : uri], home);
  if (!plans.ok) return plans.error.message;
  const [first] = plans.value;
  if (first === undefined) throw new Error("no plan");
  return first;
};

test("sources, and the names that files get [semantics 7.8]", () => {
  const cases: readonly (readonly [CommandInfoURI | string, string, object, string?])[] = [
    ["http://h/a/b.bin", "b.bin", { kind: "http", url: "http://h/a/b.bin" }],
    ["  \t\nHTTPS://h:1/b", "b", { kind: "http", url: "HTTPS://h:1/b" }],
    ["http://h/b?x=1", "b?x=1", { kind: "http", url: "http://h/b?x=1" }],
    ["http://h/b.tgz?x=/c", "c", { kind: "http", url: "http://h/b.tgz?x=/c" }],
    ["file:///a/b", "b", { kind: "file", path: "/a/b" }],
    ["file://localhost/a/b", "b", { kind: "file", path: "/a/b" }],
    ["/a/b c", "b c", { kind: "file", path: "/a/b c" }],
    ["a/b", "b", { kind: "file", path: "/files/a/b" }, "/files/"],
    [{ value: "/a/b", output_file: "c/./d" }, "c/d", { kind: "file", path: "/a/b" }],
    [{ value: "http://h", output_file: "c" }, "c", { kind: "http", url: "http://h" }],
  ];
  for (const [uri, target, source, home] of cases) {
    expect({ uri, plan: plan(uri, home) }).toMatchObject({ uri, plan: { target, source } });
  }
});

test("what cannot be fetched is refused with what to do about it", () => {
  const cases: readonly (readonly [CommandInfoURI | string, string])[] = [
    ["", "is empty"],
    ["   ", "is empty"],
    ["ftp://h/a", "has the scheme ftp, which this agent does not fetch; use http"],
    ["hdfs://h/a", "has the scheme hdfs"],
    ["s3://bucket/a", "has the scheme s3"],
    ["a/b", "needs the agent's --frameworks_home"],
    ["file://a/b", "must name an absolute path"],
    ["http://h", "set 'output_file'"],
    ["http://h/a/", "set 'output_file'"],
    ["/a/..", "set 'output_file'"],
    ["http://h:x/a", "is no valid URL"],
    ["/a\0b", "zero byte"],
    ["http://h/a#sha256=zz", "no valid digest"],
    ["http://h/a#md5=d41d8cd98f00b204e9800998ecf8427e", "no valid digest"],
    [{ value: "/a", output_file: "" }, "must be the path of a file inside the sandbox"],
    [{ value: "/a", output_file: "/b" }, "must be the path"],
    [{ value: "/a", output_file: "b/" }, "must be the path"],
    [{ value: "/a", output_file: "b/../../c" }, "must be the path"],
    [{ value: "/a", output_file: "." }, "must be the path"],
    [{ value: "/a", output_file: "b\0" }, "must be the path"],
  ];
  for (const [uri, reason] of cases) expect(plan(uri)).toEqual(expect.stringContaining(reason));
  const many = planFetches(Array(1001).fill({ value: "/a" }), undefined);
  expect(many.ok).toBe(false);
});

test("a digest stands behind the address and belongs to neither address nor name", () => {
  const hex = "0123456789abcdef".repeat(4);
  expect(plan(`http://h/a.tar#sha256=${hex.toUpperCase()}`)).toMatchObject({
    source: { url: "http://h/a.tar" },
    target: "a.tar",
    archive: { kind: "tar" },
    checksum: { algorithm: "sha256", hex },
  });
  expect(plan(`/a/b#sha512=${hex}${hex}`)).toMatchObject({
    source: { path: "/a/b" },
    checksum: { algorithm: "sha512", hex: hex + hex },
  });
  expect(plan("/a/b#sha256=12")).toMatchObject({ source: { path: "/a/b#sha256=12" } });
});

test("messages show neither passwords nor queries, which may be secrets", () => {
  expect(plan("http://me:secret@h/a?token=t#f")).toMatchObject({ shown: "http://h/a" });
  expect(plan("ftp://me:secret@h/a?token=t")).not.toContain("secret");
});

test("what is executable is not unpacked, and the cache tells names apart [semantics 7.8]", () => {
  expect(plan({ value: "/a.tar", executable: true })).toMatchObject({
    isExecutable: true,
    archive: undefined,
  });
  expect(plan({ value: "/a.tar", extract: false })).toMatchObject({ archive: undefined });
  expect(plan("/.tar")).toMatchObject({ archive: undefined });
  const keys = [
    plan({ value: "/a", cache: true }),
    plan({ value: " /a", cache: true }),
    plan({ value: "/a", cache: true, output_file: "b" }),
  ].map((one) => (typeof one === "string" ? one : one.cacheKey));
  expect(keys[0]).toBe(keys[1]);
  expect(keys[0]).not.toBe(keys[2]);
});
