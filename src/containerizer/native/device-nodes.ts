/** Devices of this host by their nodes. */
import { statSync } from "node:fs";
import type { DeviceNode } from "./device-rules.ts";

/** What the node at this path is; undefined where there is none. Links are followed. */
export function deviceAt(path: string): DeviceNode | undefined {
  const stat = statSync(path, { throwIfNoEntry: false, bigint: true });
  if (stat === undefined) return undefined;
  const isCharacter = stat.isCharacterDevice();
  if (!isCharacter && !stat.isBlockDevice()) return undefined;
  const { rdev } = stat;
  return {
    type: isCharacter ? "character" : "block",
    // As the C library packs them: 12 bits of the major and 20 of the minor number below 32 bits.
    major: Number(((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & ~0xfffn)),
    minor: Number((rdev & 0xffn) | ((rdev >> 12n) & ~0xffn)),
  };
}
