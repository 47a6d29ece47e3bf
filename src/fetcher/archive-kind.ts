/** Which files are unpacked after fetching, by the end of their names. Source: semantics 7.8. */

/** How the bytes are packed around a tar archive or a single file. */
export type Compression = "none" | "gzip" | "bzip2" | "xz" | "zstd";

export type ArchiveKind =
  | { readonly kind: "tar"; readonly compression: Compression }
  | { readonly kind: "zip" }
  /** One packed file; it is unpacked beside itself, under the name without the last ending. */
  | { readonly kind: "single"; readonly compression: Compression };

const ENDINGS: readonly (readonly [string, ArchiveKind])[] = [
  [".tar", { kind: "tar", compression: "none" }],
  [".tgz", { kind: "tar", compression: "gzip" }],
  [".tar.gz", { kind: "tar", compression: "gzip" }],
  [".tbz2", { kind: "tar", compression: "bzip2" }],
  [".tar.bz2", { kind: "tar", compression: "bzip2" }],
  [".txz", { kind: "tar", compression: "xz" }],
  [".tar.xz", { kind: "tar", compression: "xz" }],
  [".tar.zst", { kind: "tar", compression: "zstd" }],
  [".zip", { kind: "zip" }],
  [".gz", { kind: "single", compression: "gzip" }],
  [".bz2", { kind: "single", compression: "bzip2" }],
  [".xz", { kind: "single", compression: "xz" }],
  [".zst", { kind: "single", compression: "zstd" }],
];

/** Undefined for a file that is no archive; a name that is nothing but an ending is none. */
export function archiveKindOf(name: string): ArchiveKind | undefined {
  return ENDINGS.find(([ending]) => name.endsWith(ending) && name.length > ending.length)?.[1];
}
