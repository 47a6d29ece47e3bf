/** Reads the files that flags name: whole, UTF-8, bounded. */
import { readFileSync, statSync } from "node:fs";
import { ok, type Result, refuse } from "../../base/result.ts";
import { decodeUtf8 } from "../../base/text.ts";
import { VALUE_BYTES_MAX } from "./limits.ts";

/** The text of a file. Errors: notFound, tooLarge, invalid (no UTF-8, or it cannot be read). */
export function readTextFile(path: string): Result<string> {
  try {
    const { size } = statSync(path);
    if (size > VALUE_BYTES_MAX) {
      return refuse("tooLarge", `${path} has ${size} bytes, above the limit of ${VALUE_BYTES_MAX}`);
    }
    const text = decodeUtf8(readFileSync(path));
    return text === undefined ? refuse("invalid", `${path} is not UTF-8 text`) : ok(text);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const code = "code" in error ? String(error.code) : "";
    if (code === "ENOENT") return refuse("notFound", `there is no file ${path}`);
    return refuse("invalid", `cannot read ${path}: ${code === "" ? error.message : code}`);
  }
}

/** A file that only its owner should be able to read. */
export interface SecretFile {
  readonly text: string;
  /** Others on this machine can read or change it. */
  readonly isExposed: boolean;
}

/** A file of secrets. Errors: as `readTextFile`. */
export function readSecretFile(path: string): Result<SecretFile> {
  const text = readTextFile(path);
  if (!text.ok) return text;
  return ok({ text: text.value, isExposed: (statSync(path).mode & 0o007) !== 0 });
}
