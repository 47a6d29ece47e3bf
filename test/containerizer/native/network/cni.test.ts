/** Networks, inputs and answers of CNI plugins as data, the files made of them, and who gets which. */
import { describe, expect, test } from "bun:test";
import { brand, type ContainerId } from "../../../../src/base/ids.ts";
import type { ContainerSpec } from "../../../../src/containerizer/containerizer.ts";
import {
  type CniNetwork,
  canMapPorts,
  parseNetwork,
  pluginInput,
  programsOf,
} from "../../../../src/containerizer/native/network/cni-network.ts";
import {
  addressesIn,
  complaintIn,
  dnsIn,
  parseResult,
} from "../../../../src/containerizer/native/network/cni-result.ts";
import { chooseNetwork } from "../../../../src/containerizer/native/network/network-choice.ts";
import {
  hostsText,
  resolverText,
} from "../../../../src/containerizer/native/network/network-files.ts";
import type { ContainerInfo, NetworkInfo } from "../../../../src/protocol/v1/types.ts";

describe("networks of CNI", () => {
  test("a file is one plugin or a list of them [CNI 1.0 §1]", () => {
    const single = networkIn('{"name": "n", "type": "bridge", "ipam": {"type": "host-local"}}');
    expect(programsOf(single)).toEqual(["bridge", "host-local"]);
    expect(canMapPorts(single)).toBe(false);
    const list = networkIn(
      '{"name": "n", "cniVersion": "1.0.0", "plugins": [{"type": "ptp"}, {"type": "portmap", "capabilities": {"portMappings": true}}]}',
    );
    expect(programsOf(list)).toEqual(["ptp", "portmap"]);
    expect(canMapPorts(list)).toBe(true);
    expect(canMapPorts(networkIn('{"name": "n", "type": "mesos-cni-port-mapper"}'))).toBe(true);
  });

  test("what is no network is told with the reason [issue 4]", () => {
    const faults: readonly (readonly [string, string])[] = [
      ["{", "is no JSON: "],
      ["[]", "is no JSON object"],
      ['{"type": "bridge"}', "has no name"],
      ['{"name": "../n", "type": "bridge"}', "has no name"],
      ['{"name": "n"}', "without a type"],
      ['{"name": "n", "type": "../bridge"}', "without a type"],
      ['{"name": "n", "plugins": []}', "no list of 1 to 16"],
      ['{"name": "n", "plugins": [7]}', "no JSON object"],
      ['{"name": "n", "cniVersion": 1, "type": "bridge"}', "no text"],
      ['{"name": "n", "type": "x", "args": 1}', "args that are no JSON object"],
      ['{"name": "n", "type": "x", "args": {"org.apache.mesos": {}}}', "reserved"],
    ];
    for (const [text, message] of faults) {
      const network = parseNetwork(text);
      expect(network.ok ? text : network.error.message).toContain(message);
    }
  });

  test("a plugin is told of the task's wishes as Mesos does, and of ports where it maps them [CNI 1.0 §2]", () => {
    const network = networkIn(
      '{"name": "n", "cniVersion": "0.4.0", "plugins": [{"type": "a", "args": {"own": 1}}, {"type": "b", "capabilities": {"portMappings": true}}]}',
    );
    const [first = {}, second = {}] = network.plugins;
    const info: NetworkInfo = {
      name: "n",
      port_mappings: [{ host_port: 31000, container_port: 80, protocol: "UDP" }],
    };
    const args = { "org.apache.mesos": { network_info: info } };
    expect(pluginInput(network, first, { info, prevResult: undefined })).toEqual({
      type: "a",
      name: "n",
      cniVersion: "0.4.0",
      args: { own: 1, ...args },
    });
    expect(pluginInput(network, second, { info, prevResult: { ips: [] } })).toMatchObject({
      args,
      runtimeConfig: { portMappings: [{ hostPort: 31000, containerPort: 80, protocol: "udp" }] },
      prevResult: { ips: [] },
    });
  });
});

