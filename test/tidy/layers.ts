/**
 * The layer rule as data and code: which folder of `src/` may import which, by rank, and which npm
 * packages. Read by `layers.test.ts`; works on any tree so that the rule can be tested on planted
 * violations. Bun's own import scanner drops type-only imports, so the text is read instead.
 */
import { existsSync } from "node:fs";
import { join, posix } from "node:path";
import { lineAt, mask, readSources, type SourceFile } from "./source-text.ts";

/** One folder of the house. Imports go to the folder itself and to what the row lists. */
export interface Layer {
  readonly folder: string;
  readonly rank: number;
  /** Pure folders import nothing of the runtime: no `node:`, no `bun:`. */
  readonly isPure: boolean;
  /** Folders of strictly lower rank. */
  readonly mayImport: readonly string[];
  /** Single files of lower rank, beside `mayImport`; paths from `src/`. */
  readonly mayImportFiles?: RegExp;
  /** npm packages, and `bun` for Bun's own modules. */
  readonly packages: readonly string[];
}

const pure = { isPure: true, packages: [] } as const;
const edge = { isPure: false, packages: [] } as const;

/** Shared by rows whose users are the same: everything the pure master or agent may see. */
const MASTER_CORE_IMPORTS = [
  "base",
  "protocol",
  "resources",
  "security",
  "allocator",
  "registry/core",
] as const;
const AGENT_CORE_IMPORTS = ["base", "protocol", "resources", "security"] as const;

/** The house, lowest rank first. `main.ts`, the composition root, stands above all of it. */
export const LAYERS: readonly Layer[] = [
  { ...pure, folder: "base", rank: 0, mayImport: [] },
  {
    ...pure,
    folder: "protocol",
    rank: 1,
    mayImport: ["base"],
    packages: ["cbor-x", "protobufjs"],
  },
  { ...pure, folder: "resources", rank: 2, mayImport: ["base", "protocol"] },
  { ...pure, folder: "security", rank: 2, mayImport: ["base", "protocol"] },
  {
    ...pure,
    folder: "allocator",
    rank: 3,
    mayImport: ["base", "protocol", "resources"],
    packages: ["re2js"],
  },
  { ...pure, folder: "registry/core", rank: 3, mayImport: ["base", "protocol", "resources"] },
  { ...pure, folder: "election/core", rank: 3, mayImport: ["base", "protocol"] },
  {
    ...edge,
    folder: "election/zookeeper",
    rank: 5,
    mayImport: ["base", "protocol", "election/core"],
    packages: ["node-zookeeper-client"],
  },
  { ...edge, folder: "database", rank: 4, mayImport: ["base"], packages: ["kysely"] },
  { ...pure, folder: "master/core", rank: 4, mayImport: MASTER_CORE_IMPORTS },
  { ...pure, folder: "agent/core", rank: 4, mayImport: AGENT_CORE_IMPORTS },
  {
    ...edge,
    folder: "registry/store",
    rank: 5,
    mayImport: ["base", "protocol", "registry/core", "database"],
    packages: ["kysely"],
  },
  {
    ...edge,
    folder: "agent/checkpoint",
    rank: 5,
    mayImport: ["base", "protocol", "agent/core", "database"],
    packages: ["kysely"],
  },
  // The log of several masters, on a session of the election's.
  {
    ...edge,
    folder: "registry/zookeeper",
    rank: 6,
    mayImport: ["base", "election/zookeeper", "registry/store"],
  },
  { ...edge, folder: "containerizer", rank: 5, mayImport: ["base", "protocol", "resources"] },
  // Beside the containerizers, since it makes the sandbox that they then take over.
  { ...edge, folder: "fetcher", rank: 6, mayImport: ["base", "protocol", "containerizer"] },
  // Wraps a containerizer; its helpers unpack as the fetcher's do.
  {
    ...edge,
    folder: "images",
    rank: 7,
    mayImport: ["base", "protocol", "containerizer", "fetcher"],
  },
  {
    ...edge,
    folder: "executor",
    rank: 6,
    mayImport: ["base", "protocol", "resources", "containerizer"],
  },
  {
    ...edge,
    folder: "master/runtime",
    rank: 7,
    mayImport: [...MASTER_CORE_IMPORTS, "master/core", "registry/store", "database"],
  },
  {
    ...edge,
    folder: "agent/runtime",
    rank: 7,
    mayImport: [
      ...AGENT_CORE_IMPORTS,
      "agent/core",
      "agent/checkpoint",
      "database",
      "containerizer",
      "fetcher",
      "executor",
    ],
  },
  {
    ...edge,
    folder: "link",
    rank: 8,
    mayImport: ["base", "protocol", "master/runtime", "agent/runtime"],
  },
  {
    ...edge,
    folder: "http",
    rank: 8,
    mayImport: ["base", "protocol", "resources", "security", "master/runtime", "agent/runtime"],
    // Views, and the calls about containers, which are plain data.
    mayImportFiles:
      /^(?:(?:master|agent)\/core\/(?:.*[/-])?views?(?:[/.-])|agent\/core\/containers\/container-calls\.ts$)/,
    packages: ["hono", "prom-client"],
  },
  { ...edge, folder: "cli", rank: 8, mayImport: ["base", "protocol", "resources", "security"] },
  {
    ...edge,
    folder: "platform",
    rank: 8,
    mayImport: ["base"],
    packages: ["better-sqlite3", "bun"],
  },
  {
    ...edge,
    folder: "roles",
    rank: 9,
    mayImport: [
      ...MASTER_CORE_IMPORTS,
      "master/core",
      "agent/core",
      "database",
      "election/core",
      "election/zookeeper",
      "registry/store",
      "registry/zookeeper",
      "agent/checkpoint",
      "containerizer",
      "fetcher",
      "images",
      "master/runtime",
      "agent/runtime",
      "link",
      "http",
      "cli",
      "platform",
    ],
  },
];

