/**
 * Archives through real helper processes: what comes out of honest ones, and that hostile ones are
 * refused with a reason and touch nothing outside of the sandbox.
 */
import { afterEach, describe, expect, test } from "bun:test";
import { execFileSync } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { crc32, gzipSync, zstdCompressSync } from "node:zlib";
import { type FetchScene, failureOf, fetchScene, hasProgram, removeScenes } from "./fetching.ts";
import { deepFile, paxOf, type TarEntry, tarOf } from "./tar-builder.ts";

afterEach(removeScenes);

/** An archive in the scene's folder; its path. */
function put(scene: FetchScene, name: string, bytes: Uint8Array): string {
  const path = join(scene.root, name);
  writeFileSync(path, bytes);
  return path;
}

const read = (scene: FetchScene, name: string): string =>
  readFileSync(join(scene.sandbox, name), "utf8");

describe("honest archives", () => {
  const tree: readonly TarEntry[] = [
    { path: "./", type: "5", mode: 0o755 },
    { path: "app/", type: "5", mode: 0o500 },
    { path: "app/run", content: "#!/bin/sh\n", mode: 0o755 },
    { path: "app/again", type: "1", linkTarget: "app/run" },
    { path: "app/bin/up", type: "2", linkTarget: "../run" },
    { path: "top", type: "2", linkTarget: "app/bin/up" },
    paxOf({ path: "app/grün ✓", mtime: "1000.5" }),
    { path: "short", content: "g" },
    { path: "././@LongLink", type: "L", content: `${"long/".repeat(40)}name\0` },
    // As GNU tar cuts it off: this looks like a folder and is none.
    { path: "long/".repeat(20), content: "l" },
    { path: "app/run", content: "#!/bin/sh\necho\n", mode: 0o755 },
  ];

  const wrappings: readonly (readonly [string, (bytes: Uint8Array) => Uint8Array, string?])[] = [
    [".tar", (bytes) => bytes],
    [".tgz", (bytes) => gzipSync(bytes)],
    [".tar.gz", (bytes) => gzipSync(bytes)],
    [".tar.zst", (bytes) => zstdCompressSync(bytes)],
    [".tar.xz", (bytes) => execFileSync("xz", ["-c"], { input: bytes }), "xz"],
    [".txz", (bytes) => execFileSync("xz", ["-c"], { input: bytes }), "xz"],
    [".tar.bz2", (bytes) => execFileSync("bzip2", ["-c"], { input: bytes }), "bzip2"],
    [".tbz2", (bytes) => execFileSync("bzip2", ["-c"], { input: bytes }), "bzip2"],
  ];
  for (const [ending, wrap, program = "sh"] of wrappings) {
    test.skipIf(!hasProgram(program))(
      `${ending} is unpacked into the sandbox, and stays there (needs ${program}) [item 63]`,
      async () => {
        const scene = fetchScene();
        await scene.fetch([put(scene, `tree${ending}`, wrap(tarOf(tree)))]);
        expect(read(scene, "app/run")).toBe("#!/bin/sh\necho\n");
        expect(read(scene, "app/again")).toBe("#!/bin/sh\n");
        expect(read(scene, "top")).toBe("#!/bin/sh\necho\n");
        expect(readlinkSync(join(scene.sandbox, "app/bin/up"))).toBe("../run");
        expect(read(scene, `${"long/".repeat(40)}name`)).toBe("l");
        const named = statSync(join(scene.sandbox, "app/grün ✓"));
        expect(named.mtimeMs).toBe(1_000_500);
        expect(statSync(join(scene.sandbox, "app/run")).mode & 0o7777).toBe(0o755);
        expect(existsSync(join(scene.sandbox, `tree${ending}`))).toBe(true);
      },
    );
  }

  test("what the host's tar packs comes out the same", async () => {
    const scene = fetchScene();
    const source = join(scene.root, "source");
    mkdirSync(join(source, "deep/er"), { recursive: true });
    writeFileSync(join(source, "deep/er/big"), "x".repeat(3_000_000));
    writeFileSync(join(source, "deep/empty"), "");
    symlinkSync("er/big", join(source, "deep/link"));
    for (const format of ["gnu", "pax", "ustar", "v7"]) {
      const archive = join(scene.root, `${format}.tar`);
      execFileSync("tar", ["-C", source, `--format=${format}`, "-cf", archive, "."]);
      const directory = scene.anotherSandbox();
      await scene.fetch([archive], { directory });
      expect(
        execFileSync("diff", [
          "-r",
          "--no-dereference",
          source,
          directory,
          `-x${format}.tar`,
          "-xstd*",
        ]).length,
      ).toBe(0);
    }
  });

  test.skipIf(!hasProgram("zip"))(
    "a zip is unpacked with its modes and links, stored or deflated (needs zip)",
    async () => {
      const scene = fetchScene();
      const source = join(scene.root, "source");
      mkdirSync(join(source, "bin"), { recursive: true });
      writeFileSync(join(source, "bin/tool"), "tool ".repeat(1000), { mode: 0o755 });
      writeFileSync(join(source, "tiny"), "t");
      symlinkSync("bin/tool", join(source, "link"));
      const archive = join(scene.root, "all.zip");
      execFileSync("zip", ["-qry", archive, "."], { cwd: source });
      await scene.fetch([archive]);
      expect(read(scene, "link")).toBe("tool ".repeat(1000));
      expect(read(scene, "tiny")).toBe("t");
      expect(lstatSync(join(scene.sandbox, "link")).isSymbolicLink()).toBe(true);
      expect(statSync(join(scene.sandbox, "bin/tool")).mode & 0o777).toBe(0o755);
    },
  );

  test("a packed single file is unpacked beside itself, under the name without its ending", async () => {
    const scene = fetchScene();
    const uris = [
      put(scene, "a.txt.gz", Buffer.concat([gzipSync("first "), gzipSync("second")])),
      put(scene, "b.txt.zst", zstdCompressSync(Buffer.from("zstd"))),
    ];
    if (hasProgram("xz")) {
      uris.push(put(scene, "c.xz", execFileSync("xz", ["-c"], { input: "xz" })));
    }
    await scene.fetch(uris);
    expect(read(scene, "a.txt")).toBe("first second");
    expect(read(scene, "b.txt")).toBe("zstd");
    if (hasProgram("xz")) expect(read(scene, "c")).toBe("xz");
    expect(existsSync(join(scene.sandbox, "a.txt.gz"))).toBe(true);
  });

  test("executable, extract: false and other names leave a file packed [semantics 7.8]", async () => {
    const scene = fetchScene();
    const packed = put(scene, "x.tar", tarOf([{ path: "inside", content: "i" }]));
    const plain = put(scene, "x.bin", Buffer.from("bin"));
    await scene.fetch([
      { value: packed, executable: true, output_file: "tool.tar" },
      { value: packed, extract: false, output_file: "kept.tar" },
      { value: packed, output_file: "renamed" },
      plain,
    ]);
    expect(readdirSync(scene.sandbox).sort()).toEqual(
      ["kept.tar", "renamed", "stderr", "stdout", "tool.tar", "x.bin"].sort(),
    );
    expect(statSync(join(scene.sandbox, "tool.tar")).mode & 0o777).toBe(0o755);
    expect(statSync(join(scene.sandbox, "x.bin")).mode & 0o777).toBe(0o644);
  });
});

