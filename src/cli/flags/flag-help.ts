/**
 * Help texts: flags under their headings with type, default and meaning, as wide as a terminal.
 * Flags that have no effect are named in one closing paragraph rather than among the useful ones.
 */
import type { Flag, FlagTable } from "./flag-table.ts";

const WIDTH = 100;
const MEANING_COLUMN = 34;
const INDENT = "  ";

/** What stands around the flags. */
export interface HelpFrame {
  readonly usage: readonly string[];
  /** Sentences below the usage, one line each or longer. */
  readonly introduction: readonly string[];
  /** Lines at the end, printed as they are. */
  readonly closing: readonly string[];
}

/** A complete help text, ended by a line feed. */
export function formatHelp(table: FlagTable, frame: HelpFrame): string {
  const lines = [
    ...frame.usage.map((usage, index) => `${index === 0 ? "Usage: " : "       "}${usage}`),
    "",
    ...frame.introduction.flatMap((text) => [...wrap(text, "", ""), ""]),
    ...headings(table.flags).flatMap(([heading, flags]) => [
      `${heading}:`,
      ...flags.flatMap(describeFlag),
      "",
    ]),
    ...withoutEffect(table.flags),
    ...frame.closing,
  ];
  return `${lines.join("\n").replace(/\n+$/, "")}\n`;
}

function headings(flags: readonly Flag[]): readonly (readonly [string, readonly Flag[]])[] {
  const byGroup = new Map<string, Flag[]>();
  for (const flag of flags) {
    if (flag.effect !== "acts") continue;
    const members = byGroup.get(flag.group) ?? [];
    members.push(flag);
    byGroup.set(flag.group, members);
  }
  return [...byGroup];
}

function describeFlag(flag: Flag): readonly string[] {
  const head = `${INDENT}${flagTerm(flag)}`;
  const meaning = `${flag.meaning}${details(flag)}`;
  const indent = " ".repeat(MEANING_COLUMN);
  if (head.length + 2 > MEANING_COLUMN) return [head, ...wrap(meaning, indent, indent)];
  return wrap(meaning, head.padEnd(MEANING_COLUMN), indent);
}

function flagTerm(flag: Flag): string {
  const letter = flag.letter === undefined ? "" : `-${flag.letter}, `;
  if (flag.type !== "boolean") return `${letter}--${flag.name}=${placeholder(flag)}`;
  return flag.default === "true" ? `${letter}--[no-]${flag.name}` : `${letter}--${flag.name}`;
}

function placeholder(flag: Flag): string {
  if (flag.choices !== undefined) return flag.choices.join("|");
  return flag.type === "string" ? "TEXT" : flag.type.toUpperCase();
}

function details(flag: Flag): string {
  const parts: string[] = [];
  if (flag.isRequired === true) parts.push("required");
  const preset = flag.defaultText ?? (flag.type === "boolean" ? undefined : flag.default);
  if (preset !== undefined) parts.push(`default: ${preset}`);
  if (flag.type === "boolean" && flag.default === "true") parts.push("default: on");
  if (flag.min !== undefined && flag.max === undefined && flag.min !== "0") {
    parts.push(`at least ${flag.min}`);
  }
  return parts.length === 0 ? "" : ` (${parts.join("; ")})`;
}

function withoutEffect(flags: readonly Flag[]): readonly string[] {
  const names = flags.filter((flag) => flag.effect !== "acts").map((flag) => flag.name);
  if (names.length === 0) return [];
  return [
    "Accepted for the sake of Mesos' configurations, with a warning, but without effect so far:",
    ...wrap(names.sort().join(", "), INDENT, INDENT),
    "",
  ];
}

function wrap(text: string, firstIndent: string, indent: string): readonly string[] {
  const lines: string[] = [];
  let line = firstIndent;
  let isEmpty = true;
  for (const word of text.split(" ")) {
    if (!isEmpty && line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = indent;
      isEmpty = true;
    }
    line += isEmpty ? word : ` ${word}`;
    isEmpty = false;
  }
  return [...lines, line];
}
