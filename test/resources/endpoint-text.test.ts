/** The fast text of resources says what the plain way says. */
import { expect, test } from "bun:test";
import type { Resource } from "../../src/protocol/v1/types.ts";
import { Bundle } from "../../src/resources/bundle.ts";
import { ResourcesWriter } from "../../src/resources/endpoint-text.ts";
import { toEndpointResources } from "../../src/resources/format.ts";
import { ResourceKinds } from "../../src/resources/kinds.ts";

const kinds = new ResourceKinds();
const cpus = (value: number): Resource => ({ name: "cpus", type: "SCALAR", scalar: { value } });
const ports: Resource = {
  name: "ports",
  type: "RANGES",
  ranges: { range: [{ begin: 5, end: 9 }] },
};
const morePorts: Resource = { ...ports, ranges: { range: [{ begin: 1, end: 6 }] } };
const reserved: Resource = {
  name: "mem",
  type: "SCALAR",
  scalar: { value: 512.5 },
  reservations: [{ type: "STATIC", role: "web" }],
};
const volume: Resource = {
  name: "disk",
  type: "SCALAR",
  scalar: { value: 10 },
  reservations: [{ type: "STATIC", role: "web" }],
  disk: { persistence: { id: "v" }, volume: { mode: "RW", container_path: "v" } },
};

const CASES: readonly (readonly [string, readonly (readonly Resource[])[]])[] = [
  ["nothing", []],
  ["the common scalars", [[cpus(0.1), reserved]]],
  ["a sum", [[cpus(0.1)], [cpus(0.2)], []]],
  ["united ranges", [[ports], [morePorts]]],
  ["a scalar of another name", [[{ ...cpus(3), name: 'a "name"' }]]],
  ["a set", [[{ name: "zones", type: "SET", set: { item: ["b", "a"] } }]]],
  ["revocable ones", [[cpus(1), { ...cpus(2), revocable: {} }]]],
  ["a volume", [[volume]]],
  ["a shared volume in two places", [[{ ...volume, shared: {} }], [{ ...volume, shared: {} }]]],
];

test.each(CASES)("%s [http-api 9.1]", (_, parts) => {
  const bundles = parts.map((resources) => Bundle.from(kinds, resources));
  const plain = toEndpointResources(bundles.flatMap((bundle) => bundle.toResources()));
  expect(JSON.parse(new ResourcesWriter().sumText(bundles))).toEqual(plain);
});

test("only the kinds that are wanted count", () => {
  const bundle = Bundle.from(kinds, [cpus(1), reserved]);
  const text = new ResourcesWriter().sumText([bundle], (kind) => kind.reservations.length > 0);
  expect(JSON.parse(text)).toEqual({ cpus: 0, gpus: 0, mem: 512.5, disk: 0 });
});

test("what was written before has no say", () => {
  const writer = new ResourcesWriter();
  for (const [, parts] of CASES) {
    for (const resources of parts) {
      const bundle = Bundle.from(kinds, resources);
      const plain = toEndpointResources(bundle.toResources());
      expect(JSON.parse(writer.text(bundle))).toEqual(plain);
    }
  }
});
