/**
 * The flags of an agent alone, with Mesos' names and defaults. Source: reference/flags.md.
 */
import { acts, type Flag, group, later, never } from "./flag-table.ts";

/** In the order in which help shows them. */
export const AGENT_FLAGS: readonly Flag[] = [
  ...group("Resources of the agent", [
    acts(
      "resources",
      "string",
      undefined,
      "total resources, JSON or name(role):value;...; missing ones auto-detected",
      { isPathRead: true },
    ),
    acts("attributes", "string", undefined, "agent attributes, key:value;..."),
    acts("default_role", "string", "*", "role of resources without one"),
    later("resource_provider_config_dir", "path", undefined, "configs of local resource providers"),
    later("csi_plugin_config_dir", "path", undefined, "configs of CSI plugins"),
    never("disk_profile_adaptor", "string", undefined, "disk profile module name", {
      note: "there are no loadable modules",
    }),
    acts(
      "resource_estimator",
      "string",
      undefined,
      "what may be given beyond the agent's resources, revocable: fixed (--oversubscribed_resources) or usage (processors that tasks hold and do not use)",
      { choices: ["fixed", "usage"] },
    ),
    acts(
      "oversubscribed_resources",
      "string",
      undefined,
      "of the fixed estimator, as cpus:4;mem:1024",
    ),
    acts(
      "oversubscribed_resources_interval",
      "duration",
      "15secs",
      "period of oversubscription reports",
      { min: "100ms" },
    ),
    acts(
      "qos_controller",
      "string",
      undefined,
      "when tasks on revocable resources end: load (all, above --qos_load_5min or _15min) or pressure (the newest, above --qos_cpu_pressure or --qos_memory_pressure)",
      { choices: ["load", "pressure"] },
    ),
    acts(
      "qos_correction_interval_min",
      "duration",
      "0ns",
      "shortest time between QoS corrections; never below 5secs for pressure and load",
    ),
    acts("qos_load_5min", "float", undefined, "load over 5 minutes"),
    acts("qos_load_15min", "float", undefined, "load over 15 minutes"),
    acts("qos_cpu_pressure", "float", "50", "percent of time in which a process waits for a CPU"),
    acts("qos_memory_pressure", "float", "10", "percent of time in which one waits for memory"),
    acts(
      "nvidia_gpu_devices",
      "string",
      undefined,
      "gpus to share out, as 0,1; all of the host with the isolator gpu/nvidia, which this adds where --isolation is not given",
    ),
  ]),
  ...group("Executors and tasks", [
    acts("switch_user", "boolean", "true", "run tasks as their user (needs root)"),
    acts(
      "executor_registration_timeout",
      "duration",
      "1mins",
      "kill executors not subscribed within this",
      { min: "1ms" },
    ),
    acts(
      "executor_reregistration_timeout",
      "duration",
      "2secs",
      "wait for executors after agent restart; max 15secs",
      { max: "15secs" },
    ),
    acts("executor_shutdown_grace_period", "duration", "5secs", "SHUTDOWN to forced kill"),
    never(
      "executor_reregistration_retry_interval",
      "duration",
      undefined,
      "resend reconnect to v0 executors",
      { note: "there are no v0 executors" },
    ),
    acts(
      "executor_environment_variables",
      "json",
      undefined,
      "JSON env of executors, replaces inherited",
      { isPathRead: true },
    ),
    later("max_completed_executors_per_framework", "integer", "150", "completed executors kept"),
    never("http_command_executor", "boolean", "false", "command executor uses the HTTP API", {
      note: "command tasks run inside the agent",
    }),
    later("http_executor_domain_sockets", "boolean", "false", "executors talk over unix socket"),
    later("domain_socket_location", "path", undefined, "path of executor unix socket"),
    acts("http_heartbeat_interval", "duration", "30secs", "heartbeat of attach-output streams", {
      min: "1ms",
    }),
    acts("frameworks_home", "path", undefined, "folder that relative URIs of commands start from"),
    never("launcher_dir", "path", undefined, "helper binaries", {
      note: "the helpers are part of the binary",
    }),
    never("container_logger", "string", undefined, "container logger module", {
      note: "there are no loadable modules",
    }),
    never("secret_resolver", "string", undefined, "secret resolver module", {
      note: "there are no loadable modules",
    }),
  ]),
  ...group("Registration and recovery", [
    later(
      "registration_backoff_factor",
      "duration",
      "1secs",
      "b: first (re)registration within [0,b], doubling to 1mins",
    ),
    later("recover", "string", "reconnect", "reconnect or cleanup", {
      choices: ["reconnect", "cleanup"],
      note: "agents always reconnect",
    }),
    acts("recovery_timeout", "duration", "15mins", "longest recovery; executors then exit"),
    acts(
      "reconfiguration_policy",
      "string",
      "equal",
      "changes allowed at restart: none, growth, or all that leaves room for what runs",
      { choices: ["equal", "additive", "fitting"] },
    ),
    later("strict", "boolean", "true", "any recovery error is fatal", {
      note: "recovery is always strict",
    }),
    later("agent_features", "json", undefined, "capabilities to announce, JSON", {
      isPathRead: true,
    }),
    never(
      "authentication_backoff_factor",
      "duration",
      "1secs",
      "authentication timeout growth step",
      {
        note: "agents log in with the first frame of their link",
      },
    ),
    never("authentication_timeout_min", "duration", "5secs", "shortest authentication timeout", {
      note: "agents log in with the first frame of their link",
    }),
    never("authentication_timeout_max", "duration", "1mins", "longest authentication timeout", {
      note: "agents log in with the first frame of their link",
    }),
    never("authenticatee", "string", "crammd5", "SASL client name", {
      note: "there are no loadable modules",
    }),
    acts("credential", "path", undefined, "principal/secret towards the master"),
  ]),
  ...group("Sandboxes, disk and fetching", [
    acts("gc_delay", "duration", "1weeks", "longest keep time of sandboxes"),
    acts("gc_disk_headroom", "float", "0.1", "disk share kept free when ageing sandboxes", {
      min: "0",
      max: "1",
    }),
    acts("max_stdout_size", "size", undefined, "a task's stdout is rotated above this", {
      min: "4KB",
    }),
    acts("max_stderr_size", "size", undefined, "a task's stderr is rotated above this", {
      min: "4KB",
    }),
    acts("max_rotated_logs", "integer", "3", "earlier files of a rotated log that are kept", {
      min: "0",
      max: "1000",
    }),
    acts("volume_trash_size", "size", "16GB", "most that destroyed volumes are kept for undoing"),
    acts(
      "gc_non_executor_container_sandboxes",
      "boolean",
      "false",
      "GC sandboxes of API-launched containers",
    ),
    acts("disk_watch_interval", "duration", "1mins", "disk usage check period", { min: "1secs" }),
    acts("container_disk_watch_interval", "duration", "15secs", "disk quota check period", {
      min: "1secs",
    }),
    acts("enforce_container_disk_quota", "boolean", "false", "kill containers over disk quota"),
    acts(
      "sandbox_directory",
      "path",
      "/mnt/mesos/sandbox",
      "sandbox mount point inside containers",
    ),
    acts("fetcher_cache_size", "size", "2GB", "fetcher cache size"),
    acts("fetcher_cache_dir", "path", undefined, "fetcher cache; emptied at start"),
    acts("fetcher_stall_timeout", "duration", "1mins", "abort stalled downloads after this", {
      min: "1ms",
    }),
    never("hadoop_home", "path", undefined, "Hadoop install for fetching", {
      note: "Hadoop is not used to fetch",
    }),
    acts("xfs_project_range", "string", "[5000-10000]", "XFS project id range"),
    acts("xfs_kill_containers", "boolean", "false", "kill over-quota containers (disk/xfs)"),
    acts("xfs_quota_headroom", "size", "10MB", "hard quota above limit"),
    later("volume_gid_range", "string", undefined, "gids for shared volumes of non-root tasks"),
    acts(
      "host_path_volume_force_creation",
      "string",
      undefined,
      "directories where host_path volumes may be created, separated by colons",
    ),
  ]),
  ...group("Isolation", [
    acts("isolation", "string", undefined, "isolator list", {
      defaultText: "all that the host allows",
    }),
    acts("launcher", "string", undefined, "container launcher: linux or posix", {
      choices: ["linux", "posix"],
      defaultText: "linux where the agent is root on cgroups v2, else posix",
    }),
    acts("cgroups_destroy_timeout", "duration", "1mins", "deadline of cgroup removal"),
    acts("cgroups_hierarchy", "path", "/sys/fs/cgroup", "cgroup mount root"),
    acts("cgroups_root", "string", "allot", "path of the tasks' cgroups below the mount root"),
    acts("cgroups_enable_cfs", "boolean", "false", "hard CPU limits by CFS quota"),
    acts("cgroups_limit_swap", "boolean", "false", "tasks get no swap beside their memory"),
    acts("cgroups_pids_max", "integer", "4096", "processes and threads of one container; 0: any", {
      min: "0",
    }),
    never(
      "cgroups_cpu_enable_pids_and_tids_count",
      "boolean",
      "false",
      "export process/thread counts",
      { note: "they are always exported" },
    ),
    later("cgroups_net_cls_primary_handle", "string", undefined, "net_cls primary handle"),
    later("cgroups_net_cls_secondary_handles", "string", undefined, "net_cls secondary range"),
    acts("allowed_devices", "json", undefined, "extra devices for containers, JSON", {
      isPathRead: true,
    }),
    later("agent_subsystems", "string", undefined, "cgroup subsystems for the agent itself", {
      oldNames: ["slave_subsystems"],
    }),
    later("perf_events", "string", undefined, "perf events to sample"),
    later("perf_interval", "duration", "1mins", "perf sampling period"),
    later("perf_duration", "duration", "10secs", "perf sample length"),
    acts("revocable_cpu_low_priority", "boolean", "true", "lower priority for revocable CPU"),
    never("systemd_enable_support", "boolean", "true", "use systemd features", {
      note: "allot adapts to systemd by itself",
    }),
    later("systemd_runtime_directory", "path", "/run/systemd/system", "systemd runtime directory"),
    acts("effective_capabilities", "json", undefined, "capabilities granted by default, JSON", {
      oldNames: ["allowed_capabilities"],
      isPathRead: true,
    }),
    acts("bounding_capabilities", "json", undefined, "capability ceiling, JSON", {
      isPathRead: true,
    }),
    acts("default_container_shm_size", "size", undefined, "default private /dev/shm size"),
    acts("disallow_sharing_agent_ipc_namespace", "boolean", "false", "forbid agent IPC namespace"),
    acts("disallow_sharing_agent_pid_namespace", "boolean", "false", "forbid agent PID namespace"),
    acts(
      "seccomp_config_dir",
      "path",
      undefined,
      "folder of seccomp profiles in Docker's format; adds linux/seccomp where --isolation is not given",
    ),
    acts(
      "seccomp_profile_name",
      "string",
      undefined,
      "seccomp profile of containers that name none",
    ),
  ]),
  ...group("Images and Docker", [
    acts("containerizers", "string", "mesos", "mesos and/or docker, in order"),
    acts(
      "image_providers",
      "string",
      undefined,
      "docker, or nothing for no images; docker where containers can have a root of their own",
    ),
    acts(
      "image_provisioner_backend",
      "string",
      undefined,
      "how layers become a root; overlay where it can be mounted, when unset",
      { choices: ["overlay", "copy"] },
    ),
    acts("image_gc_config", "json", undefined, "automatic image GC JSON", { isPathRead: true }),
    acts("image_gc_delay", "duration", undefined, "images unused for so long are removed", {
      min: "1secs",
    }),
    acts(
      "image_store_size",
      "size",
      undefined,
      "most that images may take, unpacked; those unused for longest go first",
    ),
    never("appc_simple_discovery_uri_prefix", "string", "http://", "Appc discovery URI prefix", {
      note: "Appc images are not supported",
    }),
    never("appc_store_dir", "path", undefined, "Appc image store", {
      note: "Appc images are not supported",
    }),
    acts(
      "docker_registry",
      "string",
      "https://registry-1.docker.io",
      "registry URL or local folder of image archives",
    ),
    acts("docker_store_dir", "path", undefined, "image store; in the work folder when unset"),
    later("docker_volume_checkpoint_dir", "path", undefined, "docker volume isolator state"),
    later("docker_volume_chown", "boolean", "false", "chown docker volume mount to container user"),
    acts(
      "docker_ignore_runtime",
      "boolean",
      "false",
      "ignore image runtime config (entrypoint, env...)",
    ),
    never("docker", "string", "docker", "docker CLI path", {
      note: "Docker is reached through its socket",
    }),
    acts("docker_remove_delay", "duration", "6hrs", "delay before docker rm"),
    acts("docker_kill_orphans", "boolean", "true", "kill unknown Docker containers"),
    never("docker_mesos_image", "string", undefined, "image of the agent when itself in Docker", {
      note: "tasks of Docker need no helper that would run in it",
    }),
    acts("docker_socket", "path", "/var/run/docker.sock", "docker daemon socket"),
    // allot's own.
    acts(
      "docker_cgroup_parent",
      "string",
      undefined,
      "parent of the cgroups of Docker's containers, such as a slice; Docker's own when unset",
    ),
    acts("docker_config", "json", undefined, "default docker config, path or JSON", {
      isPathRead: true,
      isSecret: true,
    }),
    never("docker_stop_timeout", "duration", "0ns", "deprecated stop-to-kill wait of docker", {
      note: "Mesos itself deprecated it",
    }),
    later("default_container_info", "json", undefined, "ContainerInfo for executors without one", {
      isPathRead: true,
    }),
  ]),
  ...group("Network of containers", [
    later("ip6", "string", undefined, "IPv6 address given to containers"),
    later("ip6_discovery_command", "string", undefined, "program printing the IPv6 address"),
    later("default_container_dns", "json", undefined, "DNS defaults per network, JSON", {
      isPathRead: true,
    }),
    acts("container_ports_watch_interval", "duration", "30secs", "check period of network/ports", {
      min: "1secs",
    }),
    later(
      "check_agent_port_range_only",
      "boolean",
      "false",
      "network/ports: only agent range counts",
    ),
    acts("enforce_container_ports", "boolean", "false", "network/ports: kill offenders"),
    acts("container_ports_isolated_range", "string", undefined, "network/ports: only these ports"),
    acts(
      "network_cni_plugins_dir",
      "string",
      undefined,
      "folders with CNI plugins, separated by colons",
    ),
    acts(
      "network_cni_config_dir",
      "path",
      undefined,
      "folder with the CNI networks that tasks may join by name",
    ),
    acts(
      "network_cni_root_dir_persist",
      "boolean",
      "false",
      "keep CNI state below --work_dir, over a restart of the host too",
    ),
    later("network_cni_metrics", "boolean", "true", "export CNI isolator metrics"),
  ]),
  ...group("Security of the agent", [
    never("authorizer", "string", "local", "authorizer name", {
      note: "there are no loadable modules",
    }),
    acts("authenticate_http_executors", "boolean", "false", "executors have to show their token"),
    acts("http_credentials", "path", undefined, "credentials file for HTTP", {
      defaultText: "in role both those of --credentials",
    }),
    acts("jwt_secret_key", "path", undefined, "file with the key of executors' tokens", {
      oldNames: ["executor_secret_key"],
    }),
  ]),
];
