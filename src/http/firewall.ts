/**
 * Endpoints that operators closed to everybody by `--firewall_rules`. Differs from Mesos: what
 * follows an endpoint's path does not lead around the rule. Source: reference/http-api.md 1.
 */
import { ok, type Result, refuse } from "../base/result.ts";

/** Rules of one flag: above any number of endpoints there are. */
const PATHS_MAX = 1000;
const FORM = '{"disabled_endpoints": {"paths": ["/files/browse", …]}}';

/** The paths as written. Errors: `invalid`, saying how rules are written. */
export function parseFirewallRules(value: unknown): Result<readonly string[]> {
  const paths = fieldOf(fieldOf(value, "disabled_endpoints"), "paths");
  if (!Array.isArray(paths) || paths.length > PATHS_MAX) return refuse("invalid", `write ${FORM}`);
  const faulty = (paths as unknown[]).find((path) => typeof path !== "string" || path[0] !== "/");
  if (faulty !== undefined) {
    return refuse("invalid", `a path begins with a slash, as ${FORM}: ${JSON.stringify(faulty)}`);
  }
  return ok(paths as readonly string[]);
}

function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return (value as Readonly<Record<string, unknown>>)[name];
}