describe("answers of CNI plugins", () => {
  test("addresses and resolvers are read in the form of every version [CNI 0.2.0, 1.0 §5]", () => {
    const old = { ip4: { ip: "10.1.2.3/16" }, ip6: { ip: "fd00::2/64" } };
    expect(addressesIn(old)).toEqual([
      { protocol: "IPv4", ip_address: "10.1.2.3" },
      { protocol: "IPv6", ip_address: "fd00::2" },
    ]);
    const ips = [
      { address: "fd00::3/64" },
      { address: "10.1.2.4/16", version: "4" },
      { address: 7 },
    ];
    expect(addressesIn({ ips }).map(({ ip_address: ip }) => ip)).toEqual(["10.1.2.4", "fd00::3"]);
    expect(addressesIn({ ips: [{ address: "10.1.2.4\nevil host" }] })).toEqual([]);
    const dns = { nameservers: ["10.0.0.1", "bad one"], domain: "a b", search: ["c", "d\ne"] };
    expect(dnsIn({ dns })).toEqual({
      nameservers: ["10.0.0.1"],
      domain: undefined,
      search: ["c"],
      options: [],
    });
  });

  test("a complaint is the plugin's own words, from wherever they come", () => {
    expect(complaintIn('{"code": 7, "msg": "full", "details": "of it"}', "")).toBe("full; of it");
    expect(complaintIn("", "panic\n")).toBe("panic");
    expect(complaintIn("", "")).toBe("it said nothing");
    expect(parseResult("oops")).toMatchObject({ ok: false });
  });

  test("files tell the container's own name and resolvers that it can reach", () => {
    const addresses = [
      { protocol: "IPv4", ip_address: "10.0.0.2" },
      { protocol: "IPv4", ip_address: "10.1.0.2" },
      { protocol: "IPv6", ip_address: "fd00::2" },
    ] as const;
    expect(hostsText("name", addresses)).toBe(
      "127.0.0.1 localhost\n::1 localhost\n10.0.0.2 name\nfd00::2 name\n",
    );
    const stub = "nameserver 127.0.0.53\n";
    const real = "nameserver 192.0.2.1\n";
    expect(resolverText([], [stub, real])).toBe(real);
    expect(resolverText([], [stub])).toBe(stub);
    expect(resolverText([], [])).toBe("");
    const dns = { nameservers: ["10.0.0.1"], domain: "d", search: ["s", "t"], options: ["o"] };
    expect(resolverText([dns], [real])).toBe(
      "domain d\nsearch s t\nnameserver 10.0.0.1\noptions o\n",
    );
  });
});

describe("who gets which network", () => {
  const ownerOf = (id: ContainerId): ContainerId | undefined =>
    id === "parent" ? brand("owner") : undefined;
  const choose = (more: Partial<ContainerSpec>): ReturnType<typeof chooseNetwork> =>
    chooseNetwork(specOf(more), ownerOf);

  test("the host's unless a name is given; nested ones share unless they list networks [semantics 7.16]", () => {
    expect(choose({})).toBeUndefined();
    expect(choose({ container: listing({}) })).toBeUndefined();
    expect(choose({ container: listing({ name: "n" }) })).toMatchObject({
      ownerId: "own",
      made: { hostname: "own" },
    });
    const parentId = brand<ContainerId>("parent");
    expect(choose({ parentId })).toEqual({ ownerId: brand("owner"), made: undefined });
    expect(choose({ parentId, container: listing({}) })).toBeUndefined();
    expect(choose({ parentId: brand<ContainerId>("elsewhere") })).toBeUndefined();
    const groupId = brand<ContainerId>("group");
    const group = { groupId, container: { ...listing({ name: "n" }), hostname: "pod" } };
    expect(choose({ group })).toMatchObject({ ownerId: "group", made: { hostname: "pod" } });
    expect(choose({ group, container: listing({ name: "m" }) })).toMatchObject({ ownerId: "own" });
    expect(choose({ group: { groupId, container: undefined } })).toBeUndefined();
  });

  test("what cannot be granted is refused with the field [issue 4]", () => {
    const mapping = (port_mappings: NetworkInfo["port_mappings"]): ContainerInfo =>
      listing({ name: "n", port_mappings });
    const range = [{ begin: 31000, end: 31010 }];
    const resources = [{ name: "ports", type: "RANGES", ranges: { range } }] as const;
    const faults: readonly (readonly [ContainerInfo, string])[] = [
      [listing({ name: "n" }, { name: "n" }), "the network n is listed more than once"],
      [listing(...Array.from({ length: 17 }, (_, at) => ({ name: `n${at}` }))), "at most 16"],
      [{ ...listing({ name: "n" }), hostname: "a b" }, "container.hostname"],
      [mapping([{ host_port: 80, container_port: 80 }]), "not among the ports"],
      [mapping([{ host_port: 31000, container_port: 0 }]), "numbers from 1 to 65535"],
      [mapping([{ host_port: 31000, container_port: 1, protocol: "x" }]), "no protocol of ports"],
    ];
    for (const [container, message] of faults) {
      expect(() => choose({ container, resources })).toThrow(message);
    }
    const good = mapping([{ host_port: 31000, container_port: 80, protocol: "TCP" }]);
    expect(choose({ container: good, resources })).toBeDefined();
  });
});

function networkIn(text: string): CniNetwork {
  const network = parseNetwork(text);
  if (!network.ok) throw new Error(network.error.message);
  return network.value;
}

function listing(...network_infos: readonly NetworkInfo[]): ContainerInfo {
  return { type: "MESOS", network_infos };
}

function specOf(more: Partial<ContainerSpec>): ContainerSpec {
  return {
    containerId: brand<ContainerId>("own"),
    command: { value: "true" },
    environment: {},
    directory: "/sandbox",
    user: undefined,
    resources: [],
    ...more,
  };
}
