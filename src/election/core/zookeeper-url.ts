/** `zk://[user:password@]host:port[,host:port…][/path]`, as Mesos writes it. Source: semantics 1.1. */
import { ok, type Result, refuse } from "../../base/result.ts";

const SCHEME = "zk://";
const PORT_MAX = 65_535;

/** Where an ensemble is, and under which of its nodes the masters of one cluster meet. */
export interface ZooKeeperUrl {
  /** `host:port`, at least one. */
  readonly servers: readonly string[];
  /** Absolute, without a slash at its end unless it is the root. */
  readonly path: string;
  /** For the `digest` scheme: `user:password`. Never logged. */
  readonly credentials: string | undefined;
}

/** Errors: `invalid`, naming the part that is wrong; the password is not repeated. */
export function parseZooKeeperUrl(text: string): Result<ZooKeeperUrl> {
  if (!text.startsWith(SCHEME)) return bad("it must begin with zk://");
  const rest = text.slice(SCHEME.length);
  // A password may hold slashes no more than a host may, so the path begins at the first one.
  const slash = rest.indexOf("/");
  const authority = slash < 0 ? rest : rest.slice(0, slash);
  const at = authority.lastIndexOf("@");
  const credentials = at < 0 ? undefined : authority.slice(0, at);
  if (credentials !== undefined && !/^[^:]+:./.test(credentials)) {
    return bad("what stands before @ must be user:password");
  }
  const servers = authority.slice(at + 1).split(",");
  for (const server of servers) {
    const match = /^([^:[\]]+):(\d{1,5})$/.exec(server);
    const port = Number(match?.[2]);
    if (match === null || port === 0 || port > PORT_MAX) {
      return bad(`'${server}' must be host:port, with a name or an IPv4 address`);
    }
  }
  const path = slash < 0 ? "/" : rest.slice(slash).replace(/\/+$/, "") || "/";
  const fault = path === "/" ? undefined : faultOfPath(path);
  return fault === undefined ? ok({ servers, path, credentials }) : bad(fault);
}

/** Whether a flag that may be an address is meant as such a URL. */
export function isZooKeeperUrl(text: string): boolean {
  return text.startsWith(SCHEME);
}

/** What ZooKeeper itself would refuse. */
function faultOfPath(path: string): string | undefined {
  for (const part of path.slice(1).split("/")) {
    if (part === "") return "its path has an empty part";
    if (part === "." || part === "..") return "its path must not hold . or ..";
    if (part === "zookeeper" && path.startsWith("/zookeeper")) return "/zookeeper is reserved";
    if (/\p{Cc}/u.test(part)) return "its path holds a control character";
  }
  return undefined;
}

function bad(why: string): Result<never> {
  return refuse(
    "invalid",
    `Not a ZooKeeper URL, as zk://host1:2181,host2:2181/mesos is one: ${why}`,
  );
}
