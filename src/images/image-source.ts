/** Where images come from: what a registry and a folder of archives have in common. */
import type { ImageConfig } from "./manifest.ts";

/** An image that is known in full, before any layer of it is here. */
export interface FoundImage {
  readonly config: ImageConfig;
  /** As many as `config.layers`, in the same order. */
  readonly layers: readonly LayerSource[];
  /** Whatever was made for the finding is no longer needed. Never rejects. */
  close(): Promise<void>;
}

export interface LayerSource {
  /** What a helper reads; asked for when its turn has come. */
  locate(signal: AbortSignal): Promise<BlobPlace>;
  /** Of the blob as it is stored; undefined where nobody says. */
  readonly digest: string | undefined;
  readonly bytes: number | undefined;
}

export type BlobPlace =
  | {
      readonly kind: "http";
      readonly url: string;
      readonly headers: Readonly<Record<string, string>>;
    }
  | { readonly kind: "file"; readonly path: string };
