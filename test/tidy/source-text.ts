/**
 * Source files as text for the layer and tidy rules: which files there are, and a file's text with
 * comments (and, on request, the insides of strings) blanked so that a rule reads code only.
 * Offsets and line numbers stay as in the file.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** One file; `path` is relative to the root it was read from, with forward slashes. */
export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

/** What to blank: comments only, or also what stands between quotes and in regular expressions. */
export type MaskedParts = "comments" | "comments and strings";

const SKIPPED_FOLDERS: ReadonlySet<string> = new Set(["node_modules", "dist", ".git", ".cache"]);

/** All files under `root/folder` whose name ends with one of `endings`, sorted by path. */
export function readSources(
  root: string,
  folder: string,
  endings: readonly string[],
): readonly SourceFile[] {
  const files: SourceFile[] = [];
  const visit = (path: string): void => {
    for (const entry of readdirSync(join(root, path), { withFileTypes: true })) {
      const child = path === "" ? entry.name : `${path}/${entry.name}`;
      if (entry.isDirectory() && !SKIPPED_FOLDERS.has(entry.name)) visit(child);
      if (entry.isFile() && endings.some((ending) => entry.name.endsWith(ending))) {
        files.push({ path: child, text: readFileSync(join(root, child), "utf8") });
      }
    }
  };
  visit(folder);
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** The 1-based line of `offset` in `text`. */
export function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let index = text.indexOf("\n"); index !== -1 && index < offset; ) {
    line += 1;
    index = text.indexOf("\n", index + 1);
  }
  return line;
}

/**
 * `text` with the named parts replaced by spaces; line ends and quotes stay. A `/` starts a regular
 * expression when the code before it cannot end a value, which is right for formatted code.
 */
export function mask(text: string, parts: MaskedParts): string {
  const output = text.split("");
  const blank = (start: number, end: number): void => {
    for (let index = start; index < end; index += 1) {
      if (output[index] !== "\n") output[index] = " ";
    }
  };
  const blankString = (start: number, end: number): void => {
    if (parts === "comments and strings") blank(start, end);
  };

  /** Depth of braces inside each open `${`; the innermost is last. */
  const substitutions: number[] = [];
  let index = 0;
  /** Skips template text from `start`; stops after the closing backtick or an opening `${`. */
  const skipTemplate = (start: number): number => {
    let end = start;
    while (end < text.length && text[end] !== "`" && !text.startsWith("${", end)) {
      end += text[end] === "\\" ? 2 : 1;
    }
    blankString(start, end);
    if (text[end] === "`" || end >= text.length) return end + 1;
    substitutions.push(0);
    return end + 2;
  };

  while (index < text.length) {
    const char = text[index];
    if (text.startsWith("//", index) || text.startsWith("/*", index)) {
      const end = endOfComment(text, index);
      blank(index, end);
      index = end;
    } else if (char === '"' || char === "'") {
      const end = endOfQuoted(text, index + 1, char);
      blankString(index + 1, end - 1);
      index = end;
    } else if (char === "`") {
      index = skipTemplate(index + 1);
    } else if (char === "/" && startsRegExp(output, index)) {
      const end = endOfRegExp(text, index + 1);
      blankString(index + 1, end - 1);
      index = end;
    } else {
      index += 1;
      const depth = substitutions.at(-1);
      if (depth === undefined) continue;
      if (char === "{") substitutions[substitutions.length - 1] = depth + 1;
      if (char === "}" && depth > 0) substitutions[substitutions.length - 1] = depth - 1;
      if (char === "}" && depth === 0) {
        substitutions.pop();
        index = skipTemplate(index);
      }
    }
  }
  return output.join("");
}

function endOfComment(text: string, start: number): number {
  const closing = text[start + 1] === "/" ? "\n" : "*/";
  const found = text.indexOf(closing, start + 2);
  if (found === -1) return text.length;
  return closing === "\n" ? found : found + closing.length;
}

function endOfQuoted(text: string, start: number, quote: string): number {
  let end = start;
  while (end < text.length && text[end] !== quote && text[end] !== "\n") {
    end += text[end] === "\\" ? 2 : 1;
  }
  return Math.min(end + 1, text.length);
}

function endOfRegExp(text: string, start: number): number {
  let inClass = false;
  let end = start;
  while (end < text.length && text[end] !== "\n" && (inClass || text[end] !== "/")) {
    if (text[end] === "[") inClass = true;
    if (text[end] === "]") inClass = false;
    end += text[end] === "\\" ? 2 : 1;
  }
  return Math.min(end + 1, text.length);
}

const REGEXP_LOOKBACK_CHARS = 32;

/** `output` already has the comments before `index` blanked. */
function startsRegExp(output: readonly string[], index: number): boolean {
  let end = index;
  while (end > 0 && /\s/.test(output[end - 1] ?? "")) end -= 1;
  const before = output.slice(Math.max(0, end - REGEXP_LOOKBACK_CHARS), end).join("");
  return (
    before === "" || /(?:[(,=:[!&|?{};<>+\-*%~^]|\b(?:return|typeof|case|in|of))$/.test(before)
  );
}
