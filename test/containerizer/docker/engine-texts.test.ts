/** What is read from an Engine and from images and registries: names, frames, credentials, progress. */
import { afterEach, describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Answer } from "../../../src/containerizer/docker/answer.ts";
import { factsOf } from "../../../src/containerizer/docker/container-facts.ts";
import { LogFrames, sinceOf } from "../../../src/containerizer/docker/log-frames.ts";
import { PullProgress } from "../../../src/containerizer/docker/pull-progress.ts";
import { registryAuth } from "../../../src/containerizer/docker/registry-auth.ts";
import { goneByBoot, resultOf } from "../../../src/containerizer/docker/result.ts";
import { statisticsOf } from "../../../src/containerizer/docker/statistics.ts";
import {
  DOCKER_HUB,
  formatImageReference,
  parseImageReference,
} from "../../../src/containerizer/image-reference.ts";
import { newRoot, removeRoots } from "../containers.ts";

afterEach(removeRoots);

describe("names of images", () => {
  test.each([
    ["busybox", DOCKER_HUB, "busybox:latest"],
    ["library/busybox:1", DOCKER_HUB, "library/busybox:1"],
    ["localhost/a", "localhost", "localhost/a:latest"],
    ["127.0.0.1:5000/a/b:2", "127.0.0.1:5000", "127.0.0.1:5000/a/b:2"],
    ["ghcr.io/a/b@sha256:ab12", "ghcr.io", "ghcr.io/a/b@sha256:ab12"],
    ["ghcr.io/a/b:1@sha256:ab12", "ghcr.io", "ghcr.io/a/b:1@sha256:ab12"],
  ])("%s is of %s and in full %s", (image, registry, full) => {
    const reference = parseImageReference(image);
    expect(reference?.registry).toBe(registry);
    expect(reference === undefined ? undefined : formatImageReference(reference)).toBe(full);
  });

  test.each(["", " ", "a b", "-flag", "a@", "../x?y", "a:b:c"])("%j is none", (image) => {
    expect(parseImageReference(image)).toBeUndefined();
  });
});

describe("frames of a log", () => {
  const frame = (stream: number, text: string): Uint8Array => {
    const body = Buffer.from(text);
    const header = Buffer.alloc(8);
    header.writeUInt8(stream, 0);
    header.writeUInt32BE(body.length, 4);
    return Buffer.concat([header, body]);
  };
  const time = "2026-01-31T12:00:00.123456789Z";

  test("are put together however the bytes are cut", () => {
    const bytes = Buffer.concat([
      frame(1, `${time} one\n`),
      frame(2, `${time} two ✓\n`),
      frame(1, `${time} `),
    ]);
    for (let size = 1; size <= bytes.length; size += 1) {
      const frames = new LogFrames();
      const messages = [];
      for (let at = 0; at < bytes.length; at += size) {
        messages.push(...frames.take(bytes.subarray(at, at + size)));
      }
      expect(
        messages.map(({ output, bytes: part }) => [output, Buffer.from(part).toString()]),
      ).toEqual([
        ["stdout", "one\n"],
        ["stderr", "two ✓\n"],
        ["stdout", ""],
      ]);
    }
    expect(sinceOf(time)).toBe("1769860800.123456789");
  });

  test("that make no sense are refused", () => {
    expect(() => new LogFrames().take(frame(1, "no time"))).toThrow("no time");
    expect(() => new LogFrames().take(frame(3, "disk full"))).toThrow("disk full");
    expect(() => new LogFrames().take(Buffer.alloc(8, 0xff))).toThrow("bytes");
  });
});

describe("credentials of registries", () => {
  const decode = (header: string | undefined): unknown =>
    header === undefined ? undefined : JSON.parse(Buffer.from(header, "base64url").toString());
  const auth = Buffer.from("user:pass:word").toString("base64");

  test("come from the agent's configuration by registry [semantics 7.15]", () => {
    const config = JSON.stringify({
      auths: { "https://reg.example:5000/v2/": { auth }, "https://index.docker.io/v1/": { auth } },
    });
    expect(decode(registryAuth("reg.example:5000", "/none", config))).toEqual({
      username: "user",
      password: "pass:word",
      serveraddress: "reg.example:5000",
    });
    expect(decode(registryAuth(DOCKER_HUB, "/none", config))).toMatchObject({ username: "user" });
    expect(registryAuth("other.example", "/none", config)).toBeUndefined();
    expect(registryAuth("other.example", "/none", "no json")).toBeUndefined();
  });

  test("of the sandbox win [semantics 7.15]", () => {
    const sandbox = newRoot();
    writeFileSync(join(sandbox, ".dockercfg"), JSON.stringify({ "reg.example": { auth } }));
    expect(decode(registryAuth("reg.example", sandbox, "{}"))).toMatchObject({ username: "user" });
    mkdirSync(join(sandbox, ".docker"));
    writeFileSync(join(sandbox, ".docker", "config.json"), JSON.stringify({ auths: {} }));
    expect(registryAuth("reg.example", sandbox, "{}")).toBeUndefined();
  });

  test("are read from a file of the sandbox alone: no pipe is waited for, no link leads to the host's own", () => {
    const [root, sandbox] = [newRoot(), newRoot()];
    const config = join(root, "config.json");
    writeFileSync(config, JSON.stringify({ "reg.example": { auth } }));
    spawnSync("mkfifo", [join(sandbox, ".dockercfg")]);
    symlinkSync(root, join(sandbox, ".docker"));
    expect(registryAuth("reg.example", sandbox, "{}")).toBeUndefined();
    rmSync(join(sandbox, ".docker"));
    mkdirSync(join(sandbox, ".docker"));
    symlinkSync(config, join(sandbox, ".docker/config.json"));
    expect(registryAuth("reg.example", sandbox, "{}")).toBeUndefined();
  });
});

