/** Tar archives entry by entry, so that they can hold what no honest program would pack. */

export interface TarEntry {
  readonly path: string;
  /** Type flag; "0", a file, when left out. */
  readonly type?: string;
  readonly content?: string | Uint8Array;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly linkTarget?: string;
}

const BLOCK = 512;

/** The archive's bytes, with the two empty blocks at its end. */
export function tarOf(entries: readonly TarEntry[]): Uint8Array {
  return Buffer.concat([...entries.map(entryBytes), new Uint8Array(2 * BLOCK)]);
}

/** A pax header in front of the next entry. */
export function paxOf(records: Readonly<Record<string, string>>): TarEntry {
  const content = Object.entries(records).map(([key, value]) => {
    const rest = ` ${key}=${value}\n`;
    const bytes = Buffer.byteLength(rest);
    const digits = String(bytes + String(bytes).length).length;
    return `${bytes + digits}${rest}`;
  });
  return { path: "pax", type: "x", content: content.join("") };
}

/** A file below 16 folders with long names that have no entries. */
export function deepFile(top: string): TarEntry[] {
  const path = `${top}/${`${"n".repeat(250)}/`.repeat(15)}file`;
  return [
    { path: "L", type: "L", content: `${path}\0` },
    { path: top, content: "x" },
  ];
}

function entryBytes(entry: TarEntry): Uint8Array {
  const content = Buffer.from(entry.content ?? "");
  const owner = (id = 0): string => `${id.toString(8).padStart(7, "0")}\0`;
  const header = new Uint8Array(BLOCK);
  const put = (at: number, text: string): void => header.set(Buffer.from(text, "latin1"), at);
  put(0, Buffer.from(entry.path).toString("latin1"));
  put(100, `${(entry.mode ?? 0o644).toString(8).padStart(7, "0")}\0`);
  put(108, owner(entry.uid));
  put(116, owner(entry.gid));
  put(124, `${content.length.toString(8).padStart(11, "0")}\0`);
  put(136, "14000000000\0");
  put(156, entry.type ?? "0");
  put(157, Buffer.from(entry.linkTarget ?? "").toString("latin1"));
  put(257, "ustar\u000000");
  put(148, "        ");
  const sum = header.reduce((total, byte) => total + byte, 0);
  put(148, `${sum.toString(8).padStart(6, "0")}\0 `);
  const padded = new Uint8Array(Math.ceil(content.length / BLOCK) * BLOCK);
  padded.set(content);
  return Buffer.concat([header, padded]);
}
