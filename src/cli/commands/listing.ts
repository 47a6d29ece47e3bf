/** What the listing verbs share: printing as a table or as JSON, and times. */
import type { TimeInfo } from "../../protocol/v1/types.ts";
import type { Console } from "../console.ts";
import { type Column, formatAge, formatTable } from "./table.ts";

/** A list and how a person sees it. */
export interface Listing<Row> {
  readonly rows: readonly Row[];
  readonly columns: readonly Column<Row>[];
  /** Printed to stderr in place of an empty table. */
  readonly emptyText: string;
}

/** Prints rows as they are in JSON, or as a table. */
export async function printListing<Row>(
  console: Console,
  listing: Listing<Row>,
  isJson: boolean,
): Promise<void> {
  if (isJson) return await printJson(console, listing.rows);
  if (listing.rows.length === 0) return await console.error(`${listing.emptyText}\n`);
  await console.out(formatTable(listing.columns, listing.rows));
}

/** One JSON document, indented, ended by a line feed. */
export async function printJson(console: Console, value: unknown): Promise<void> {
  await console.out(`${jsonText(value, 2)}\n`);
}

/** JSON in which all control characters are escaped, those too that JSON itself lets stand. */
export function jsonText(value: unknown, indent = 0): string {
  return JSON.stringify(value, null, indent).replace(
    /[\u007f-\u009f]/g,
    (character) => `\\u00${character.charCodeAt(0).toString(16)}`,
  );
}

/** ISO 8601 in UTC, or null for a time that is not known. */
export function isoTime(seconds: number | undefined): string | null {
  return seconds === undefined ? null : new Date(seconds * 1000).toISOString();
}

/** Seconds since 1970 of a Mesos time. */
export function secondsOf(time: TimeInfo | undefined): number | undefined {
  return time === undefined ? undefined : time.nanoseconds / 1e9;
}

/** How long ago an ISO time is; `-` when unknown. */
export function ageOf(time: string | null): string {
  return time === null ? "-" : formatAge(Date.now() - Date.parse(time));
}

/** `Name:       text` for each. */
export function formatLines(lines: readonly (readonly [string, string])[]): string {
  return lines.map(([name, text]) => `${`${name}:`.padEnd(12)}${text}\n`).join("");
}

/** Why no master leads, a sentence a line; empty without any. */
export function formatWhy(why: readonly string[]): string {
  const [first, ...others] = why;
  if (first === undefined) return "";
  return `${formatLines([["Why", first]])}${others.map((text) => `${" ".repeat(12)}${text}\n`).join("")}`;
}
