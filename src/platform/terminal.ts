/** The terminals of whatever platform this is; undefined where there are none. */
import type { OpenTerminal } from "../base/ports.ts";

export async function loadTerminals(): Promise<OpenTerminal | undefined> {
  if (!("Bun" in globalThis)) return undefined;
  return (await import("./terminal-bun.ts")).openBunTerminal;
}