test("the progress of a pull counts what moves, not what waits", () => {
  const progress = new PullProgress();
  const take = (line: object): boolean => progress.take(new Answer(line));
  expect(take({ id: "a", status: "Waiting" })).toBe(false);
  const moving = { id: "a", status: "Downloading", progressDetail: { current: 1e6, total: 4e6 } };
  expect(take(moving)).toBe(true);
  expect(take(moving)).toBe(false);
  expect(take({ id: "a", status: "Retrying in 4 seconds" })).toBe(false);
  expect(progress.describe()).toBe("1.0 of 4.0 MB in 1 layers");
  take({ errorDetail: { message: "no such image" }, error: "x" });
  expect(progress.error).toBe("no such image");
});

describe("ends", () => {
  const facts = (state: object, host: object = {}): ReturnType<typeof factsOf> =>
    factsOf(new Answer({ Id: "x", State: { Status: "exited", ...state }, HostConfig: host }));
  const started = { StartedAt: "2026-01-31T12:00:00Z" };

  test("are read from what the Engine remembers", () => {
    expect(resultOf(facts({ ExitCode: 3, ...started }))).toEqual({
      exit: { kind: "exited", code: 3 },
    });
    expect(resultOf(undefined).exit.kind).toBe("unknown");
    const never = { Error: "no such program", StartedAt: "0001-01-01T00:00:00Z", ExitCode: 127 };
    expect(resultOf(facts(never))).toEqual({
      exit: { kind: "unknown", message: "no such program" },
    });
  });

  test("that were dated long after the process was gone are made up, if they are successes", () => {
    const goneByMs = Date.parse("2026-01-31T13:00:00Z");
    const end = (ExitCode: number, FinishedAt: string): string =>
      resultOf(facts({ ExitCode, FinishedAt, ...started }), goneByMs).exit.kind;
    expect(end(0, "2026-01-31T12:59:59.9Z")).toBe("exited");
    expect(end(0, "2026-01-31T13:00:00.2Z")).toBe("exited");
    expect(end(0, "2026-01-31T13:00:01.123456789Z")).toBe("unknown");
    expect(end(137, "2026-01-31T13:00:01Z")).toBe("exited");
  });

  test("of containers that were started before the host are made up, if they are later successes", () => {
    const end = (ExitCode: number, FinishedAt: string, booted: string): string => {
      const told = facts({ ExitCode, FinishedAt, ...started });
      return resultOf(told, goneByBoot(told, Date.parse(booted))).exit.kind;
    };
    expect(end(0, "2026-01-31T13:00:09Z", "2026-01-31T13:00:00Z")).toBe("unknown");
    expect(end(255, "2026-01-31T13:00:09Z", "2026-01-31T13:00:00Z")).toBe("exited");
    expect(end(0, "2026-01-31T12:59:59Z", "2026-01-31T13:00:00Z")).toBe("exited");
    expect(end(0, "2026-01-31T13:00:09Z", "2026-01-31T11:00:00Z")).toBe("exited");
  });

  test("by memory name the limit, unless the task succeeded all the same [semantics 6.3]", () => {
    const oom = { OOMKilled: true, ExitCode: 137, ...started };
    const { limitation } = resultOf(facts(oom, { Memory: 64 << 20, MemoryReservation: 32 << 20 }));
    expect(limitation?.message).toBe("Memory limit exceeded: Requested: 32MB Maximum Used: 64MB");
    expect(resultOf(facts({ ...oom, ExitCode: 0 })).limitation).toBeUndefined();
  });
});

test("statistics are read under both versions of cgroups [semantics 7.13]", () => {
  const cpu = { cpu_usage: { usage_in_usermode: 2e9, usage_in_kernelmode: 5e8 } };
  const read = (memory: object): object =>
    statisticsOf(new Answer({ cpu_stats: cpu, memory_stats: memory }), undefined, 5000);
  const common = { timestamp: 5, cpus_user_time_secs: 2, cpus_system_time_secs: 0.5 };
  const memory = { mem_total_bytes: 9, mem_rss_bytes: 4, mem_cache_bytes: 3 };
  expect(read({ usage: 9, stats: { rss: 4, cache: 3 } })).toMatchObject({ ...common, ...memory });
  expect(read({ usage: 9, stats: { anon: 4, file: 3 } })).toMatchObject({ ...common, ...memory });
});
