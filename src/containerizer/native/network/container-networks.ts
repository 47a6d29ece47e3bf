/**
 * Networks that containers have for themselves: each a namespace and what CNI plugins made in it,
 * from before the first container starts in it until the last one is gone. All that concerns one
 * network happens in turn. What cannot be undone is tried again until it is, over restarts of the
 * agent too, and holds up nobody. Source: CNI specification 1.0, sections 2 to 4; Mesos docs/cni.md.
 */
import { existsSync, readFileSync } from "node:fs";
import type { ContainerId } from "../../../base/ids.ts";
import type { JsonObject } from "../../../base/json.ts";
import type { Clock, Log } from "../../../base/ports.ts";
import type { NetworkInfo, NetworkInfoIPAddress } from "../../../protocol/v1/types.ts";
import { ContainerizerError, type ContainerSpec } from "../../containerizer.ts";
import { CNI_RETRY_MS_MAX, CNI_RETRY_MS_MIN } from "../../limits.ts";
import { type CniCatalog, pluginIn } from "./cni-catalog.ts";
import { canMapPorts, pluginInput, typeOf } from "./cni-network.ts";
import { addressesIn, complaintIn, dnsIn, parseResult } from "./cni-result.ts";
import { requiredProgram, runLocked } from "./helper-program.ts";
import { NamespaceFiles } from "./namespace-files.ts";
import { chooseNetwork, type MadeNetwork, type NetworkWish } from "./network-choice.ts";
import { hostsText, resolverText } from "./network-files.ts";
import { type Attachment, type NetworkRecord, NetworkRecords } from "./network-records.ts";

export interface ContainerNetworksOptions {
  /** Absolute; of this agent alone. */
  readonly folder: string;
  readonly catalog: CniCatalog;
  readonly clock: Clock;
  readonly log: Log;
}

interface Network {
  readonly members: Set<ContainerId>;
  record: NetworkRecord;
  /** Of the next attempt to take it away. */
  retryMs: number;
  cancelRetry: () => void;
}

interface PluginCall {
  readonly command: "ADD" | "DEL";
  readonly ifName: string;
  readonly pluginDirs: readonly string[];
  readonly config: JsonObject;
}

/** Those of the host, in the order in which they are used (systemd has two). */
const RESOLVER_FILES = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];

export class ContainerNetworks {
  readonly #options: ContainerNetworksOptions;
  readonly #records: NetworkRecords;
  readonly #namespaces: NamespaceFiles;
  readonly #networks = new Map<ContainerId, Network>();
  readonly #owners = new Map<ContainerId, ContainerId>();
  readonly #turns = new Map<ContainerId, Promise<void>>();
  #isClosed = false;

  constructor(options: ContainerNetworksOptions) {
    this.#options = options;
    this.#records = new NetworkRecords(options.folder);
    this.#namespaces = new NamespaceFiles(options.folder, options.clock);
  }

  /**
   * File of the namespace that a container is to be in, there or not; undefined for the host's.
   * Errors: `ContainerizerError` naming the field that cannot be granted.
   */
  namespaceFor(spec: ContainerSpec): string | undefined {
    const wish = this.#wishOf(spec);
    return wish === undefined ? undefined : this.#records.pathOf(wish.ownerId, "ns");
  }

  /** File of /etc that such a container is to see; undefined for the host's own. */
  fileFor(spec: ContainerSpec, name: string): string | undefined {
    const wish = this.#wishOf(spec);
    return wish === undefined ? undefined : this.#records.pathOf(wish.ownerId, name);
  }

  /** Is the container in a network that is not the host's? */
  has(containerId: ContainerId): boolean {
    return this.#owners.has(containerId);
  }

