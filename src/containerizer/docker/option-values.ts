/**
 * Values of `docker run` options as people write them, read into what the Engine API takes. Errors
 * of all: an `Error` that says what was expected.
 */

const BYTE_UNITS: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
};

const DURATION_NS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** `512m`, `1.5g`, `1048576`; `-1` stands for no bound where Docker allows it. */
export function bytesOf(text: string): number {
  if (text === "-1") return -1;
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?$/i.exec(text);
  const unit = BYTE_UNITS[(match?.[2] ?? "").toLowerCase()];
  if (match?.[1] === undefined || unit === undefined) throw new Error("expected a size as 512m");
  return Math.floor(Number(match[1]) * unit);
}

/** `1m30s` in nanoseconds. */
export function nanosecondsOf(text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)];
  const isWhole = parts.map(([part]) => part).join("") === text;
  if (parts.length === 0 || !isWhole) throw new Error("expected a duration as 1m30s");
  return parts.reduce((sum, [, count, unit]) => {
    return sum + Number(count) * (DURATION_NS[unit ?? ""] ?? 0);
  }, 0);
}

export function integerOf(text: string): number {
  if (!/^-?\d{1,15}$/.test(text)) throw new Error("expected a whole number");
  return Number(text);
}

export function numberOf(text: string): number {
  if (!/^\d{1,15}(?:\.\d{1,9})?$/.test(text)) throw new Error("expected a number");
  return Number(text);
}

/** As Go reads a flag without value, too. */
export function booleanOf(text: string): boolean {
  if (/^(?:|1|t|true)$/i.test(text)) return true;
  if (/^(?:0|f|false)$/i.test(text)) return false;
  throw new Error("expected true or false");
}

/** `key=value`; without the sign the value is empty. */
export function pairOf(text: string): readonly [string, string] {
  const sign = text.indexOf("=");
  const key = sign < 0 ? text : text.slice(0, sign);
  if (key === "") throw new Error("expected key=value");
  return [key, sign < 0 ? "" : text.slice(sign + 1)];
}

/** A pair whose value must be there. */
export function fullPairOf(text: string): readonly [string, string] {
  if (!text.includes("=")) throw new Error("expected key=value");
  return pairOf(text);
}

/** `host[:container[:rwm]]`. */
export function deviceOf(text: string): unknown {
  const [host = "", second, third] = text.split(":");
  const isMode = second !== undefined && third === undefined && /^[rwm]{1,3}$/.test(second);
  const permissions = (isMode ? second : third) ?? "rwm";
  if (!host.startsWith("/") || !/^[rwm]{1,3}$/.test(permissions)) {
    throw new Error("expected /dev/host[:/dev/container[:rwm]]");
  }
  return {
    PathOnHost: host,
    PathInContainer: isMode || second === undefined ? host : second,
    CgroupPermissions: permissions,
  };
}

/** `name=soft[:hard]`. */
export function ulimitOf(text: string): unknown {
  const match = /^(\w+)=(-?\d+)(?::(-?\d+))?$/.exec(text);
  if (match === null) throw new Error("expected name=soft[:hard]");
  const [, name, soft, hard] = match;
  return { Name: name, Soft: Number(soft), Hard: Number(hard ?? soft) };
}

/** `path:rate`, the rate as a size or a number. */
export function throttleOf(text: string): unknown {
  const colon = text.lastIndexOf(":");
  if (!text.startsWith("/") || colon < 0) throw new Error("expected /dev/disk:rate");
  return { Path: text.slice(0, colon), Rate: bytesOf(text.slice(colon + 1)) };
}

/** `path:weight`. */
export function weightOf(text: string): unknown {
  const colon = text.lastIndexOf(":");
  if (!text.startsWith("/") || colon < 0) throw new Error("expected /dev/disk:weight");
  return { Path: text.slice(0, colon), Weight: integerOf(text.slice(colon + 1)) };
}

export interface PublishedPort {
  /** `80/tcp`, as the Engine names it. */
  readonly port: string;
  /** Host side of it; the empty text leaves the choice to the Engine. */
  readonly binding: { readonly HostIp: string; readonly HostPort: string };
}

/** `[[ip:]host:]container[/protocol]`, one port. */
export function publishedPortOf(text: string): PublishedPort {
  const match =
    /^(?:(?:(\[[\da-fA-F:]+\]|[\d.]+):)?(\d{0,5}):)?(\d{1,5})(?:\/(tcp|udp|sctp))?$/.exec(text);
  if (match === null) throw new Error("expected [[ip:]host port:]container port[/protocol]");
  const [, ip = "", host = "", container, protocol = "tcp"] = match;
  return {
    port: `${container}/${protocol}`,
    binding: { HostIp: ip.replace(/[[\]]/g, ""), HostPort: host },
  };
}

/** `port[/protocol]`. */
export function exposedPortOf(text: string): string {
  const match = /^(\d{1,5})(?:\/(tcp|udp|sctp))?$/.exec(text);
  if (match === null) throw new Error("expected port[/protocol]");
  return `${match[1]}/${match[2] ?? "tcp"}`;
}

/** `type=bind,source=…,target=…[,readonly]`, for binds, volumes and tmpfs. */
export function mountOf(text: string): unknown {
  const fields = new Map(text.split(",").map((field) => pairOf(field.trim())));
  const take = (...names: readonly string[]): string | undefined => {
    const found = names.find((name) => fields.has(name));
    const value = found === undefined ? undefined : fields.get(found);
    for (const name of names) fields.delete(name);
    return value;
  };
  const type = take("type") ?? "volume";
  const source = take("source", "src");
  const target = take("target", "destination", "dst");
  const isReadOnly = booleanOf(take("readonly", "ro") ?? "false");
  const propagation = take("bind-propagation");
  const [unknown] = fields.keys();
  if (unknown !== undefined) throw new Error(`${unknown} is not known in a mount`);
  if (!["bind", "volume", "tmpfs"].includes(type)) throw new Error(`${type} is no type of mount`);
  if (target === undefined) throw new Error("expected target=… in a mount");
  return {
    Type: type,
    ...(source === undefined ? {} : { Source: source }),
    Target: target,
    ReadOnly: isReadOnly,
    ...(propagation === undefined ? {} : { BindOptions: { Propagation: propagation } }),
  };
}

/** `all`, or how many. */
export function gpusOf(text: string): unknown {
  const count = text === "all" ? -1 : integerOf(text);
  return { Driver: "", Count: count, Capabilities: [["gpu"]] };
}
