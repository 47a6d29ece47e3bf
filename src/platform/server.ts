/** Chooses the one HTTP and WebSocket server of a role: Bun's or Deno's, by where we run. */
import type { Serve } from "./server-types.ts";

/** Loads the server of the platform we run on. */
export async function loadServe(): Promise<Serve> {
  if ("Bun" in globalThis) return (await import("./bun-server.ts")).serveOnBun;
  if ("Deno" in globalThis) return (await import("./deno-server.ts")).serveOnDeno;
  throw new Error("allot runs on Bun or Deno; start it with the compiled binary or `deno run -A`");
}
