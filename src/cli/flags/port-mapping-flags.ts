/**
 * Flags that Mesos agents have only in builds with the port-mapping network isolator, which allot
 * does not have; accepted so that a configuration moves over. Source: reference/flags.md.
 */
import { type Flag, group, never } from "./flag-table.ts";

const MEANING = "setting of Mesos' port-mapping network isolator";

const DEFAULTS: readonly (readonly [string, string | undefined])[] = [
  ["ephemeral_ports_per_container", "1024"],
  ["eth0_name", undefined],
  ["lo_name", undefined],
  ["egress_rate_limit_per_container", undefined],
  ["egress_rate_per_cpu", undefined],
  ["minimum_egress_rate_limit", undefined],
  ["maximum_egress_rate_limit", undefined],
  ["egress_ceil_limit", undefined],
  ["egress_burst", undefined],
  ["egress_unique_flow_per_container", "false"],
  ["egress_flow_classifier_parent", "root"],
  ["ingress_rate_limit_per_container", undefined],
  ["ingress_rate_per_cpu", undefined],
  ["minimum_ingress_rate_limit", undefined],
  ["maximum_ingress_rate_limit", undefined],
  ["ingress_ceil_limit", undefined],
  ["ingress_burst", undefined],
  ["ingress_isolate_existing_containers", "true"],
  ["network_link_speed", undefined],
  ["network_enable_socket_statistics_summary", "false"],
  ["network_enable_socket_statistics_details", "false"],
  ["network_enable_snmp_statistics", "false"],
  ["network_enable_rate_statistics", "false"],
  ["network_rate_statistics_window", undefined],
  ["network_rate_statistics_interval", undefined],
];

/** In Mesos' order. */
export const PORT_MAPPING_FLAGS: readonly Flag[] = group(
  "Port mapping",
  DEFAULTS.map(([name, preset]) =>
    never(name, preset === "true" || preset === "false" ? "boolean" : "string", preset, MEANING, {
      note: "there is no network/port_mapping isolator",
    }),
  ),
);
