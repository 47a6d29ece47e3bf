/** Which route a path reaches. */
import { expect, test } from "bun:test";
import { pathWithoutActor } from "../../src/http/prefix.ts";

const pathOf = (path: string): string =>
  pathWithoutActor(new Request(`http://127.0.0.1:5050${path}`), "master");

test("a path is what it says, with and without the actor, slashes and parameters [http-api 1]", () => {
  const paths = ["/state", "/master/state", "/state/", "/master/state?a=/b", "/%6daster/state"];
  for (const path of paths) expect(pathOf(path)).toBe("/state");
  expect(pathOf("/api/v1/scheduler")).toBe("/api/v1/scheduler");
  expect(pathOf("/masterly/state")).toBe("/masterly/state");
  expect(pathOf("/")).toBe("/");
  expect(pathOf("/a/../state")).toBe("/state");
});
