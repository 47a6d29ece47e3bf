/**
 * Bytes as base64 text, the in-memory form of every `bytes` field, and UUIDs between their text
 * form (headers, logs) and base64 of their 16 raw bytes (messages). Texts are always canonical:
 * standard alphabet, padded, unused bits zero; so equal bytes are equal strings.
 */
import { UUID_BYTES } from "./limits.ts";

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE64_TEXT = /^[A-Za-z0-9+/]*={0,2}$/;
const UUID_TEXT = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Canonical base64 of the bytes. */
export function encodeBase64(bytes: Uint8Array): string {
  return bytes.toBase64();
}

/** The bytes of a base64 text, padded or not, or undefined when it is not base64. */
export function decodeBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  const canonical = canonicalBase64(text);
  return canonical === undefined ? undefined : Uint8Array.fromBase64(canonical);
}

/** The canonical form of a base64 text, or undefined when it is not base64. */
export function canonicalBase64(text: string): string | undefined {
  if (!BASE64_TEXT.test(text)) return undefined;
  const padding = text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0;
  const digits = text.length - padding;
  const rest = digits % 4;
  if (rest === 1 || (padding > 0 && text.length % 4 !== 0)) return undefined;
  if (rest === 0) return text;
  // The last digit carries 2 or 4 unused bits; some encoders leave rubbish in them.
  const last = ALPHABET.indexOf(text.charAt(digits - 1));
  const mask = rest === 2 ? 0b110000 : 0b111100;
  // The text itself wherever it will do: one that is put together is several objects.
  if ((last & mask) === last && padding === 4 - rest) return text;
  return text.slice(0, digits - 1) + ALPHABET.charAt(last & mask) + (rest === 2 ? "==" : "=");
}

/** How many bytes a canonical base64 text stands for. */
export function base64Bytes(canonical: string): number {
  const padding = canonical.endsWith("==") ? 2 : canonical.endsWith("=") ? 1 : 0;
  return (canonical.length / 4) * 3 - padding;
}

/** Base64 of the 16 raw bytes of a UUID in text form, or undefined when the text is no UUID. */
export function uuidToBase64(text: string): string | undefined {
  if (!UUID_TEXT.test(text)) return undefined;
  return Uint8Array.fromHex(text.replaceAll("-", "")).toBase64();
}

/** The lower-case text form of a UUID given as base64, or undefined unless it is 16 raw bytes. */
export function base64ToUuid(base64: string): string | undefined {
  const bytes = decodeBase64(base64);
  if (bytes?.length !== UUID_BYTES) return undefined;
  const hex = bytes.toHex();
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join("-");
}