  /** What frameworks are told of the container's networks; empty for the host's. */
  infosOf(containerId: ContainerId): NetworkInfo[] {
    return this.#attachmentsOf(containerId).map(({ info, result }) => ({
      ...info,
      ip_addresses: result === undefined ? [] : addressesIn(result),
    }));
  }

  addressesOf(containerId: ContainerId): NetworkInfoIPAddress[] {
    return this.infosOf(containerId).flatMap(({ ip_addresses: addresses }) => addresses ?? []);
  }

  hostnameOf(containerId: ContainerId): string | undefined {
    const ownerId = this.#owners.get(containerId);
    return ownerId === undefined ? undefined : this.#networks.get(ownerId)?.record.hostname;
  }

  /**
   * Puts the container into its network, which is made where it is not there; does nothing for one
   * on the host's. Errors: `ContainerizerError`; then nothing of a network that was to be made is
   * left.
   */
  async join(spec: ContainerSpec): Promise<void> {
    const wish = this.#wishOf(spec);
    if (wish === undefined) return;
    await this.#inTurn(wish.ownerId, () => this.#join(spec.containerId, wish));
  }

  /** Takes the container out, and the network away when it was the last. Safe to repeat. */
  async leave(containerId: ContainerId): Promise<void> {
    const ownerId = this.#owners.get(containerId);
    if (ownerId === undefined) return;
    await this.#inTurn(ownerId, async () => {
      const network = this.#networks.get(ownerId);
      this.#owners.delete(containerId);
      if (network?.members.delete(containerId) !== true) return;
      this.#records.removeMember(ownerId, containerId);
      if (network.members.size === 0) await this.#takeAway(ownerId, network);
    });
  }

  /** After a restart of the agent: what nobody of these is in is taken away, in the background. */
  recover(known: ReadonlySet<ContainerId>): void {
    for (const ownerId of this.#records.list()) {
      const record = this.#records.read(ownerId);
      if (record === undefined && existsSync(this.#records.pathOf(ownerId, "network.json"))) {
        this.#warn("a network's record cannot be read; its interfaces may be left", ownerId);
      }
      const members = new Set<ContainerId>();
      for (const containerId of this.#records.membersOf(ownerId)) {
        if (!known.has(containerId)) {
          this.#records.removeMember(ownerId, containerId);
          continue;
        }
        members.add(containerId);
        this.#owners.set(containerId, ownerId);
      }
      const network: Network = {
        members,
        record: record ?? { hostname: ownerId, pluginDirs: [], attachments: [] },
        retryMs: CNI_RETRY_MS_MIN,
        cancelRetry: () => undefined,
      };
      this.#networks.set(ownerId, network);
      if (members.size === 0) this.#retry(ownerId, network);
    }
    if (this.#networks.size > 0) return;
    // The agent may have ended just before it took the empty folder away.
    this.#namespaces
      .close(() => this.#networks.size > 0)
      .catch((error: unknown) => {
        this.#options.log.write("warning", "the folder of networks is left", { error });
      });
  }

  /** Networks stay; nothing more is tried. */
  close(): void {
    this.#isClosed = true;
    for (const { cancelRetry } of this.#networks.values()) cancelRetry();
  }

  #wishOf(spec: ContainerSpec): NetworkWish | undefined {
    return chooseNetwork(spec, (containerId) => this.#owners.get(containerId));
  }

  #attachmentsOf(containerId: ContainerId): readonly Attachment[] {
    const ownerId = this.#owners.get(containerId);
    if (ownerId === undefined) return [];
    return this.#networks.get(ownerId)?.record.attachments ?? [];
  }

  async #join(containerId: ContainerId, { ownerId, made }: NetworkWish): Promise<void> {
    const existing = this.#networks.get(ownerId);
    if (existing?.members.size === 0) {
      throw new ContainerizerError("The network of the container is still being taken away");
    }
    if (existing === undefined) {
      if (made === undefined) {
        throw new ContainerizerError("The network that the container is to share is gone");
      }
      await this.#make(ownerId, containerId, made);
      return;
    }
    this.#records.addMember(ownerId, containerId);
    existing.members.add(containerId);
    this.#owners.set(containerId, ownerId);
  }

  async #make(
    ownerId: ContainerId,
    containerId: ContainerId,
    { hostname, infos }: MadeNetwork,
  ): Promise<void> {
    const attachments = infos.map((info, index) => this.#attachmentFor(info, index));
    const network: Network = {
      members: new Set([containerId]),
      record: { hostname, pluginDirs: this.#options.catalog.pluginDirs, attachments },
      retryMs: CNI_RETRY_MS_MIN,
      cancelRetry: () => undefined,
    };
    this.#networks.set(ownerId, network);
    this.#owners.set(containerId, ownerId);
    try {
      await this.#namespaces.open();
      this.#records.write(ownerId, network.record);
      this.#records.addMember(ownerId, containerId);
      const file = this.#records.pathOf(ownerId, "ns");
      await this.#namespaces.make(file, this.#lockOf(ownerId));
      await this.#raiseLoopback(ownerId, network.record);
      for (const index of attachments.keys()) await this.#attach(ownerId, network, index);
      this.#writeFiles(ownerId, network.record);
    } catch (error) {
      network.members.clear();
      this.#owners.delete(containerId);
      this.#records.removeMember(ownerId, containerId);
      await this.#takeAway(ownerId, network);
      throw error;
    }
  }

  #attachmentFor(info: NetworkInfo, index: number): Attachment {
    const network = this.#options.catalog.network(info.name ?? "");
    if ((info.port_mappings ?? []).length > 0 && !canMapPorts(network)) {
      throw new ContainerizerError(
        `The CNI network ${network.name} maps no ports: none of its plugins has "capabilities": {"portMappings": true}, as portmap needs`,
      );
    }
    return { ifName: `eth${index}`, info, network, result: undefined };
  }

  async #raiseLoopback(ownerId: ContainerId, { pluginDirs }: NetworkRecord): Promise<void> {
    const { clock } = this.#options;
    const type = "loopback";
    if (pluginIn(pluginDirs, type) !== undefined) {
      const config = { cniVersion: "0.3.1", name: "lo", type };
      await this.#callPlugin(ownerId, { command: "ADD", ifName: "lo", pluginDirs, config });
      return;
    }
    const file = this.#records.pathOf(ownerId, "ns");
    const ip = requiredProgram("ip", "iproute2, or the CNI plugin loopback");
    const nsenter = requiredProgram("nsenter", "util-linux");
    const words = [nsenter, `--net=${file}`, "--", ip, "link", "set", "lo", "up"];
    const { code, stderr } = await runLocked(clock, { words, lock: this.#lockOf(ownerId) });
    if (code === 0) return;
    throw new ContainerizerError(`The loopback interface could not be raised: ${stderr.trim()}`);
  }

  /** Has every plugin of the network work on the interface, and writes down what came of it. */
  async #attach(ownerId: ContainerId, network: Network, index: number): Promise<void> {
    const attachment = network.record.attachments[index];
    if (attachment === undefined) return;
    const { pluginDirs } = network.record;
    let prevResult: JsonObject | undefined;
    for (const plugin of attachment.network.plugins) {
      const input = { ...attachment, result: prevResult };
      const output = await this.#call(ownerId, "ADD", { pluginDirs, plugin, ...input });
      const result = parseResult(output);
      if (!result.ok) {
        throw new ContainerizerError(
          `The CNI plugin ${typeOf(plugin)} ${result.error.message}; it was to attach the container to network ${attachment.network.name}`,
        );
      }
      prevResult = result.value;
    }
    const attachments = network.record.attachments.with(index, {
      ...attachment,
      result: prevResult,
    });
    network.record = { ...network.record, attachments };
    this.#records.write(ownerId, network.record);
  }

  #writeFiles(ownerId: ContainerId, { hostname, attachments }: NetworkRecord): void {
    const results = attachments
      .map(({ result }) => result)
      .filter((result) => result !== undefined);
    const hostTexts = RESOLVER_FILES.filter((path) => existsSync(path)).map((path) =>
      readFileSync(path, "utf8"),
    );
    const files = {
      hosts: hostsText(
        hostname,
        results.flatMap((result) => addressesIn(result)),
      ),
      hostname: `${hostname}\n`,
      "resolv.conf": resolverText(
        results.map((result) => dnsIn(result)),
        hostTexts,
      ),
    };
    for (const [name, text] of Object.entries(files)) {
      this.#records.writeFile(ownerId, name, text);
    }
  }

  /** Undoes everything; what cannot be undone now is tried again later. Never rejects. */
  async #takeAway(ownerId: ContainerId, network: Network): Promise<void> {
    const lock = this.#lockOf(ownerId);
    try {
      await this.#detach(ownerId, network.record);
      await this.#namespaces.release(this.#records.pathOf(ownerId, "ns"), lock);
      await this.#records.remove(ownerId);
      this.#networks.delete(ownerId);
      await this.#namespaces.close(() => this.#networks.size > 0);
    } catch (error) {
      if (!this.#networks.has(ownerId)) {
        this.#warn("the folder of networks could not be taken away", ownerId, error);
        return;
      }
      this.#warn("a network could not be taken away; it is tried again", ownerId, error);
      this.#retryLater(ownerId, network);
    }
  }

  /** All plugins are called, whatever some of them say. Throws the first complaint. */
  async #detach(ownerId: ContainerId, record: NetworkRecord): Promise<void> {
    const { attachments, pluginDirs } = record;
    const errors: unknown[] = [];
    for (const attachment of attachments.toReversed()) {
      for (const plugin of attachment.network.plugins.toReversed()) {
        await this.#call(ownerId, "DEL", { pluginDirs, plugin, ...attachment }).catch(
          (error: unknown) => errors.push(error),
        );
      }
    }
    if (errors.length > 0) throw errors[0];
  }

  #retryLater(ownerId: ContainerId, network: Network): void {
    if (this.#isClosed) return;
    network.cancelRetry = this.#options.clock.schedule(network.retryMs, () =>
      this.#retry(ownerId, network),
    );
    network.retryMs = Math.min(network.retryMs * 2, CNI_RETRY_MS_MAX);
  }

  #retry(ownerId: ContainerId, network: Network): void {
    void this.#inTurn(ownerId, () => this.#takeAway(ownerId, network));
  }

  async #call(
    ownerId: ContainerId,
    command: PluginCall["command"],
    what: Attachment & { readonly pluginDirs: readonly string[]; readonly plugin: JsonObject },
  ): Promise<string> {
    const { ifName, info, network, plugin, pluginDirs, result } = what;
    const config = pluginInput(network, plugin, { info, prevResult: result });
    return await this.#callPlugin(ownerId, { command, ifName, pluginDirs, config });
  }

  /** Resolves with what it wrote. Errors: `ContainerizerError` with what it complains of. */
  async #callPlugin(
    ownerId: ContainerId,
    { command, ifName, pluginDirs, config }: PluginCall,
  ): Promise<string> {
    const { clock } = this.#options;
    const type = typeOf(config);
    const searchPath = pluginDirs.join(":");
    const path = pluginIn(pluginDirs, type);
    if (path === undefined) {
      throw new ContainerizerError(`The CNI plugin ${type} is not in ${searchPath}`);
    }
    const file = this.#records.pathOf(ownerId, "ns");
    const { code, stdout, stderr } = await runLocked(clock, {
      words: [path],
      lock: this.#lockOf(ownerId),
      input: JSON.stringify(config),
      environment: {
        CNI_COMMAND: command,
        CNI_CONTAINERID: ownerId,
        // A namespace that is gone already is no reason to keep its addresses.
        CNI_NETNS: this.#namespaces.isHeld(file) ? file : "",
        CNI_IFNAME: ifName,
        CNI_PATH: searchPath,
      },
    });
    if (code === 0) return stdout;
    const what = command === "ADD" ? "attach the container to" : "detach the container from";
    throw new ContainerizerError(
      `The CNI plugin ${type} failed to ${what} network ${String(config["name"])}: ${complaintIn(stdout, stderr)}`,
    );
  }

  #lockOf(ownerId: ContainerId): string {
    return this.#records.pathOf(ownerId, "lock");
  }

  /** Runs `work` after all that was asked for this network before. */
  #inTurn(ownerId: ContainerId, work: () => Promise<void>): Promise<void> {
    const turn = (this.#turns.get(ownerId) ?? Promise.resolve()).then(work);
    const settled = turn.catch(() => undefined);
    this.#turns.set(ownerId, settled);
    void settled.then(() => {
      if (this.#turns.get(ownerId) === settled) this.#turns.delete(ownerId);
    });
    return turn;
  }

  #warn(message: string, ownerId: ContainerId, error?: unknown): void {
    const fields = error === undefined ? {} : { error };
    this.#options.log.write("warning", message, { container: ownerId, ...fields });
  }
}
