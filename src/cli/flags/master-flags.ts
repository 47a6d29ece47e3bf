/**
 * The flags of a master alone, with Mesos' names and defaults. Source: reference/flags.md.
 */
import { acts, type Flag, group, later, never } from "./flag-table.ts";

/** In the order in which help shows them. */
export const MASTER_FLAGS: readonly Flag[] = [
  ...group("Allocation and offers", [
    acts("roles", "string", undefined, "deprecated allow-list of roles"),
    acts("allocation_interval", "duration", "1secs", "period of batch allocations", { min: "1ms" }),
    acts(
      "offer_timeout",
      "duration",
      undefined,
      "rescind unanswered offers after this; unset = never",
    ),
    acts("filter_gpu_resources", "boolean", "true", "GPU agents only to GPU_RESOURCES frameworks"),
    acts(
      "min_allocatable_resources",
      "string",
      "cpus:0.01|mem:32",
      "smallest offerable sets, separated by bar",
    ),
    acts(
      "fair_sharing_excluded_resource_names",
      "string",
      undefined,
      "resources ignored by the sorters",
    ),
    later(
      "role_sorter",
      "string",
      "drf",
      "between roles: drf or random; must equal framework_sorter",
      { oldNames: ["user_sorter"], choices: ["drf", "random"], note: "both sorters are drf" },
    ),
    later("framework_sorter", "string", "drf", "sorter inside a role: drf or random", {
      choices: ["drf", "random"],
      note: "both sorters are drf",
    }),
    acts("weights", "string", undefined, "deprecated initial role=weight list"),
    never("allocator", "string", "hierarchical", "allocator name", {
      note: "there is one allocator",
    }),
    acts(
      "allocator_agent_recovery_factor",
      "float",
      "0.8",
      "share of agents back before offers resume",
      { min: "0", max: "1" },
    ),
    acts(
      "allocator_recovery_timeout",
      "duration",
      "10mins",
      "longest pause of offers after failover",
    ),
    acts(
      "offer_constraints_re2_max_mem",
      "size",
      "4KB",
      "memory cap per regex in offer constraints",
    ),
    acts("offer_constraints_re2_max_program_size", "integer", "100", "program size cap per regex", {
      min: "1",
    }),
    acts("whitelist", "path", undefined, "file of agent host names to offer; re-read every 5 s"),
  ]),
  ...group("Agents and frameworks", [
    acts("root_submissions", "boolean", "true", "frameworks may have user root"),
    acts(
      "agent_ping_timeout",
      "duration",
      "15secs",
      "wait for each pong; at least 1s, at most 15mins",
      { oldNames: ["slave_ping_timeout"], min: "1secs", max: "15mins" },
    ),
    acts("max_agent_ping_timeouts", "integer", "5", "missed pongs before unreachable; at least 1", {
      oldNames: ["max_slave_ping_timeouts"],
      min: "1",
    }),
    acts(
      "agent_reregister_timeout",
      "duration",
      "10mins",
      "wait for agents to return; minimum 10mins",
      { oldNames: ["slave_reregister_timeout"], min: "10mins" },
    ),
    acts("max_completed_frameworks", "integer", "50", "completed frameworks kept in memory", {
      min: "0",
    }),
    acts(
      "max_completed_tasks_per_framework",
      "integer",
      "1000",
      "completed tasks kept per framework",
      { min: "0" },
    ),
    acts(
      "max_unreachable_tasks_per_framework",
      "integer",
      "1000",
      "unreachable tasks kept per framework",
      { min: "0" },
    ),
    acts(
      "recovery_agent_removal_limit",
      "string",
      "100%",
      "share of agents removable after failover, else exit",
      { oldNames: ["recovery_slave_removal_limit"] },
    ),
    acts(
      "agent_removal_rate_limit",
      "string",
      undefined,
      "max rate of unreachable transitions, like 1/10mins",
      { oldNames: ["slave_removal_rate_limit"] },
    ),
    never(
      "max_executors_per_agent",
      "integer",
      undefined,
      "executor cap per agent (port-mapping builds only)",
      {
        oldNames: ["max_executors_per_slave"],
        note: "Mesos has it for the port-mapping isolator only",
      },
    ),
    acts("require_agent_domain", "boolean", "false", "refuse agents without fault domain"),
    acts("publish_per_framework_metrics", "boolean", "true", "export per-framework metrics"),
    acts(
      "max_operator_event_stream_subscribers",
      "integer",
      "1000",
      "event streams kept; oldest closed beyond",
      { min: "0" },
    ),
  ]),
  ...group("Registry and election", [
    acts("registry_gc_interval", "duration", "15mins", "registry clean-up period", { min: "1ms" }),
    acts("registry_max_agent_age", "duration", "2weeks", "age limit of unreachable/gone entries"),
    acts(
      "registry_max_agent_count",
      "integer",
      "102400",
      "count limit of unreachable/gone entries",
      { min: "0" },
    ),
    never("registry", "string", "replicated_log", "replicated_log or in_memory", {
      choices: ["replicated_log", "in_memory"],
      note: "the registry is always kept in SQLite under --work_dir",
    }),
    never("quorum", "integer", undefined, "replica majority; required with zk and replicated_log", {
      note: "a single master needs none; several agree through ZooKeeper",
    }),
    never("registry_strict", "boolean", "false", "disabled flag; must stay false", {
      note: "Mesos keeps it disabled",
    }),
    never("registry_fetch_timeout", "duration", "1mins", "registry read deadline", {
      note: "the registry is a local file",
    }),
    later("registry_store_timeout", "duration", "20secs", "registry write deadline"),
    never(
      "log_auto_initialize",
      "boolean",
      "true",
      "initialise an empty replicated log by itself",
      { note: "there is no replicated log" },
    ),
    acts(
      "zk",
      "string",
      undefined,
      "where several masters meet: zk://host:port,…/path, or file://",
      {
        note: "several masters elect a leader and share its registry through ZooKeeper",
      },
    ),
    acts(
      "proxy_to_leader",
      "boolean",
      "false",
      "one of several that does not lead carries requests to the leader, for clients that follow no redirects",
    ),
    never(
      "master_contender",
      "string",
      undefined,
      "contender module; with master_detector, not zk",
      { note: "there are no loadable modules" },
    ),
  ]),
  ...group("Security of the master", [
    never("authenticate_frameworks", "boolean", "false", "v0 frameworks must authenticate (SASL)", {
      oldNames: ["authenticate"],
      note: "there are no v0 frameworks; --authenticate_http_frameworks is for those there are",
    }),
    acts("authenticate_agents", "boolean", "false", "agents must log in with --credential", {
      oldNames: ["authenticate_slaves"],
    }),
    never("authentication_v0_timeout", "duration", "15secs", "SASL exchange deadline", {
      note: "agents log in with the first frame of their link",
    }),
    acts(
      "authenticate_http_frameworks",
      "boolean",
      "false",
      "auth on scheduler API; needs http_framework_authenticators",
    ),
    acts("credentials", "path", undefined, "JSON/text credentials file"),
    acts("rate_limits", "json", undefined, "per-principal rate limits, JSON or file", {
      isPathRead: true,
    }),
    never("authenticators", "string", "crammd5", "SASL authenticator name", {
      note: "there are no loadable modules",
    }),
    never("authorizers", "string", "local", "authorizer name; local uses acls", {
      note: "there are no loadable modules",
    }),
    acts(
      "http_framework_authenticators",
      "string",
      undefined,
      "HTTP authenticators of scheduler API",
      { choices: ["basic"] },
    ),
  ]),
  ...group("Other settings of the master", [
    acts("cluster", "string", undefined, "cluster name shown in UI"),
    never("webui_dir", "path", undefined, "web UI files", {
      note: "the pages are part of the binary",
    }),
  ]),
];
