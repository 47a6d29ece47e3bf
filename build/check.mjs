/**
 * `npm run check`: types, lint and format, layers and tidy, generated types, unused code. Every
 * step runs even when an earlier one failed, so that one run tells all; each prints its time.
 */
import { ensureInstalled } from "./install.mjs";
import { reportStep, seconds } from "./steps.mjs";
import { bunPath, ROOT } from "./tools.mjs";

const STEP_TIMEOUT_MS = 180_000;

/** @param {string} path of a program in node_modules that Node runs */
function inModules(path) {
  return `${ROOT}/node_modules/${path}`;
}

/** @returns {readonly { name: string, command: string, args: readonly string[] }[]} */
function steps() {
  const node = process.execPath;
  const tsc = inModules("typescript/bin/tsc");
  return [
    { name: "types", command: node, args: [tsc, "-p", "tsconfig.json"] },
    {
      name: "types of the pure folders, without any runtime",
      command: node,
      args: [tsc, "-p", "build/tsconfig.pure.json"],
    },
    {
      name: "types of the build scripts",
      command: node,
      args: [tsc, "-p", "build/tsconfig.scripts.json"],
    },
    {
      name: "lint and format",
      command: node,
      args: [
        inModules("@biomejs/biome/bin/biome"),
        "check",
        "--config-path=build",
        "--error-on-warnings",
        "--max-diagnostics=100",
        "src",
        "test",
        "build",
      ],
    },
    {
      name: "layers, tidy and generated types",
      command: bunPath(),
      args: [
        "test",
        "./test/tidy/layers.test.ts",
        "./test/tidy/tidy.test.ts",
        "./test/tidy/generated.test.ts",
      ],
    },
    {
      name: "unused files, exports and packages",
      command: node,
      args: [inModules("knip/bin/knip.js"), "--config=build/knip.json", "--no-progress"],
    },
  ];
}

const startedMs = performance.now();
if (!(await ensureInstalled())) process.exit(1);
let failedCount = 0;
for (const step of steps()) {
  const result = await reportStep({ ...step, timeoutMs: STEP_TIMEOUT_MS });
  if (!result.isOk) failedCount += 1;
}
const verdict = failedCount === 0 ? "check passed" : `check failed in ${failedCount} steps`;
console.log(`${verdict}, ${seconds(performance.now() - startedMs)}`);
process.exitCode = failedCount === 0 ? 0 : 1;
