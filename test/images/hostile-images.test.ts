/**
 * Registries and archives that lie, stall, or hold what must not come out of an image; and pulls that
 * end in the middle. Needs root for owners and devices; the registry is one of the test's own.
 */
import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { zstdCompressSync } from "node:zlib";
import type { ImagePuller, ImagePullerOptions } from "../../src/images/image-puller.ts";
import { ImageStore } from "../../src/images/image-store.ts";
import { failureOf, newRoot, removeRoots, silentLog } from "../containerizer/containers.ts";
import { serve } from "../fetcher/fetching.ts";
import type { TarEntry } from "../fetcher/tar-builder.ts";
import { deepFile, tarOf } from "../fetcher/tar-builder.ts";
import { PATIENCE_MS, until } from "../harness/wait.ts";
import { FakeRegistry } from "./fake-registry.ts";
import {
  ARCHITECTURE,
  blobOf,
  buildImage,
  type ImageWish,
  jsonBlob,
  OCI_MANIFEST,
  savedArchive,
  writeLayout,
} from "./image-builder.ts";
import { newPuller } from "./image-scene.ts";

setDefaultTimeout(PATIENCE_MS);

const registries: FakeRegistry[] = [];

afterEach(async () => {
  for (const registry of registries.splice(0)) await registry.stop();
  removeRoots();
});

const isRoot = process.getuid?.() === 0;

interface Scene {
  readonly root: string;
  readonly store: ImageStore;
  readonly puller: ImagePuller;
  pull(image: string, more?: { isCached?: boolean; dockerConfig?: string }): Promise<string>;
}

function sceneOf(registry: string, options: Partial<ImagePullerOptions> = {}): Scene {
  const root = newRoot();
  const store = new ImageStore(join(root, "store"));
  const puller = newPuller({ store, registry, log: silentLog, ...options });
  return {
    root,
    store,
    puller,
    pull: async (image, more = {}) => {
      const wish = { image, isCached: true, dockerConfig: undefined, ...more };
      const held = await puller.ensure(wish, new AbortController().signal);
      held.release();
      return held.name;
    },
  };
}

async function registryWith(
  images: Readonly<Record<string, ImageWish>> = {},
): Promise<FakeRegistry> {
  const registry = await FakeRegistry.start();
  registries.push(registry);
  for (const [name, wish] of Object.entries(images)) registry.add(name, buildImage(wish));
  return registry;
}

/** What the index of a layout lists. */
function rowsOf(layout: string): readonly object[] {
  const text = readFileSync(join(layout, "index.json"), "utf8");
  return (JSON.parse(text) as { readonly manifests: readonly object[] }).manifests;
}

function platformOf(row: object, architecture: string): object {
  return { ...row, platform: { os: "linux", architecture } };
}

const FILE: readonly TarEntry[] = [{ path: "file", content: "content" }];

