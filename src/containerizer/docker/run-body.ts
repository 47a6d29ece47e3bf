/** The body of `POST /containers/create` while it is put together. */

/** Settings by the Engine's own names; the values are JSON. */
export type Settings = Record<string, unknown>;

export class RunBody {
  /** Of the container itself. */
  readonly config: Settings = {};
  /** Of the host's part in it. */
  readonly host: Settings = {};
  /** Of the network it joins. */
  readonly endpoint: Settings = {};

  /** Adds to a list. */
  push(settings: Settings, key: string, value: unknown): void {
    const list = settings[key];
    settings[key] = [...(Array.isArray(list) ? list : []), value];
  }

  /** Sets an entry of a map. */
  put(settings: Settings, key: string, [name, value]: readonly [string, unknown]): void {
    const map = settings[key];
    settings[key] = { ...(typeof map === "object" ? map : {}), [name]: value };
  }

  /** Makes a port of the container reachable at one of the host. */
  publish(port: string, binding: { readonly HostIp: string; readonly HostPort: string }): void {
    this.put(this.config, "ExposedPorts", [port, {}]);
    const bindings = this.host["PortBindings"];
    const known = typeof bindings === "object" && bindings !== null ? bindings : {};
    const others = Object.entries(known).find(([name]) => name === port)?.[1];
    const all: readonly unknown[] = Array.isArray(others) ? others : [];
    this.put(this.host, "PortBindings", [port, [...all, binding]]);
  }

  /** What is sent. */
  toJson(): Settings {
    const network = this.host["NetworkMode"];
    const hasEndpoint = typeof network === "string" && Object.keys(this.endpoint).length > 0;
    return {
      ...this.config,
      HostConfig: this.host,
      ...(hasEndpoint
        ? { NetworkingConfig: { EndpointsConfig: { [network]: this.endpoint } } }
        : {}),
    };
  }
}