/** Packages that a single file owns: the form to import it in, and the file that may. */
const PACKAGE_OWNERS: Readonly<Record<string, { specifier: string; file: string }>> = {
  // The plain entry loads cbor-extract, whose native decoder is broken on Bun (stack.md section 7).
  "cbor-x": { specifier: "cbor-x/index-no-eval", file: "src/protocol/link-codec.ts" },
};

const ENTRY_POINT = "src/main.ts";
/** It and what package.json exports to others: each puts parts together, and nobody imports it. */
const ROOTS: readonly string[] = [ENTRY_POINT, "src/detector.ts"];

/** What was looked at and what was wrong; each violation is one readable line with file and line. */
export interface LayerReport {
  readonly fileCount: number;
  readonly importCount: number;
  readonly violations: readonly string[];
}

interface ImportSite {
  readonly importer: string;
  readonly line: number;
  readonly specifier: string;
}

/** Checks `root/src` against `LAYERS`. */
export function checkLayers(root: string): LayerReport {
  const files = readSources(root, "src", [".ts", ".tsx"]);
  const violations: string[] = [];
  const graph = new Map<string, string[]>();
  let importCount = 0;
  for (const file of files) {
    const targets: string[] = [];
    graph.set(file.path, targets);
    for (const site of importsOf(file, violations)) {
      importCount += 1;
      const target = localTarget(site);
      if (target !== undefined) targets.push(target);
      const fault = target === undefined ? packageFault(site) : localFault(root, site, target);
      if (fault !== undefined) violations.push(`${site.importer}:${site.line}: ${fault}`);
    }
  }
  violations.push(...folderFaults(files), ...cycleFaults(graph), ...unreachedFaults(graph));
  return { fileCount: files.length, importCount, violations };
}

/** A table whose rows contradict each other is itself a violation. */
export function checkTable(layers: readonly Layer[]): readonly string[] {
  const ranks = new Map(layers.map((layer) => [layer.folder, layer.rank]));
  return layers.flatMap((layer) =>
    layer.mayImport
      .filter((folder) => (ranks.get(folder) ?? Number.POSITIVE_INFINITY) >= layer.rank)
      .map((folder) => `the row of ${layer.folder} lists ${folder}, which is not of lower rank`),
  );
}

