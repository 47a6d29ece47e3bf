/** `/allot/v1/registry/backup`: what a master has of the registry, as one SQLite file. */
import type { Acls } from "../../security/acls.ts";
import type { Endpoint } from "../endpoints.ts";
import { forbiddenResponse } from "../permission.ts";

/** Makes a consistent copy, and hands it over; the master goes on meanwhile. */
export type RegistryCopy = () => Promise<ReadableStream<Uint8Array>>;

/** Of every master: a follower gives the copy that it has. */
export function registryEndpoint(copy: RegistryCopy, acls: Acls): Endpoint {
  return {
    path: "/allot/v1/registry/backup",
    methods: ["GET"],
    isPrefix: false,
    help: "the registry as a SQLite file, for `allot registry restore`",
    answer: async (_, caller) =>
      forbiddenResponse(acls, caller, "operate_masters") ??
      new Response(await copy(), { headers: { "Content-Type": "application/vnd.sqlite3" } }),
  };
}
