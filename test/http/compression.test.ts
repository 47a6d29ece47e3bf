/** When answers are compressed, and that they stay the same inside. */
import { expect, test } from "bun:test";
import { gunzipSync } from "node:zlib";
import { allowsGzip, compressed } from "../../src/http/compression.ts";
import { jsonResponse, textResponse } from "../../src/http/responses.ts";

const request = (acceptEncoding?: string): Request =>
  new Request("http://master/state", {
    headers: acceptEncoding === undefined ? {} : { "Accept-Encoding": acceptEncoding },
  });

test("gzip is allowed by its name or a star, and refused by q=0 [http-api 2.1]", () => {
  for (const header of ["gzip", "deflate, GZIP;q=0.5", "*", "br, *;q=0.1", "*;q=0, gzip"]) {
    expect([header, allowsGzip(header)]).toEqual([header, true]);
  }
  for (const header of [null, "", "br", "gzip;q=0", "*;q=0.000", "gzip;q=0, *"]) {
    expect([header, allowsGzip(header)]).toEqual([header, false]);
  }
});

test("a body of 1024 bytes is compressed, one below is not [http-api 2.1]", async () => {
  const large = await compressed(textResponse(409, "x".repeat(1024)), request("gzip"));
  expect(large.status).toBe(409);
  expect(large.headers.get("content-encoding")).toBe("gzip");
  const body = new Uint8Array(await large.arrayBuffer());
  expect(large.headers.get("content-length")).toBe(String(body.length));
  expect(gunzipSync(body).toString()).toBe("x".repeat(1024));
  const small = await compressed(textResponse(200, "x".repeat(1023)), request("gzip"));
  expect(small.headers.get("content-encoding")).toBeNull();
});

test("without leave, and for streams, bodies go as they are [http-api 2.1]", async () => {
  const plain = await compressed(jsonResponse("ä".repeat(2000)), request());
  expect(plain.headers.get("content-encoding")).toBeNull();
  expect(plain.headers.get("content-length")).toBe("4002");
  expect(await plain.json()).toBe("ä".repeat(2000));
  const stream = new Response(new ReadableStream(), {
    headers: { "Content-Type": "application/json" },
  });
  expect(await compressed(stream, request("gzip"))).toBe(stream);
});
