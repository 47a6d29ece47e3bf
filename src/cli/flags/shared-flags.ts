/**
 * The flags that master and agent share, with Mesos' names and defaults. Source: reference/flags.md.
 */
import { acts, type Flag, group, later, never } from "./flag-table.ts";

/** In the order in which help shows them; logging first. */
export const SHARED_FLAGS: readonly Flag[] = [
  ...group("Logging", [
    acts("quiet", "boolean", "false", "no log on stderr"),
    acts("logging_level", "string", "INFO", "INFO, WARNING or ERROR", {
      choices: ["INFO", "WARNING", "ERROR"],
    }),
    acts(
      "log_dir",
      "path",
      undefined,
      "also log to allot.log there; exposes /master/log, /slave/log",
    ),
    never("logbufsecs", "integer", "0", "log buffering seconds", {
      note: "log lines are never held back",
    }),
    never("initialize_driver_logging", "boolean", "true", "drivers set up logging", {
      note: "there are no drivers",
    }),
    acts("external_log_file", "path", undefined, "externally managed log to expose"),
  ]),
  ...group("Security", [
    acts("authenticate_http_readwrite", "boolean", "false", "auth on read-write endpoints", {
      oldNames: ["authenticate_http"],
    }),
    acts("authenticate_http_readonly", "boolean", "false", "auth on read-only endpoints"),
    acts("acls", "json", undefined, "ACLs for local authorizer, JSON or file", {
      isPathRead: true,
    }),
    acts("firewall_rules", "json", undefined, "JSON list of disabled endpoints", {
      isPathRead: true,
    }),
    acts("http_authenticators", "string", "basic", "HTTP authenticators, comma separated", {
      choices: ["basic"],
    }),
  ]),
  ...group("Modules, names and places of both roles", [
    later(
      "hostname_lookup",
      "boolean",
      "true",
      "resolve host name from IP; false advertises the IP",
      { note: "the host name is not looked up" },
    ),
    later("ip_discovery_command", "string", undefined, "program printing the IP; not with ip", {
      note: "give --ip",
    }),
    acts("domain", "json", undefined, "fault domain JSON", { isPathRead: true }),
    acts("zk_session_timeout", "duration", "10secs", "ZooKeeper session timeout"),
    never("modules", "json", undefined, "module list JSON or file", {
      isPathRead: true,
      note: "there are no loadable modules",
    }),
    never("modules_dir", "path", undefined, "directory of module manifests", {
      note: "there are no loadable modules",
    }),
    never("hooks", "string", undefined, "hook module names", {
      note: "there are no loadable modules",
    }),
    never("master_detector", "string", undefined, "detector module; not with zk", {
      note: "there are no loadable modules",
    }),
    never("memory_profiling", "boolean", "false", "expose /memory-profiler with jemalloc", {
      note: "there is no jemalloc to ask",
    }),
  ]),
];