const STATIC_IMPORT = /^[ \t]*(?:import|export)\b[^;'"]*?\bfrom\s*(["'])([^"'\n]+)\1/gm;
const SIDE_EFFECT_IMPORT = /^[ \t]*import\s*(["'])([^"'\n]+)\1/gm;
const DYNAMIC_IMPORT = /\bimport\s*\(\s*(["'])([^"'\n]+)\1/g;
const MODULE_URL = /\bnew URL\(\s*(["'])([^"'\n]+\.tsx?)\1\s*,\s*import\.meta\.url/g;
const COMPUTED_IMPORT = /\bimport\s*\(\s*(?!["'\s])/g;
const REQUIRE_CALL = /(?<![.\w])(?:import\.meta\.)?require\s*\(/g;

function importsOf(file: SourceFile, violations: string[]): readonly ImportSite[] {
  const code = mask(file.text, "comments");
  const sites: ImportSite[] = [];
  for (const pattern of [STATIC_IMPORT, SIDE_EFFECT_IMPORT, DYNAMIC_IMPORT, MODULE_URL]) {
    for (const match of code.matchAll(pattern)) {
      const line = lineAt(code, match.index + match[0].length - 1);
      sites.push({ importer: file.path, line, specifier: match[2] ?? "" });
    }
  }
  const bare = mask(file.text, "comments and strings");
  for (const match of [...bare.matchAll(COMPUTED_IMPORT), ...bare.matchAll(REQUIRE_CALL)]) {
    const place = `${file.path}:${lineAt(bare, match.index)}`;
    violations.push(`${place}: write import("…") with a literal path, so that it can be checked`);
  }
  return sites;
}

/** The path from the root for a relative import, or undefined for a package. */
function localTarget(site: ImportSite): string | undefined {
  if (!site.specifier.startsWith(".")) return undefined;
  return posix.normalize(posix.join(posix.dirname(site.importer), site.specifier));
}

function layerOf(path: string): Layer | undefined {
  return LAYERS.find((layer) => path.startsWith(`src/${layer.folder}/`));
}

function localFault(root: string, site: ImportSite, target: string): string | undefined {
  if (!existsSync(join(root, target))) return `imports ${target}, which does not exist`;
  if (ROOTS.includes(site.importer)) {
    const isKnown = target.startsWith("src/") || target === "package.json";
    return isKnown ? undefined : `imports ${target}, which lies outside src/`;
  }
  const from = layerOf(site.importer);
  const to = layerOf(target);
  if (from === undefined) return undefined; // reported once per file by folderFaults
  if (to === undefined) return `imports ${target}; only main.ts may reach outside the layers`;
  if (from === to || from.mayImport.includes(to.folder)) return undefined;
  if (to.rank < from.rank && from.mayImportFiles?.test(target.slice("src/".length))) {
    return undefined;
  }
  const ranks = `${from.folder} (rank ${from.rank}) imports ${to.folder} (rank ${to.rank})`;
  return to.rank >= from.rank
    ? `upward import: ${ranks}; declare the interface you need in your own ports.ts`
    : `unlisted import: ${ranks}; ${from.folder} may import ${list(from.mayImport)}`;
}

function packageFault(site: ImportSite): string | undefined {
  const from = layerOf(site.importer);
  const name = packageOf(site.specifier);
  if (name === "node") {
    return from?.isPure ? `${from.folder} is pure and imports ${site.specifier}` : undefined;
  }
  const owner = PACKAGE_OWNERS[name];
  if (owner !== undefined && site.importer !== owner.file) {
    return `only ${owner.file} may import ${name}`;
  }
  if (owner !== undefined && site.specifier !== owner.specifier) {
    return `import ${owner.specifier} instead of ${site.specifier}`;
  }
  if (from?.packages.includes(name)) return undefined;
  return `unlisted package ${name}: ${from?.folder ?? site.importer} may import ${list(from?.packages ?? [])}`;
}

/** `node:fs` is `node`, `bun:sqlite` is `bun`, `@scope/name/file` is `@scope/name`. */
function packageOf(specifier: string): string {
  const scheme = /^(node|bun):/.exec(specifier)?.[1];
  if (scheme !== undefined) return scheme;
  const parts = specifier.split("/");
  return parts.slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
}

function list(names: readonly string[]): string {
  return names.length === 0 ? "nothing" : names.join(", ");
}

function folderFaults(files: readonly SourceFile[]): readonly string[] {
  return files
    .filter((file) => !ROOTS.includes(file.path) && layerOf(file.path) === undefined)
    .map((file) => `${file.path}: lies in no folder of the table in test/tidy/layers.ts`);
}

/** Each cycle once, as the files on it in import order. */
function cycleFaults(graph: ReadonlyMap<string, readonly string[]>): readonly string[] {
  const faults: string[] = [];
  const done = new Set<string>();
  const open: string[] = [];
  const visit = (path: string): void => {
    const start = open.indexOf(path);
    if (start !== -1) faults.push(`import cycle: ${[...open.slice(start), path].join(" -> ")}`);
    if (start !== -1 || done.has(path)) return;
    open.push(path);
    for (const target of graph.get(path) ?? []) visit(target);
    open.pop();
    done.add(path);
  };
  for (const path of graph.keys()) visit(path);
  return faults;
}

/** A file that `main.ts` does not lead to is not part of the binary, whatever tests import. */
function unreachedFaults(graph: ReadonlyMap<string, readonly string[]>): readonly string[] {
  if (!graph.has(ENTRY_POINT)) return [`${ENTRY_POINT} is missing`];
  const reached = new Set<string>(ROOTS);
  for (const path of reached) for (const target of graph.get(path) ?? []) reached.add(target);
  return [...graph.keys()]
    .filter((path) => !reached.has(path))
    .map((path) => `${path}: nobody imports it on the way from ${ENTRY_POINT}`);
}
