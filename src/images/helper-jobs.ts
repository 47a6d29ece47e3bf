/** What an image helper is told to do; it speaks as a fetch helper does (fetcher/helper-messages.ts). */
import type { BlobPlace } from "./image-source.ts";

export type ImageJob = LayerJob | ArchiveJob | CopyJob;

/** Gets one layer and unpacks it into `root`, with `layer.json` beside it. */
export interface LayerJob {
  readonly kind: "layer";
  /** Empty, absolute. */
  readonly folder: string;
  readonly place: BlobPlace;
  /** Of the blob as it is stored. */
  readonly digest: string | undefined;
  readonly bytes: number | undefined;
  /** Of what is in the packing. */
  readonly diffId: string;
  readonly stallTimeoutMs: number;
}

/** Unpacks an archive of images. */
export interface ArchiveJob {
  readonly kind: "archive";
  readonly folder: string;
  readonly path: string;
}

/** Copies layers over each other, the lowest first. */
export interface CopyJob {
  readonly kind: "copy";
  readonly folder: string;
  readonly layers: readonly UnpackedLayer[];
}

/** Folder of an unpacked layer and what it takes away from those below it; paths without `./`. */
export interface UnpackedLayer {
  /** Absolute. */
  readonly root: string;
  /** What is gone. */
  readonly whiteouts: readonly string[];
  /** Folders of which nothing from below is seen. */
  readonly opaques: readonly string[];
  /** Folders that the layer only has something in: what they are like is said below, if anywhere. */
  readonly implied: readonly string[];
}

/** What is in `layer.json`. */
export type LayerFacts = Omit<UnpackedLayer, "root"> & { readonly bytes: number };

export const LAYER_ROOT = "root";
export const LAYER_FACTS = "layer.json";
