/**
 * What the text of the tree must not hold, as data: one row per ban with the replacement in its
 * message. Types, lint and layers have their own tools; here stands what those cannot see.
 */
import { LAYERS } from "./layers.ts";
import { lineAt, type MaskedParts, mask, type SourceFile } from "./source-text.ts";

/** One ban. A file is looked at when `files` matches its path and `except` does not. */
export interface TidyRule {
  readonly name: string;
  readonly files: RegExp;
  readonly except?: RegExp;
  /** What to blank before looking; without it the text is read as it is. */
  readonly mask?: MaskedParts;
  /** Global expression; every match is a violation. */
  readonly banned: RegExp;
  /** What to write instead. */
  readonly instead: string;
}

const CODE = /\.(?:ts|tsx|mjs)$/;
const ANY_TEXT = /\.(?:ts|tsx|mjs|md|json|sh|service|slice|conf)$|(?:^|\/)run$/;
const SOURCE = /^src\/.*\.tsx?$/;
const PURE = new RegExp(
  `^src/(?:${LAYERS.filter((layer) => layer.isPure)
    .map((layer) => layer.folder)
    .join("|")})/.*\\.ts$`,
);
/** Places that stand for the outside world: the real clock, chance and process are theirs. */
const OUTSIDE_WORLD = /^src\/(?:platform\/|cli\/|main\.ts$)/;
/** This folder names what it bans. */
const THIS_FOLDER = /^test\/tidy\//;
/**
 * The v0 wire still says it: endpoints, state documents, metric counters and old flag names, in
 * files that are about nothing else. Anywhere: the metric names `"slave/…"` and `"master/slave_…"`,
 * the sandbox segment `/slaves/`, the address `slave(1)`, the option of `unshare`, and citations of Mesos' sources.
 */
const V0_WIRE =
  /^src\/(?:http|protocol)\/|(?:^|[/-])(?:views?|metrics?|counters?|sandbox(?:es)?|endpoints?|flags?)(?:[/.-]|-[\w-]*\.)|^test\/(?!tidy)/;

const codeOnly: MaskedParts = "comments and strings";

