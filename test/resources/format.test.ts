/** Resources in the JSON of the v0 endpoints. */
import { expect, test } from "bun:test";
import type { Resource } from "../../src/protocol/v1/types.ts";
import { toEndpointResources } from "../../src/resources/format.ts";

test("resources add up by name, exactly, with ranges joined [http-api 9.1]", () => {
  const resources: Resource[] = [
    { name: "cpus", type: "SCALAR", scalar: { value: 0.1 } },
    { name: "cpus", type: "SCALAR", scalar: { value: 0.2 }, role: "web" },
    { name: "cpus", type: "SCALAR", scalar: { value: 1 }, revocable: {} },
    { name: "ports", type: "RANGES", ranges: { range: [{ begin: 5, end: 6 }] } },
    { name: "ports", type: "RANGES", ranges: { range: [{ begin: 1, end: 4 }] } },
    { name: "zones", type: "SET", set: { item: ["b", "a"] } },
  ];
  expect(toEndpointResources(resources)).toEqual({
    cpus: 0.3,
    gpus: 0,
    mem: 0,
    disk: 0,
    cpus_revocable: 1,
    ports: "[1-6]",
    zones: "{b, a}",
  });
});
