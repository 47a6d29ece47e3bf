/**
 * Turns the flags about security into what judges requests, with refusals that name the flag, and a
 * file that flags name with its path. Source: reference/semantics.md 9.1, 9.3.
 */

import { ExecutorTokens } from "../agent/runtime/executor-tokens.ts";
import type { Log } from "../base/ports.ts";
import { ok, type Result, refuse } from "../base/result.ts";
import { excerpt } from "../base/text.ts";
import type { ParsedFlags } from "../cli/flags/parse-flags.ts";
import { readSecretFile } from "../cli/flags/read-text-file.ts";
import { Authentication, type Realm } from "../http/authentication.ts";
import { parseFirewallRules } from "../http/firewall.ts";
import type { LinkServerOptions } from "../link/server.ts";
import { type Acls, OPEN_ACLS, parseAcls } from "../security/acls.ts";
import { describeDenial, isAllowed } from "../security/authorizer.ts";
import { type Credential, parseCredential, parseCredentials } from "../security/credentials.ts";

/** `--acls`; without it everybody may do everything. Errors: `invalid`. */
export function aclsFlag(flags: ParsedFlags): Result<Acls> {
  if (!flags.isSet("acls")) return ok(OPEN_ACLS);
  const acls = parseAcls(flags.json("acls"));
  return acls.ok ? acls : refuse("invalid", `--acls: ${acls.error.message}`, "acls");
}

/** `--firewall_rules`: paths of closed endpoints. Errors: `invalid`. */
export function firewallFlag(flags: ParsedFlags): Result<readonly string[]> {
  if (!flags.isSet("firewall_rules")) return ok([]);
  const paths = parseFirewallRules(flags.json("firewall_rules"));
  if (paths.ok) return paths;
  return refuse("invalid", `--firewall_rules: ${paths.error.message}`, "firewall_rules");
}

/** Who is heard on the master's port. Errors: a refusal for a bad or missing file of credentials. */
export function masterAuthentication(flags: ParsedFlags, log: Log): Result<Authentication> {
  const realms = realmsOf(flags, {
    readonly: "authenticate_http_readonly",
    readwrite: "authenticate_http_readwrite",
    scheduler: "authenticate_http_frameworks",
  });
  if (realms.has("scheduler") && !flags.isSet("http_framework_authenticators")) {
    const remedy = "needs --http_framework_authenticators=basic beside it";
    return bad("authenticate_http_frameworks", remedy);
  }
  if (flags.boolean("authenticate_agents") && !flags.isSet("credentials")) {
    return bad("credentials", "is needed for --authenticate_agents; name a file");
  }
  return authenticationOf(flags, log, { component: "master", realms, file: "credentials" });
}

/**
 * Which agents may join: with `--authenticate_agents` those that log in, and of these whom the ACLs
 * let register. One that the master does not know has to end, as in Mesos.
 */
export function agentAdmission(
  flags: ParsedFlags,
  authentication: Authentication,
  acls: Acls,
): NonNullable<LinkServerOptions["refusalOf"]> {
  const isLoginNeeded = flags.boolean("authenticate_agents");
  return (login) => {
    let principal: string | undefined;
    if (isLoginNeeded) {
      if (login === undefined) {
        const message = "agents have to log in here; give the agent --credential=FILE";
        return { message, isFinal: true };
      }
      principal = authentication.principalOf(login);
      if (principal === undefined) {
        const message = `no principal '${excerpt(login.principal)}' has this secret`;
        return { message, isFinal: true };
      }
    }
    if (isAllowed(acls, "register_agents", principal, undefined)) return undefined;
    return { message: describeDenial("register_agents", principal, undefined), isFinal: false };
  };
}

/** As whom the agent logs in at the master: `--credential`. Errors: `invalid`. */
export function agentLogin(flags: ParsedFlags, log: Log): Result<Credential | undefined> {
  const path = flags.string("credential");
  if (path === undefined) return ok(undefined);
  return readSecrets("credential", path, { log, parse: parseCredential });
}

/**
 * Who is heard on the agent's port. In one process with a master, the master's credentials are good
 * for the agent too. Errors: as `masterAuthentication`.
 */
export function agentAuthentication(
  flags: ParsedFlags,
  log: Log,
  tokens: ExecutorTokens | undefined,
): Result<Authentication> {
  const realms = realmsOf(flags, {
    readonly: "authenticate_http_readonly",
    readwrite: "authenticate_http_readwrite",
    executor: "authenticate_http_executors",
  });
  if (realms.has("executor") && tokens === undefined) {
    return bad("jwt_secret_key", "is needed for --authenticate_http_executors; name a file");
  }
  const isShared = flags.string("role") === "both" && !flags.isSet("http_credentials");
  const file = isShared ? "credentials" : "http_credentials";
  return authenticationOf(flags, log, { component: "agent", realms, file, tokens });
}

/** `--jwt_secret_key`: makes and reads the tokens of executors. Errors: `invalid`. */
export function executorTokens(flags: ParsedFlags, log: Log): Result<ExecutorTokens | undefined> {
  const path = flags.string("jwt_secret_key");
  if (path === undefined) return ok(undefined);
  return readSecrets("jwt_secret_key", path, {
    log,
    parse: (text) => {
      if (text === "") return refuse("invalid", "is empty");
      return ok(new ExecutorTokens(new TextEncoder().encode(text)));
    },
  });
}

function realmsOf(
  flags: ParsedFlags,
  names: Readonly<Partial<Record<Realm, string>>>,
): ReadonlySet<Realm> {
  const entries = Object.entries(names) as readonly (readonly [Realm, string])[];
  return new Set(entries.flatMap(([realm, name]) => (flags.boolean(name) ? [realm] : [])));
}

interface Wanted {
  readonly component: "master" | "agent";
  readonly realms: ReadonlySet<Realm>;
  /** The flag that names the file of credentials. */
  readonly file: string;
  readonly tokens?: ExecutorTokens | undefined;
}

function authenticationOf(
  flags: ParsedFlags,
  log: Log,
  { component, realms, file, tokens }: Wanted,
): Result<Authentication> {
  const path = flags.string(file);
  if (path === undefined) {
    const realm = [...realms].find((one) => one !== "executor");
    if (realm !== undefined) {
      const name = `mesos-${component}-${realm}`;
      return bad(file, `is needed to authenticate in the realm ${name}; name a file`);
    }
    return ok(new Authentication({ component, credentials: [], realms, tokens }));
  }
  const credentials = readSecrets(file, path, { log, parse: parseCredentials });
  if (!credentials.ok) return credentials;
  return ok(new Authentication({ component, credentials: credentials.value, realms, tokens }));
}

interface Reading<Secrets> {
  readonly log: Log;
  parse(text: string): Result<Secrets>;
}

/** The content of a file of secrets, with a warning when others on this machine can open it. */
function readSecrets<Secrets>(
  flag: string,
  path: string,
  { log, parse }: Reading<Secrets>,
): Result<Secrets> {
  const file = readSecretFile(path);
  if (!file.ok) return bad(flag, file.error.message);
  if (file.value.isExposed) {
    const message = "others on this machine can open a file of secrets; chmod o= it";
    log.write("warning", message, { flag: `--${flag}`, path });
  }
  const secrets = parse(file.value.text);
  return secrets.ok ? secrets : bad(flag, `${path}: ${secrets.error.message}`);
}

function bad(flag: string, what: string): Result<never> {
  return refuse("invalid", `--${flag}: ${what}`, flag);
}
