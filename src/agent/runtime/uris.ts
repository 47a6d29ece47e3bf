/** What comes before the containerizer's part of a launch: the URIs of the command. */
import type { FetchRequest } from "../../fetcher/fetcher.ts";
import type { CommandInfoURI } from "../../protocol/v1/types.ts";
import type { UriFetcher } from "./ports.ts";

/** Rejects when they cannot be had, and when the container is not wanted any more. */
export async function fetchUris(
  fetcher: UriFetcher,
  request: Omit<FetchRequest, "uris"> & { readonly uris: readonly CommandInfoURI[] | undefined },
  unwanted: AbortSignal,
): Promise<void> {
  const { uris = [] } = request;
  if (uris.length > 0) await fetcher.fetch({ ...request, uris }, unwanted);
  if (unwanted.aborted) throw new Error("the container was destroyed during its launch");
}
