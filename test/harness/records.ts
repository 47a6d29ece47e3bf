/** RecordIO, read by code of its own. */

/** A decimal length, a line feed, that many bytes. */
export async function* records(body: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  let buffer = new Uint8Array();
  for await (const chunk of body) {
    const joined = new Uint8Array(buffer.length + chunk.length);
    joined.set(buffer);
    joined.set(chunk, buffer.length);
    buffer = joined;
    for (;;) {
      const lineFeed = buffer.indexOf(10);
      if (lineFeed < 0) break;
      const end = lineFeed + 1 + Number(new TextDecoder().decode(buffer.subarray(0, lineFeed)));
      if (buffer.length < end) break;
      yield buffer.subarray(lineFeed + 1, end);
      buffer = buffer.slice(end);
    }
  }
}

/** One record with its length. */
export function frameRecord(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const header = new TextEncoder().encode(`${bytes.length}\n`);
  const framed = new Uint8Array(header.length + bytes.length);
  framed.set(header);
  framed.set(bytes, header.length);
  return framed;
}
