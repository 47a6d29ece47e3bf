/**
 * The fetcher with real helper processes against real files and a server on loopback that stalls,
 * breaks in the middle and lies.
 */
import { afterEach, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { processesBelow } from "../harness/allot-process.ts";
import { until } from "../harness/wait.ts";
import { failureOf, fetchScene, removeScenes, serve } from "./fetching.ts";
import { tarOf } from "./tar-builder.ts";

afterEach(removeScenes);

const BODY: Buffer = Buffer.from(
  Array.from({ length: 200_000 }, (_, index) => (index * 7919) % 251),
);
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

describe("files of the host", () => {
  test("are copied by path, file:// and --frameworks_home, executable ones with mode 0755 [item 63]", async () => {
    const scene = fetchScene();
    const home = join(scene.root, "home");
    mkdirSync(home);
    writeFileSync(join(home, "tool"), BODY);
    symlinkSync("tool", join(home, "link"));
    const { fetcher, sandbox, fetch } = fetchScene({ frameworksHome: home });
    await fetch([
      { value: `  ${home}/tool`, executable: true },
      { value: `file://${home}/tool`, output_file: "deep/er/named" },
      "link",
    ]);
    expect(readFileSync(join(sandbox, "tool")).equals(BODY)).toBe(true);
    expect(statSync(join(sandbox, "tool")).mode & 0o7777).toBe(0o755);
    expect(readFileSync(join(sandbox, "deep/er/named")).equals(BODY)).toBe(true);
    expect(statSync(join(sandbox, "link")).isFile()).toBe(true);
    expect(fetcher.metrics()).toMatchObject({
      "containerizer/fetcher/task_fetches_succeeded": 1,
      "containerizer/fetcher/task_fetches_failed": 0,
    });
  });

  test("what is no plain file, or not there, is refused with the reason", async () => {
    const { root, fetch, fetcher } = fetchScene();
    execFileSync("mkfifo", [join(root, "pipe")]);
    expect(await failureOf(fetch([join(root, "pipe")]))).toContain("it is no plain file");
    expect(await failureOf(fetch(["/dev/zero"]))).toContain("it is no plain file");
    expect(await failureOf(fetch([root]))).toContain("it is no plain file");
    expect(await failureOf(fetch([join(root, "nothing")]))).toContain("ENOENT");
    expect(await failureOf(fetch(["hdfs://h/x"]))).toContain("scheme hdfs");
    expect(fetcher.metrics()["containerizer/fetcher/task_fetches_failed"]).toBe(5);
  });

  test.skipIf(process.getuid?.() !== 0)(
    "a task's user reads only what is theirs to read, and owns what is fetched (needs root)",
    async () => {
      const scene = fetchScene();
      const { root, sandbox, fetch } = scene;
      chmodSync(root, 0o711);
      writeFileSync(join(root, "secret"), "root's own", { mode: 0o600 });
      writeFileSync(join(root, "public.tar"), tarOf([{ path: "in/side", content: "i" }]));
      const refusal = await failureOf(fetch([join(root, "secret")], { user: "nobody" }));
      expect(refusal).toMatch(/permission denied/i);
      const cached = { value: `file://${root}/secret`, cache: true };
      expect(await failureOf(fetch([cached], { user: "nobody" }))).toMatch(/permission denied/i);
      const archive = { value: join(root, "public.tar"), cache: true };
      await fetch([archive, { value: join(root, "public.tar"), output_file: "x" }], {
        user: "nobody",
      });
      const nobody = Number(execFileSync("id", ["-u", "nobody"]));
      for (const name of ["", "in", "in/side", "x", "stdout"]) {
        expect({ name, uid: statSync(join(sandbox, name)).uid }).toEqual({ name, uid: nobody });
      }
      expect(readFileSync(join(sandbox, "in/side"), "utf8")).toBe("i");
      expect(existsSync(join(sandbox, "public.tar"))).toBe(false);
      expect(await failureOf(fetch(["/etc/hostname"], { user: "no-such-user" }))).toContain(
        "no-such-user",
      );
    },
  );

  test("a sandbox that is closed to its user from above can still be filled", async () => {
    const { root, sandbox, fetch } = fetchScene();
    chmodSync(root, 0o700);
    await fetch(["/etc/passwd"], process.getuid?.() === 0 ? { user: "nobody" } : {});
    expect(readFileSync(join(sandbox, "passwd"))).toEqual(readFileSync("/etc/passwd"));
  });
});

describe("servers", () => {
  test("200 is fetched byte by byte, redirects are followed, all else is refused", async () => {
    await using server = await serve((request, response) => {
      const [, code = "200"] = (request.url ?? "").split("/");
      if (code === "to") response.writeHead(302, { Location: "/200/moved" }).end("moved");
      else if (code === "file") response.writeHead(301, { Location: "file:///etc/passwd" }).end();
      else if (code === "loop") response.writeHead(307, { Location: "/loop/x" }).end();
      else if (code === "packed") {
        response.writeHead(200, { "Content-Encoding": "gzip" }).end(BODY);
      } else response.writeHead(Number(code)).end(BODY);
    });
    const { sandbox, fetch } = fetchScene();
    await fetch([`${server.url}/200/a`, `${server.url}/to/b?c`, `${server.url}/packed/d`]);
    for (const name of ["a", "b?c", "d"]) {
      expect({ name, same: readFileSync(join(sandbox, name)).equals(BODY) }).toEqual({
        name,
        same: true,
      });
    }
    for (const code of [204, 404, 500]) {
      const failure = await failureOf(fetch([`${server.url}/${code}/a?token=secret`]));
      expect(failure).toBe(`Failed to fetch ${server.url}/${code}/a: the server answered ${code}`);
    }
    expect(await failureOf(fetch([`${server.url}/file/a`]))).toContain("does not go");
    expect(await failureOf(fetch([`${server.url}/loop/a`]))).toContain("more than 20 times");
    expect(await failureOf(fetch(["http://127.0.0.1:1/a"]))).toContain("Failed to fetch");
  });

  test("a broken transfer goes on where it stopped, with Range, as long as the file is the same", async () => {
    const { sandbox, fetch, log } = fetchScene();
    let version = BODY;
    let breaks = 0;
    let onBreak = (): void => undefined;
    const fetchedBytes = (path: string): number =>
      statSync(join(sandbox, path), { throwIfNoEntry: false })?.size ?? 0;
    const sendPart = (path: string, response: ServerResponse, from: number, head: object): void => {
      const body = version.subarray(from);
      response.writeHead(from === 0 ? 200 : 206, {
        ETag: `"${sha256(version)}"`,
        "Content-Length": body.length,
        ...head,
      });
      if (breaks === 0) {
        response.end(body);
        return;
      }
      breaks -= 1;
      response.write(body.subarray(0, 50_000));
      // A connection that breaks takes along what the fetcher has not read yet.
      void until("the fetcher to have some of it", () => fetchedBytes(path) > from).then(() => {
        onBreak();
        response.destroy();
      });
    };
    await using server = await serve((request, response) => {
      const path = request.url ?? "";
      const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
      const isSame = request.headers["if-range"] === `"${sha256(version)}"`;
      const isRanged = from > 0 && isSame && path !== "/whole";
      const range = `bytes ${from}-${version.length - 1}/${version.length}`;
      if (isRanged) sendPart(path, response, from, { "Content-Range": range });
      else sendPart(path, response, 0, {});
    });
    breaks = 3;
    await fetch([`${server.url}/a#sha256=${sha256(BODY)}`]);
    expect(readFileSync(join(sandbox, "a")).equals(BODY)).toBe(true);
    const [first, ...resumed] = server.requests.map(({ headers }) => headers.range);
    expect(first).toBeUndefined();
    expect(resumed).toHaveLength(3);
    const starts = resumed.map((range) => Number(/^bytes=(\d+)-$/.exec(range ?? "")?.[1]));
    for (const [index, start] of starts.entries())
      expect(start).toBeGreaterThan(starts[index - 1] ?? 0);
    expect(log.filter((line) => line.includes("taken up again"))).toHaveLength(3);

    breaks = 1;
    await fetch([`${server.url}/whole#sha256=${sha256(BODY)}`]);
    expect(readFileSync(join(sandbox, "whole")).equals(BODY)).toBe(true);

    breaks = 1;
    const other = Buffer.from(BODY).reverse();
    onBreak = () => {
      version = other;
    };
    await fetch([`${server.url}/changed#sha256=${sha256(other)}`]);
    expect(readFileSync(join(sandbox, "changed")).equals(other)).toBe(true);
  });

  test("a server that never gets on is given up in the end", async () => {
    await using server = await serve((_request, response) => {
      response.writeHead(200, { "Content-Length": 10 });
      response.write("", () => response.destroy());
    });
    const { fetch } = fetchScene();
    expect(await failureOf(fetch([`${server.url}/a`]))).toContain("Failed to fetch");
    expect(server.requests.length).toBeGreaterThan(1);
  }, 60_000);

  test("what it does wrong is told without the runtime's advice to its user, or what is secret in an address", async () => {
    await using server = await serve(({ url }, response) => {
      response.socket?.end(url?.startsWith("/strange") ? "HTTP/1.1 strange\r\n\r\n" : "");
    });
    const { fetch } = fetchScene();
    for (const [url, reason] of [
      [`${server.url}/strange`, "Malformed_HTTP_Response"],
      [`${server.url}/closed`, "ECONNRESET: The socket connection was closed unexpectedly"],
      ["http://127.0.0.1:1/a", "ECONNREFUSED: Unable to connect"],
    ] as const) {
      const failure = await failureOf(fetch([`${url}?token=secret`]));
      expect(failure).toBe(`Failed to fetch ${url}: ${reason}`);
    }
  });

  test("a server that falls silent is given up after --fetcher_stall_timeout", async () => {
    await using server = await serve((request, response) => {
      if (request.url === "/late") return;
      response.writeHead(200, { "Content-Length": BODY.length });
      response.write(BODY.subarray(0, 1000));
    });
    const { fetch } = fetchScene({ stallTimeoutMs: 300 });
    for (const path of ["late", "stuck"]) {
      expect(await failureOf(fetch([`${server.url}/${path}`]))).toBe(
        `Failed to fetch ${server.url}/${path}: no byte came for 0.3 s (--fetcher_stall_timeout)`,
      );
    }
  });

  test("another digest than the URI asks for is refused", async () => {
    await using server = await serve((_request, response) => response.end(BODY));
    const { fetch } = fetchScene();
    const wrong = sha256(Buffer.from("other"));
    expect(await failureOf(fetch([`${server.url}/a#sha256=${wrong}`]))).toContain(
      `its sha256 is ${sha256(BODY)}, but the URI asks for ${wrong}`,
    );
  });

  test("stopping ends the helper with all it has started, at once", async () => {
    await using server = await serve((_request, response) => {
      response.writeHead(200, { "Content-Length": BODY.length });
      response.write(BODY.subarray(0, 1000));
    });
    const { sandbox, fetch } = fetchScene();
    const stop = new AbortController();
    const failure = failureOf(fetch([`${server.url}/a`], { signal: stop.signal }));
    await until("the transfer is under way", () => existsSync(join(sandbox, "a")));
    expect(processesBelow(sandbox)).toHaveLength(1);
    stop.abort();
    expect(await failure).toBe("Fetching was stopped");
    expect(processesBelow(sandbox)).toEqual([]);
    expect(await failureOf(fetch([`${server.url}/a`], { signal: stop.signal }))).toBe(
      "Fetching was stopped",
    );
  });
});

test("a sandbox that is swapped for a link when it is made leads the helper nowhere else", async () => {
  const { root, sandbox, fetch } = fetchScene();
  writeFileSync(join(root, "file"), BODY);
  const [folder, victim] = [join(sandbox, "containers"), join(root, "victim")];
  mkdirSync(join(victim, "nested"), { recursive: true });
  mkdirSync(folder, { recursive: true });
  const fetched = fetch([`file://${root}/file`], { directory: join(folder, "nested") });
  // As the task to which the folder around it belongs.
  renameSync(folder, join(sandbox, "away"));
  symlinkSync(victim, folder);
  await fetched;
  expect(readdirSync(join(victim, "nested"))).toEqual([]);
  expect(readFileSync(join(sandbox, "away", "nested", "file")).equals(BODY)).toBe(true);
});

describe("the cache", () => {
  const cached = (value: string) => ({ value, cache: true });

  test("one download serves all who wait for it, and all who come later [semantics 7.8]", async () => {
    await using server = await serve((_request, response) => {
      response.writeHead(200, { "Content-Length": BODY.length }).end(BODY);
    });
    const scene = fetchScene();
    const sandboxes = Array.from({ length: 4 }, scene.anotherSandbox);
    await Promise.all(
      sandboxes.map((directory) => scene.fetch([cached(`${server.url}/a`)], { directory })),
    );
    await scene.fetch([cached(`${server.url}/a`)]);
    for (const directory of [...sandboxes, scene.sandbox]) {
      expect(readFileSync(join(directory, "a")).equals(BODY)).toBe(true);
    }
    expect(server.requests).toHaveLength(1);
    expect(scene.fetcher.metrics()).toMatchObject({
      "containerizer/fetcher/cache_size_total_bytes": 1_000_000,
      "containerizer/fetcher/cache_size_used_bytes": BODY.length,
    });
  });

  test("the longest unused makes way; what is too large is fetched without it", async () => {
    await using server = await serve((request, response) => {
      const headers = request.url === "/endless" ? {} : { "Content-Length": BODY.length };
      response.writeHead(200, headers).end(BODY);
    });
    const { fetch, fetcher, root, sandbox } = fetchScene({ cacheBytes: 2 * BODY.length });
    const requests = (path: string): number =>
      server.requests.filter((request) => request.path === path).length;
    for (const name of ["a", "b", "a", "c"]) await fetch([cached(`${server.url}/${name}`)]);
    expect(fetcher.metrics()["containerizer/fetcher/cache_size_used_bytes"]).toBe(2 * BODY.length);
    for (const name of ["a", "c", "b"]) await fetch([cached(`${server.url}/${name}`)]);
    expect([requests("/a"), requests("/b"), requests("/c")]).toEqual([1, 2, 1]);
    // In use at the same time, so that there is no room for the third.
    await fetch(["/d", "/e", "/f"].map((path) => cached(server.url + path)));
    for (const name of ["d", "e", "f", "a"]) {
      expect(readFileSync(join(sandbox, name)).equals(BODY)).toBe(true);
    }
    await fetch([cached(`${server.url}/endless`)]);
    expect(readFileSync(join(sandbox, "endless")).equals(BODY)).toBe(true);
    const files = readdirSync(join(root, "cache"), { recursive: true, withFileTypes: true });
    expect(files.filter((file) => file.isFile())).toHaveLength(2);
  });

  test.each([
    ["another file of no length after a break", undefined, {}],
    ["a longer file after a break", undefined, { "Content-Length": BODY.length }],
    ["a continuation that is longer than it says", 206, { "Content-Range": "bytes 100-999/1000" }],
  ])("%s is kept in no cache that has no room for it", async (_what, status, headers) => {
    const sizes: number[] = [];
    const scene = fetchScene({ cacheBytes: 2000 });
    await using server = await serve((request, response) => {
      if (server.requests.length === 1) {
        response.writeHead(200, { "Content-Length": 1000, ETag: '"1"' });
        response.write(BODY.subarray(0, 100), () => setTimeout(() => response.destroy(), 100));
        return;
      }
      const isResumed = request.headers.range !== undefined;
      response.writeHead(isResumed ? (status ?? 200) : 200, isResumed ? headers : {});
      response.write(BODY.subarray(0, 100_000));
      setTimeout(() => {
        for (const { name, parentPath } of readdirSync(join(scene.root, "cache"), {
          recursive: true,
          withFileTypes: true,
        })) {
          if (name.startsWith("fetched-")) sizes.push(statSync(join(parentPath, name)).size);
        }
        response.end(BODY.subarray(100_000));
      }, 500);
    });
    await scene.fetch([cached(`${server.url}/a`)]);
    expect(sizes.filter((size) => size > 2000)).toEqual([]);
    expect(readFileSync(join(scene.sandbox, "a")).equals(BODY)).toBe(true);
    expect(scene.fetcher.metrics()["containerizer/fetcher/cache_size_used_bytes"]).toBe(0);
  });

  test("a failed download is told by the direct one, and leaves nothing", async () => {
    await using server = await serve((_request, response) => response.writeHead(404).end());
    const { fetch, fetcher, root } = fetchScene();
    expect(await failureOf(fetch([cached(`${server.url}/a`)]))).toContain("answered 404");
    expect(fetcher.metrics()["containerizer/fetcher/cache_size_used_bytes"]).toBe(0);
    expect(readdirSync(join(root, "cache", "agent"))).toEqual([]);
    expect(server.requests).toHaveLength(2);
  });

  test("a download ends when the last who waits for it is stopped", async () => {
    let isClosed = false;
    await using server = await serve((_request, response) => {
      response.writeHead(200, { "Content-Length": BODY.length });
      response.write(BODY.subarray(0, 1000));
      response.on("close", () => {
        isClosed = true;
      });
    });
    const scene = fetchScene();
    const stops = [new AbortController(), new AbortController()];
    const failures = stops.map(({ signal }) =>
      failureOf(
        scene.fetch([cached(`${server.url}/a`)], { signal, directory: scene.anotherSandbox() }),
      ),
    );
    await until("the download is under way", () => server.requests.length === 1);
    stops[0]?.abort();
    expect(await failures[0]).toBe("Fetching was stopped");
    expect(isClosed).toBe(false);
    stops[1]?.abort();
    expect(await failures[1]).toBe("Fetching was stopped");
    await until("the server is left alone", () => isClosed);
    expect(server.requests).toHaveLength(1);
    await until("its place is free", () => {
      const used = scene.fetcher.metrics()["containerizer/fetcher/cache_size_used_bytes"];
      return used === 0 && readdirSync(join(scene.root, "cache", "agent")).length === 0;
    });
  });

  test("is empty after a start, but for what is not its own", async () => {
    const scene = fetchScene();
    await scene.fetch([cached("/etc/passwd")]);
    const folder = join(scene.root, "cache", "agent");
    writeFileSync(join(folder, "notes"), "an operator's");
    expect(readdirSync(folder).sort()).toEqual(["fetched-1", "notes"]);
    fetchScene({ cacheDir: join(scene.root, "cache") });
    expect(readdirSync(folder)).toEqual(["notes"]);
  });
});