describe("hostile archives", () => {
  const file = (path: string): TarEntry => ({ path, content: "evil" });
  const link = (path: string, linkTarget: string): TarEntry => ({ path, type: "2", linkTarget });
  const hostile: readonly (readonly [string, readonly TarEntry[], string])[] = [
    ["a path that goes up", [file("../outside/evil")], "contains '..'"],
    ["a path that goes down and up", [file("a/../../outside/evil")], "contains '..'"],
    ["an absolute path", [file("/tmp/allot-evil")], "is absolute"],
    ["a pax path that goes up", [paxOf({ path: "../outside/evil" }), file("ok")], "contains '..'"],
    [
      "a GNU path that goes up",
      [{ path: "L", type: "L", content: "../outside/evil\0" }, file("ok")],
      "contains '..'",
    ],
    ["a link out", [link("l", "../outside")], "leads out of the sandbox"],
    ["an absolute link", [link("l", "/etc")], "leads out of the sandbox"],
    ["a link that climbs", [link("a/b/l", "../../../outside")], "leads out of the sandbox"],
    ["a link down and up", [link("l", "a/../../outside")], "goes down and up again"],
    [
      "a chain of links",
      [link("d/up", ".."), link("d/out", "up/../outside")],
      "goes down and up again",
    ],
    ["a pax link out", [paxOf({ linkpath: "../outside" }), link("l", "in")], "leads out"],
    ["a file behind a link", [link("d", "e"), file("d/evil")], "lies behind d"],
    ["a folder behind a link", [link("d", "e"), { path: "d/f/", type: "5" }], "lies behind d"],
    ["a link in place of a folder", [{ path: "d/", type: "5" }, link("d", "e")], "is a folder"],
    [
      "a hard link out",
      [{ path: "h", type: "1", linkTarget: "../outside/secret" }],
      "contains '..'",
    ],
    ["an absolute hard link", [{ path: "h", type: "1", linkTarget: "/etc/passwd" }], "is absolute"],
    [
      "a hard link through a link",
      [link("d", "e"), { path: "h", type: "1", linkTarget: "d/secret" }],
      "lies behind d",
    ],
    [
      "a hard link to a link",
      [link("d", "e"), { path: "h", type: "1", linkTarget: "d" }],
      "is no file of the sandbox",
    ],
    ["a character device", [{ path: "dev", type: "3" }], "a character device"],
    ["a block device", [{ path: "dev", type: "4" }], "a block device"],
    ["a pipe", [{ path: "pipe", type: "6" }], "a named pipe"],
    ["a sparse file", [{ path: "s", type: "S" }], "a sparse file"],
    ["an unknown type", [{ path: "u", type: "Z" }], "unknown type"],
    ["no name", [{ path: "", content: "x" }], "names no file"],
    ["a folder as a file", [{ path: "d/e", content: "" }, file("d")], "is a folder already"],
    ["a file as a folder", [file("d"), file("d/e")], "lies behind d"],
  ];
  for (const [what, entries, reason] of hostile) {
    test(`${what} is refused and nothing outside is touched`, async () => {
      const scene = fetchScene();
      const outside = join(scene.root, "work", "runs", "outside");
      mkdirSync(outside, { recursive: true });
      writeFileSync(join(outside, "secret"), "secret");
      const archive = put(scene, "bad.tar", tarOf(entries));
      expect(await failureOf(scene.fetch([archive]))).toContain(reason);
      expect(readdirSync(outside)).toEqual(["secret"]);
      expect(statSync(join(outside, "secret")).nlink).toBe(1);
      expect(existsSync("/tmp/allot-evil")).toBe(false);
      expect(await failureOf(scene.fetch([archive]))).toContain("Failed to unpack");
    });
  }

  test("more folders than a file system has room for are refused, though few entries name them", async () => {
    const scene = fetchScene();
    const entries = Array.from({ length: 1200 }, (_, index) => deepFile(String(index)));
    const archive = put(scene, "deep.tar", tarOf(entries.flat()));
    expect(await failureOf(scene.fetch([archive]))).toContain("has too many folders: 1");
  });

  test.skipIf(process.getuid?.() !== 0)(
    "setuid is refused when root unpacks, and dropped for others (needs root)",
    async () => {
      const scene = fetchScene();
      const archive = put(scene, "suid.tar", tarOf([{ path: "s", content: "x", mode: 0o4755 }]));
      expect(await failureOf(scene.fetch([archive]))).toContain("would run as another user");
      const directory = scene.anotherSandbox();
      expect(await failureOf(scene.fetch([archive], { directory, user: "nobody" }))).toContain(
        "permission denied",
      );
      execFileSync("chmod", ["a+rx", scene.root]);
      await scene.fetch([archive], { directory, user: "nobody" });
      expect(statSync(join(directory, "s")).mode & 0o7777).toBe(0o755);
    },
  );

  test("damaged archives are refused with a reason", async () => {
    const scene = fetchScene();
    const whole = tarOf([{ path: "a", content: "a".repeat(5000) }]);
    const packed = gzipSync(whole);
    const cases: readonly (readonly [string, Uint8Array, string])[] = [
      ["noise.tar", Buffer.from("no archive at all".repeat(100)), "no tar archive"],
      ["cut.tar", whole.subarray(0, 3000), "ends in the middle"],
      ["cut.tar.gz", packed.subarray(0, packed.length - 20), "the archive is damaged"],
      ["noise.tgz", Buffer.from("noise".repeat(100)), "the archive is damaged"],
      ["noise.zip", Buffer.from("noise".repeat(100)), "no zip archive"],
      ["noise.gz", Buffer.from("noise".repeat(100)), "the archive is damaged"],
      ["noise.tar.zst", Buffer.from("noise".repeat(100)), "the archive is damaged"],
      ["huge.tar", tarOf([{ path: "x", type: "x", content: "9".repeat(40) }]), "damaged extended"],
    ];
    for (const [name, bytes, reason] of cases) {
      expect(await failureOf(scene.fetch([put(scene, name, bytes)]))).toContain(reason);
    }
    if (hasProgram("xz")) {
      const noise = put(scene, "noise.tar.xz", Buffer.from("noise".repeat(100)));
      expect(await failureOf(scene.fetch([noise]))).toContain("the archive is damaged");
    }
  });

  test.skipIf(!hasProgram("zip"))(
    "a zip that leaves the sandbox is refused (needs zip)",
    async () => {
      const scene = fetchScene();
      const source = join(scene.root, "source");
      mkdirSync(source);
      writeFileSync(join(source, "AA_evil"), "evil");
      symlinkSync("../outside", join(source, "l"));
      const zipped = (name: string, member: string): Buffer => {
        execFileSync("zip", ["-qy", join(scene.root, name), member], { cwd: source });
        return readFileSync(join(scene.root, name));
      };
      const up = Buffer.from(
        zipped("up.zip", "AA_evil").toString("latin1").replaceAll("AA_evil", "../evil"),
        "latin1",
      );
      expect(await failureOf(scene.fetch([put(scene, "up.zip", up)]))).toContain("contains '..'");
      zipped("link.zip", "l");
      expect(await failureOf(scene.fetch([join(scene.root, "link.zip")]))).toContain("leads out");
      const broken = zipped("broken.zip", "AA_evil");
      broken[broken.indexOf("evil", broken.indexOf("AA_evil") + 7)] = 0x21;
      expect(await failureOf(scene.fetch([put(scene, "broken.zip", broken)]))).toContain("damaged");
    },
  );

  test.skipIf(!hasProgram("xz"))(
    "an xz archive does not say how much of the host's memory it takes",
    async () => {
      const scene = fetchScene();
      const packed = execFileSync("xz", ["-c", "-9"], { input: "small" });
      await scene.fetch([put(scene, "usual.xz", packed)]);
      expect(read(scene, "usual")).toBe("small");
      // The header of the block is behind that of the stream: size, flags, filter, dictionary.
      const header = packed.subarray(12, 24);
      expect([...header.subarray(0, 4)]).toEqual([2, 0, 0x21, 1]);
      header[4] = 40;
      header.writeUInt32LE(crc32(header.subarray(0, 8)), 8);
      const failure = await failureOf(scene.fetch([put(scene, "greedy.xz", packed)]));
      expect(failure).toContain("Memory usage limit reached");
    },
  );
});