describe.skipIf(!isRoot)(`hostile images${isRoot ? "" : " (skipped: needs root)"}`, () => {
  const layers: Readonly<Record<string, readonly [readonly TarEntry[], string]>> = {
    "a path upwards": [[{ path: "../../evil", content: "x" }], "contains '..'"],
    "a path behind a link": [
      [
        { path: "out", type: "2", linkTarget: "/tmp" },
        { path: "out/evil", content: "x" },
      ],
      "lies behind out",
    ],
    "a folder behind a link": [
      [
        { path: "out", type: "2", linkTarget: ".." },
        { path: "out/", type: "5" },
      ],
      "lies behind out",
    ],
    "a hard link out": [
      [{ path: "passwd", type: "1", linkTarget: "../../../../etc/passwd" }],
      "contains '..'",
    ],
    "a hard link behind a link": [
      [
        { path: "etc", type: "2", linkTarget: "/etc" },
        { path: "passwd", type: "1", linkTarget: "etc/passwd" },
      ],
      "lies behind etc",
    ],
    "a block device": [[{ path: "dev/sda", type: "4" }], "contains a block device"],
    "a character device": [[{ path: "dev/mem", type: "3" }], "contains a character device"],
    "a named pipe": [[{ path: "pipe", type: "6" }], "contains a named pipe"],
    "a whiteout upwards": [[{ path: "dir/.wh..." }], "take away what has no name"],
    "more folders without entries than can be kept in mind": [
      Array.from({ length: 300 }, (_, index) => deepFile(String(index))).flat(),
      "has 4801 folders without an entry of their own",
    ],
    "a whiteout behind a link": [
      [{ path: "out", type: "2", linkTarget: "/tmp" }, { path: "out/.wh.evil" }],
      "lies behind out",
    ],
  };
  for (const [what, [entries, reason]] of Object.entries(layers)) {
    test(`${what} is refused, and nothing of the image is kept [issue 4]`, async () => {
      const registry = await registryWith({ "evil:1": { layers: [FILE, entries] } });
      const { pull, store } = sceneOf(registry.url);
      expect(await failureOf(pull("evil:1"))).toContain(reason);
      expect(store.images()).toEqual([]);
      expect(readdirSync(join(store.folder, "staging"))).toEqual([]);
      expect(existsSync("/tmp/evil")).toBe(false);
    });
  }

  test("bytes that are not those of their digests are refused: layer, content, configuration, manifest", async () => {
    const registry = await registryWith({ "good:1": { layers: [FILE] } });
    const image = buildImage({ layers: [FILE] });
    const [layer] = image.layers;
    const other = buildImage({ layers: [[{ path: "file", content: "c0ntent" }]] });
    const { pull, store } = sceneOf(registry.url);
    registry.blobs.set(layer?.digest ?? "", other.layers[0]?.bytes ?? new Uint8Array());
    expect(await failureOf(pull("good:1"))).toMatch(/the layer (?:has the digest|is larger)/);
    registry.add("good:1", image);
    registry.blobs.set(image.config.digest, other.config.bytes);
    expect(await failureOf(pull("good:1"))).toContain("the image's configuration has the digest");
    registry.add("good:1", image);
    const pinned = `good@${image.manifest.digest}`;
    registry.manifests.set(pinned.replace("@", ":"), { ...other.manifest, mediaType: "" });
    expect(await failureOf(pull(pinned))).toContain("the image's manifest has the digest");
    // A layer whose content is not what the configuration says.
    const config = jsonBlob({
      architecture: ARCHITECTURE,
      os: "linux",
      rootfs: { diff_ids: [blobOf(tarOf([])).digest] },
    });
    const manifest = jsonBlob({
      schemaVersion: 2,
      config: { digest: config.digest, size: config.bytes.length },
      layers: [{ digest: layer?.digest, size: layer?.bytes.length }],
    });
    registry.add("lie:1", { ...image, config, manifest });
    expect(await failureOf(pull("lie:1"))).toContain("the layer's content has the digest");
    expect(store.layers()).toEqual([]);
  });

  test("an image that lies about a layer takes no other image with it that has it [issue 4]", async () => {
    const registry = await registryWith({ "good:1": { layers: [FILE] } });
    const [tar] = buildImage({ layers: [FILE] }).tars;
    const image = buildImage({ layers: [[{ path: "file", content: randomBytes(100_000) }]] });
    const [layer] = image.layers;
    const config = jsonBlob({
      architecture: ARCHITECTURE,
      os: "linux",
      rootfs: { diff_ids: [tar?.digest] },
    });
    const manifest = jsonBlob({
      schemaVersion: 2,
      config: { digest: config.digest, size: config.bytes.length },
      layers: [{ digest: layer?.digest, size: layer?.bytes.length }],
    });
    registry.add("lie:1", { ...image, config, manifest });
    registry.bytesPerSecond = 50_000;
    const { pull, store } = sceneOf(registry.url);
    const lie = failureOf(pull("lie:1"));
    const isUnderWay = () => registry.requests.some((path) => path.endsWith(layer?.digest ?? "-"));
    await until("the lie is under way", isUnderWay);
    const good = pull("good:1");
    expect(await lie).toMatch(/the layer/);
    await good;
    expect(store.layers()).toEqual([tar?.digest ?? ""]);
  });

  test("answers that are none: no JSON, schema 1, digests that are paths, other machines", async () => {
    const registry = await registryWith();
    const { pull } = sceneOf(registry.url);
    const refusal = async (value: unknown): Promise<string> => {
      const blob = typeof value === "string" ? blobOf(Buffer.from(value)) : jsonBlob(value);
      registry.manifests.set("x:1", { ...blob, mediaType: "application/json" });
      return await failureOf(pull("x:1"));
    };
    expect(await refusal("<html>")).toContain("is no JSON");
    expect(await refusal({ schemaVersion: 1 })).toContain("schema 1");
    const path = { digest: "sha256:../../../etc/passwd", size: 1 };
    expect(await refusal({ schemaVersion: 2, config: path, layers: [] })).toContain("that is none");
    const platform = { os: "linux", architecture: "mips" };
    const digest = `sha256:${"0".repeat(64)}`;
    expect(await refusal({ manifests: [{ digest, size: 1, platform }] })).toContain(
      "only for linux/mips",
    );
  });

  test("a registry that closes connections is told as one, without the runtime's advice to its user", async () => {
    await using server = await serve((_request, response) => response.destroy());
    const { host } = new URL(server.url);
    expect(await failureOf(sceneOf(server.url).pull("any:1"))).toBe(
      `Failed to pull image any:1: ${host} cannot be reached: ECONNRESET: The socket connection was closed unexpectedly`,
    );
  });

  test("a registry that falls silent is given up: manifest, layer [no-progress deadline]", async () => {
    const registry = await registryWith({ "slow:1": { layers: [FILE] } });
    const { pull } = sceneOf(registry.url, { stallTimeoutMs: 600 });
    registry.silentPath = "/manifests/";
    expect(await failureOf(pull("slow:1"))).toContain("was silent for 0.6 s");
    registry.silentPath = buildImage({ layers: [FILE] }).layers[0]?.digest;
    expect(await failureOf(pull("slow:1"))).toContain("no byte came for 0.6 s");
    registry.silentPath = undefined;
    expect(await pull("slow:1")).toBe("slow:1");
  });

  test("one pull for all who wait, which ends when the last of them has gone", async () => {
    const registry = await registryWith({ "many:1": { layers: [FILE] } });
    const { puller, store, pull } = sceneOf(registry.url);
    registry.silentPath = "/blobs/";
    const wish = { image: "many:1", isCached: true, dockerConfig: undefined };
    const aborts = Array.from({ length: 20 }, () => new AbortController());
    const pulls = aborts.map(({ signal }) => puller.ensure(wish, signal));
    const outcomes = Promise.allSettled(pulls);
    await until("the blob is asked for", () =>
      registry.requests.some((one) => one.includes("/blobs/")),
    );
    for (const abort of aborts) abort.abort();
    expect((await outcomes).every(({ status }) => status === "rejected")).toBe(true);
    await until("nothing is on its way", () => registry.openCount === 0);
    expect(readdirSync(join(store.folder, "staging"))).toEqual([]);
    registry.silentPath = undefined;
    registry.requests.length = 0;
    await Promise.all(Array.from({ length: 20 }, () => pull("many:1")));
    expect(registry.requests.filter((one) => one.includes("/manifests/"))).toHaveLength(1);
    expect(registry.requests.filter((one) => one.includes("/blobs/"))).toHaveLength(2);
  });

  test("a login with a token, by the user of a configuration, that no other server sees [token authentication]", async () => {
    const registry = await registryWith({ "team/private:1": { layers: [FILE] } });
    registry.requireToken("bob", "s3:cret");
    const auth = Buffer.from("bob:s3:cret").toString("base64");
    const { host } = new URL(registry.url);
    const config = JSON.stringify({ auths: { [host]: { auth } } });
    const { pull } = sceneOf(registry.url);
    expect(await failureOf(pull("team/private:1"))).toContain("gives no token: it answered 401");
    registry.isRedirecting = true;
    expect(await pull("team/private:1", { dockerConfig: config })).toBe("team/private:1");
    expect(registry.scopes).toContain("repository:team/private:pull");
    expect(registry.leaked).toEqual([]);
  });

  test("an identity token that a token server redirects is sent nowhere else", async () => {
    const leaked: string[] = [];
    await using elsewhere = await serve((request, response) => {
      request.on("data", (chunk: Uint8Array) => leaked.push(String(chunk)));
      request.on("end", () => response.end(JSON.stringify({ token: "opensesame" })));
    });
    await using registry = await serve((request, response) => {
      if (request.url?.startsWith("/token") === true) {
        response.writeHead(307, { Location: `${elsewhere.url}/token` }).end();
        return;
      }
      const challenge = `Bearer realm="http://${request.headers.host}/token",service="fake"`;
      response.writeHead(401, { "WWW-Authenticate": challenge }).end();
    });
    const { host } = new URL(registry.url);
    const login = { auth: btoa("<token>:"), identitytoken: "s3cret-refresh" };
    const config = JSON.stringify({ auths: { [host]: login } });
    const { pull } = sceneOf(registry.url);
    const failure = await failureOf(pull("team/private:1", { dockerConfig: config }));
    expect(leaked).toEqual([]);
    expect(failure).toContain(`${host} redirects a login to ${new URL(elsewhere.url).host}`);
  });

  test("archives of docker save and OCI layouts, packed in any way [--docker_registry as a folder]", async () => {
    const folder = join(newRoot(), "images");
    mkdirSync(join(folder, "library"), { recursive: true });
    const image = buildImage({ layers: [FILE] });
    writeFileSync(join(folder, "saved:2.tar"), savedArchive(image, "saved:2"));
    writeFileSync(join(folder, "library/plain.tar"), savedArchive(image, "library/plain:latest"));
    const pack = (bytes: Uint8Array): Uint8Array => zstdCompressSync(bytes);
    const oci = buildImage({ layers: [[{ path: "other", content: "oci" }]], pack }, OCI_MANIFEST);
    writeLayout(join(folder, "laid:out"), oci, "out");
    const { pull, store } = sceneOf(folder);
    for (const name of ["saved:2", "library/plain", "laid:out"]) await pull(name);
    expect(store.layers()).toHaveLength(2);
    const laid = store.layer(oci.tars[0]?.digest ?? "");
    expect(readFileSync(join(laid?.root ?? "", "other"), "utf8")).toBe("oci");
    expect(await failureOf(pull("missing:1"))).toContain("holds neither missing:1.tar");
    const manifest = JSON.stringify([{ Config: "../../../etc/passwd", RepoTags: [], Layers: [] }]);
    writeFileSync(join(folder, "bad:1.tar"), tarOf([{ path: "manifest.json", content: manifest }]));
    expect(await failureOf(pull("bad:1"))).toContain("which is not in it");
    expect(readdirSync(join(store.folder, "staging"))).toEqual([]);
  });

  test("an archive that is not what is asked for, or does not tell, is refused with what it holds [issue 4]", async () => {
    const folder = join(newRoot(), "images");
    mkdirSync(folder, { recursive: true });
    const image = buildImage({ layers: [FILE] });
    const write = (name: string, ...tags: readonly string[]): void =>
      writeFileSync(join(folder, `${name}.tar`), savedArchive(image, ...tags));
    const oci = buildImage({ layers: [FILE] }, OCI_MANIFEST);
    const { digest } = oci.manifest;
    write("tagged", "tagged:1", "other:5");
    write("hub:1", "docker.io/library/hub:1");
    write("local:1", "localhost/local:1");
    write("far:1", "registry.example/far:1");
    write("bare:1");
    write("bare");
    write("renamed:2", "renamed:1");
    writeLayout(join(folder, "laid"), oci, "3");
    writeLayout(join(folder, "silent"), oci);
    writeLayout(join(folder, "proven"), oci, "1");
    const { pull, store } = sceneOf(folder);
    const good = ["tagged:1", "hub:1", "local:1", "far:1", "registry.example/far:1", "bare:1"];
    const named = ["bare", "laid:3", "silent", `proven@${digest}`];
    for (const name of [...good, ...named]) await pull(name);
    const wrong = `sha256:${"0".repeat(64)}`;
    for (const [name, reason] of [
      ["tagged:2", "tagged.tar holds tagged:1, other:5, and not tagged:2"],
      ["tagged", "and not tagged:latest"],
      ["renamed:2", "renamed:2.tar holds renamed:1, and not renamed:2"],
      ["bare:2", "does not say whether it is bare:2; name it bare:2.tar"],
      ["laid:4", "laid holds laid:3, and not laid:4"],
      ["silent:4", "does not say whether it is silent:4"],
      [`tagged@${digest}`, `an archive of docker save does not tell whether it is ${digest}`],
      [`laid@${wrong}`, `laid does not hold ${wrong}`],
    ] as const) {
      expect(await failureOf(pull(name))).toContain(reason);
    }
    const swapped = join(folder, "proven/blobs", digest.replace(":", "/"));
    writeFileSync(swapped, JSON.stringify({ schemaVersion: 2, config: {}, layers: [] }));
    store.removeImage(`proven@${digest}`);
    expect(await failureOf(pull(`proven@${digest}`))).toContain(`but ${digest} is asked for`);
    // A layout with no name of an image is not any image.
    const one = join(newRoot(), "one");
    writeLayout(one, oci, "latest");
    expect(await failureOf(sceneOf(one).pull("nginx"))).toContain("and not nginx:latest");
    // Of one name for several machines it is the one for this.
    const both = join(folder, "both");
    writeLayout(both, buildImage({ layers: [FILE], architecture: "s390x" }, OCI_MANIFEST), "1");
    const other = rowsOf(both).map((row) => platformOf(row, "s390x"));
    writeLayout(both, oci, "1");
    const manifests = [...other, ...rowsOf(both).map((row) => platformOf(row, ARCHITECTURE))];
    writeFileSync(join(both, "index.json"), JSON.stringify({ schemaVersion: 2, manifests }));
    await pull("both:1");
    const full = join(newRoot(), "full");
    writeLayout(full, oci, "docker.io/library/app:1");
    await sceneOf(full).pull("app:1");
    expect(await failureOf(sceneOf(full).pull("app:2"))).toContain("and not app:2");
  });

  test("what a killed agent has not finished is never used, and goes at the next start [issue 4]", async () => {
    const big = { path: "big", content: "x".repeat(8 << 20) };
    const registry = await registryWith({ "half:1": { layers: [FILE, [big]] } });
    const { root, store } = sceneOf(registry.url);
    registry.bytesPerSecond = 4096;
    const script = join(import.meta.dir, "puller-process.ts");
    const child = Bun.spawn([process.execPath, script, store.folder, registry.url, "half:1"], {
      stdout: "ignore",
      stderr: "inherit",
    });
    await until("a helper is fetching", () =>
      readdirSync(join(store.folder, "staging")).some((name) =>
        existsSync(join(store.folder, "staging", name, "blob")),
      ),
    );
    child.kill("SIGKILL");
    await child.exited;
    // Helpers end with their agent.
    await until("nothing is on its way", () => registry.openCount === 0);
    const again = new ImageStore(store.folder);
    expect(readdirSync(join(store.folder, "staging"))).toEqual([]);
    expect(again.image("half:1")).toBeUndefined();
    expect(root).toBeDefined();
    registry.bytesPerSecond = undefined;
    const { puller } = sceneOf(registry.url, { store: again });
    const wish = { image: "half:1", isCached: true, dockerConfig: undefined };
    const held = await puller.ensure(wish, new AbortController().signal);
    expect(held.layers.every((digest) => again.layer(digest) !== undefined)).toBe(true);
    held.release();
  });
});
