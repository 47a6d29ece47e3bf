/** First bytes of a CBOR text (0x60) or array (0x80) of a 16-bit length. */
export function cborHead(type: number, length: number): readonly number[] {
  if (length < 24) return [type | length];
  return length < 256 ? [type | 24, length] : [type | 25, length >> 8, length & 0xff];
}
