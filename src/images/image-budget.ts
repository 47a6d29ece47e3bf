/** Which images that nothing uses are to go, by age and by what all may take. Pure. */
import type { AgedImage, StoredImage } from "./image-store.ts";

export interface ImageBudget {
  /** How long an image is kept that nothing uses; undefined for as long as there is room. */
  readonly maxAgeMs: number | undefined;
  /** What the layers of all images may take; undefined for no bound. */
  readonly maxBytes: number | undefined;
}

export interface ImageStock {
  /** Those that nothing uses and nobody wants to be kept. */
  readonly unused: readonly AgedImage[];
  /** Digests of layers that stay whatever goes. */
  readonly keptLayers: ReadonlySet<string>;
  readonly bytesOf: (digest: string) => number;
}

/** The longest unused go first: all that are too old, then as many as the rest is too large for. */
export function imagesToRemove(
  { unused, keptLayers, bytesOf }: ImageStock,
  { maxAgeMs = Number.POSITIVE_INFINITY, maxBytes = Number.POSITIVE_INFINITY }: ImageBudget,
  nowMs: number,
): AgedImage[] {
  const isOld = ({ usedAtMs }: AgedImage): boolean => nowMs - usedAtMs >= maxAgeMs;
  const gone = unused.filter(isOld);
  const others = unused
    .filter((image) => !isOld(image))
    .toSorted((left, right) => left.usedAtMs - right.usedAtMs);
  const users = new Map<string, number>([...keptLayers].map((digest) => [digest, 1]));
  for (const digest of others.flatMap(layersOf)) users.set(digest, (users.get(digest) ?? 0) + 1);
  let bytes = [...users.keys()].reduce((sum, digest) => sum + bytesOf(digest), 0);
  for (const image of others) {
    if (bytes <= maxBytes) break;
    gone.push(image);
    for (const digest of layersOf(image)) {
      const left = (users.get(digest) ?? 0) - 1;
      users.set(digest, left);
      if (left === 0) bytes -= bytesOf(digest);
    }
  }
  return gone;
}

/** An image may have the same layer twice. */
function layersOf({ layers }: StoredImage): string[] {
  return [...new Set(layers)];
}
