/** When a master that was alone may publish its registry, and what stands in the way. */
import { describe, expect, test } from "bun:test";
import { emptyRegistry } from "../../src/registry/core/registry-state.ts";
import type { RegistryImage } from "../../src/registry/store/registry-image.ts";
import { faultOfJoining } from "../../src/roles/join-ensemble-tools.ts";

const image = (cluster: string, position: number): RegistryImage => ({
  cluster,
  mark: { position, hash: position === 0 ? "" : "h" },
  state: emptyRegistry(),
  masters: [],
});
const at = { place: "zk://a:1/x", standing: [] };

describe("a registry", () => {
  test("is published where there is none, and nobody stands who would publish another", () => {
    expect(faultOfJoining(image("c", 0), undefined, at)).toBeUndefined();
    const fault = faultOfJoining(image("c", 0), undefined, { ...at, standing: ["b:5050"] });
    expect(fault).toContain("b:5050; stop them");
  });

  test("that has been published is found to be there", () => {
    expect(
      faultOfJoining(image("c", 1), image("c", 9), { ...at, standing: ["b:5050"] }),
    ).toBeUndefined();
  });

  test("of another cluster is left alone, with what it holds", () => {
    const fault = faultOfJoining(image("c", 0), image("d", 4), at);
    expect(fault).toContain("of another cluster (d: 0 agents, 0 quotas and 0 weights)");
    expect(fault).toContain("choose another path");
  });

  test("of this cluster of which the file is no part is not overwritten", () => {
    const fault = faultOfJoining(image("c", 0), image("c", 4), at);
    expect(fault).toContain("is no part of it");
    expect(fault).toContain("allot registry restore");
  });
});
