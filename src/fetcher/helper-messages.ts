/**
 * What an agent and its fetch helper say to each other: lines of JSON, the job first. Both are the
 * same program of the same version.
 */
import type { ArchiveKind } from "./archive-kind.ts";
import type { Checksum, FetchSource } from "./fetch-plan.ts";

/** The helper's work. */
export interface FetchJob {
  /**
   * Where files go; absolute, and led to by a descriptor where others may change what its name leads to.
   * Not the folder it starts in, where others might leave it settings.
   */
  readonly folder: string;
  /** Whom the helper becomes before it does anything. */
  readonly user: { readonly name: string; readonly uid: number; readonly gid: number } | undefined;
  readonly stallTimeoutMs: number;
  /** Done one after the other; the first failure ends all. */
  readonly items: readonly FetchItem[];
}

/** `descriptor`: a file that the helper was started with. */
export type ItemSource = FetchSource | { readonly kind: "descriptor"; readonly descriptor: number };

export interface FetchItem {
  readonly source: ItemSource;
  readonly shown: string;
  /** A place in the folder, or an empty file that the helper was started with. */
  readonly target: string | { readonly descriptor: number };
  readonly checksum: Checksum | undefined;
  readonly isExecutable: boolean;
  readonly archive: ArchiveKind | undefined;
  /** The size is told first, and the helper waits for leave. */
  readonly asksForRoom: boolean;
}

/** From the helper. `item` is an index. */
export type HelperEvent =
  /** Undefined when the source does not say; then there is no leave to wait for. */
  | { readonly kind: "size"; readonly bytes: number | undefined }
  | {
      readonly kind: "progress";
      readonly item: number;
      readonly bytes: number;
      readonly totalBytes: number | undefined;
    }
  | {
      readonly kind: "resumed";
      readonly item: number;
      readonly reason: string;
      readonly bytes: number;
    }
  | { readonly kind: "fetched"; readonly item: number; readonly bytes: number }
  | { readonly kind: "done" }
  /** `message` is fit for a task status. */
  | { readonly kind: "failed"; readonly message: string };

/** Leave to go on after `size`; without it the helper ends when its stdin does. */
export const GO_WORD = "go";
