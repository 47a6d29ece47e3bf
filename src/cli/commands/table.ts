/** Tables and quantities for people. */

/** One column: its heading and how a row fills it. */
export interface Column<Row> {
  readonly heading: string;
  readonly text: (row: Row) => string;
  readonly isRight?: boolean;
}

/** Aligned columns under their headings, two blanks apart; every line ends with a line feed. */
export function formatTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const cells = [
    columns.map((column) => column.heading),
    ...rows.map((row) => columns.map((column) => cleanText(column.text(row)))),
  ];
  const widths = columns.map((_, index) =>
    cells.reduce((width, line) => Math.max(width, (line[index] ?? "").length), 0),
  );
  return cells.map((line) => `${formatLine(columns, widths, line)}\n`).join("");
}

function formatLine<Row>(
  columns: readonly Column<Row>[],
  widths: readonly number[],
  line: readonly string[],
): string {
  const padded = line.map((cell, index) => {
    const width = widths[index] ?? 0;
    return columns[index]?.isRight === true ? cell.padStart(width) : cell.padEnd(width);
  });
  return padded.join("  ").trimEnd();
}

/** Names come from anywhere; control characters could rewrite the terminal. */
export function cleanText(text: string): string {
  return text === "" ? "-" : text.replace(/\p{Cc}/gu, "?");
}

/** `42s`, `7m`, `3h`, `12d`: how long ago a time is, in whole units. */
export function formatAge(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 120) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  return hours < 48 ? `${hours}h` : `${Math.floor(hours / 24)}d`;
}

/** Megabytes, the unit of `mem` and `disk`, as `512 MB`, `1.5 GB` or `2 TB`. */
export function formatMegabytes(megabytes: number): string {
  if (megabytes < 1024) return `${round(megabytes)} MB`;
  const gigabytes = megabytes / 1024;
  return gigabytes < 1024 ? `${round(gigabytes)} GB` : `${round(gigabytes / 1024)} TB`;
}

/** A plain number with as few decimals as it needs, three at most. */
export function formatNumber(value: number): string {
  return String(Math.round(value * 1000) / 1000);
}

function round(value: number): string {
  return String(value < 10 ? Math.round(value * 10) / 10 : Math.round(value));
}
