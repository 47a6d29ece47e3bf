/** A fetcher for agents whose tasks have no URIs, or only pretend to have them. */
import type { UriFetcher } from "../../src/agent/runtime/ports.ts";

export const NO_FETCHER: UriFetcher = { fetch: () => Promise.resolve(), metrics: () => ({}) };