/** Every ban, from the widest to the narrowest place. */
export const TIDY_RULES: readonly TidyRule[] = [
  {
    name: "unfinished mark",
    files: ANY_TEXT,
    except: THIS_FOLDER,
    banned: /\b(?:FIXME|XXX)\b/g,
    instead: "mend it now, or write TODO(name of the issue)",
  },
  {
    name: "TODO without an issue",
    files: ANY_TEXT,
    except: THIS_FOLDER,
    banned: /\bTODO\b(?!\([^()\s][^()]*\))/g,
    instead: "write TODO(name of the issue)",
  },
  {
    name: "path of one machine",
    files: ANY_TEXT,
    except: THIS_FOLDER,
    banned:
      /(?<![\w.\-/@:*])\/(?:home|Users)\/[\w.-]+\/|(?<![\w.\-/@:*])\/work\/(?:main|shared|\.)/g,
    instead: "use a path relative to the file, a flag, or a folder under os.tmpdir()",
  },
  {
    name: "slave",
    files: /^(?:src|build|systemd)\/|^[^/]+\.(?:md|sh)$/,
    except: V0_WIRE,
    banned:
      /(?<!src\/|propagation=|["'`]master\/\w*)(?:(?<=[a-z])Slave|\b_?slave)(?!\.[ch]pp\b|s?\/|\(1\)|::)/gi,
    instead: "say agent; only the v0 wire says it otherwise",
  },
  {
    name: "focused test",
    files: /^test\/.*\.ts$/,
    except: THIS_FOLDER,
    mask: codeOnly,
    banned: /\b(?:test|it|describe)(?:\.\w+)*\.only\b/g,
    instead: "remove .only, so that the other tests run too",
  },
  {
    name: "switched-off type check",
    files: CODE,
    except: THIS_FOLDER,
    banned: /@ts-(?:ignore|nocheck|expect-error)/g,
    instead: "give the value its type, or narrow it with a check",
  },
  {
    name: "empty catch",
    files: CODE,
    banned: /\bcatch\s*(?:\([^)]*\)\s*)?\{\s*\}/g,
    except: THIS_FOLDER,
    instead: "handle the error, or say in a comment why nothing is owed",
  },
  {
    name: "code from text",
    files: SOURCE,
    mask: codeOnly,
    banned: /(?<![.\w])eval\s*\(|\bnew Function\s*\(/g,
    instead: "write the code",
  },
  {
    name: "module-level mutable state",
    files: SOURCE,
    mask: codeOnly,
    banned: /^(?:export )?(?:let|var)\b/gm,
    instead: "keep state in an object that main.ts makes, or declare a const",
  },
  {
    name: "module-level collection that can change",
    files: SOURCE,
    mask: codeOnly,
    banned: /^(?:export )?const \w+(?:: (?:Map|Set|WeakMap)<[^=]*)? = new (?:Map|Set|WeakMap)\b/gm,
    instead: "write its type: ReadonlyMap or ReadonlySet; what changes lives in an object",
  },
  {
    name: "Bun outside platform/",
    files: SOURCE,
    except: /^src\/platform\//,
    mask: codeOnly,
    banned: /(?<![.\w])(?:Bun|Deno)\s*\./g,
    instead:
      "declare the need in base/ports.ts and implement it in platform/, so that Deno runs too",
  },
  {
    name: "clock outside platform/",
    files: SOURCE,
    except: OUTSIDE_WORLD,
    mask: codeOnly,
    banned:
      /\b(?:Date\.now|performance\.now)\b|\bnew Date\(\s*\)|(?<![.\w])(?:setTimeout|setInterval|setImmediate)\s*\(/g,
    instead: "take the Clock of base/ports.ts",
  },
  {
    name: "chance outside platform/",
    files: SOURCE,
    except: OUTSIDE_WORLD,
    mask: codeOnly,
    banned: /\bMath\.random\b|\brandomUUID\b|\bgetRandomValues\b|\brandomBytes\b/g,
    instead: "take the Rng of base/ports.ts, or the id from the input",
  },
  {
    name: "process-wide setting outside platform/, cli/ and main.ts",
    files: SOURCE,
    except: OUTSIDE_WORLD,
    mask: codeOnly,
    banned: /\bprocess\.(?:env|argv|exit|exitCode|cwd|chdir|on|once)\b/g,
    instead: "take the value as an argument; main.ts reads it once",
  },
  {
    name: "waiting in a pure folder",
    files: PURE,
    mask: codeOnly,
    banned: /\b(?:async|await)\b|\bPromise\b/g,
    instead: "return an effect; its result comes back as an input",
  },
  {
    name: "locale in a pure folder",
    files: PURE,
    mask: codeOnly,
    banned: /\blocaleCompare\b|\btoLocale\w*|\bIntl\b/g,
    instead: "compare with <, so that the order is the same everywhere",
  },
];

const LINES_MAX = 800;
const GENERATED = /^src\/protocol\/v1\/types\.ts$/;

/** What is wrong with one file: each line names the place, the ban and the replacement. */
export function tidyFaults(file: SourceFile): readonly string[] {
  const faults = TIDY_RULES.flatMap((rule) => ruleFaults(rule, file));
  if (CODE.test(file.path) && !hasHeader(file.text)) {
    faults.push(`${file.path}:1: no header: start with a doc comment that says the file's duty`);
  }
  const lineCount = lineAt(file.text, file.text.length);
  if (SOURCE.test(file.path) && !GENERATED.test(file.path) && lineCount > LINES_MAX) {
    faults.push(`${file.path}: ${lineCount} lines: find the second subject in it and split there`);
  }
  return faults;
}

function ruleFaults(rule: TidyRule, file: SourceFile): string[] {
  if (!rule.files.test(file.path) || rule.except?.test(file.path)) return [];
  const text = rule.mask === undefined ? file.text : mask(file.text, rule.mask);
  return [...text.matchAll(rule.banned)].map((match) => {
    const found = match[0].trim().split("\n")[0];
    return `${file.path}:${lineAt(text, match.index)}: ${rule.name} (${found}): ${rule.instead}`;
  });
}

/** A first line for the kernel (`#!`) may stand above the header. */
function hasHeader(text: string): boolean {
  return /^(?:#!.*\n)?\/\*\*\s[\s\S]*?\w[\s\S]*?\*\//.test(text);
}
