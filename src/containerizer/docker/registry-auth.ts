/**
 * Credentials for registries from Docker's own configuration: `--docker_config`, or what the task
 * brought into its sandbox, which wins. Source: semantics 7.15.
 */
import { DOCKER_HUB } from "../image-reference.ts";
import { HeldFolder } from "../posix/held-folder.ts";
import { textInside } from "../posix/safe-path.ts";
import { Answer } from "./answer.ts";

/** Files of a sandbox that hold a configuration; the first one found is used. */
const SANDBOX_FILES = [".docker/config.json", ".dockercfg"] as const;

/** A configuration is a few kilobytes; a task could fetch anything under its name. */
const CONFIG_BYTES_MAX = 1024 * 1024;

/** What a configuration knows about a registry; one of the three secrets is there. */
export interface RegistryCredentials {
  readonly username: string | undefined;
  readonly password: string | undefined;
  readonly identitytoken: string | undefined;
  readonly registrytoken: string | undefined;
}

/** `X-Registry-Auth` for the registry, or undefined when nothing is known of it. */
export function registryAuth(
  registry: string,
  sandbox: string,
  defaultConfig: string | undefined,
): string | undefined {
  const text = sandboxConfig(sandbox) ?? defaultConfig;
  const credentials = text === undefined ? undefined : credentialsIn(text, registry);
  return credentials === undefined ? undefined : headerOf(credentials, registry);
}

/** Looks the registry up in the text of a configuration, of the newer or the older form. */
export function credentialsIn(text: string, registry: string): RegistryCredentials | undefined {
  const config = parse(text);
  // The older form is the list of registries itself.
  const auths = config.at("auths").entries();
  const rows = auths.length > 0 ? auths : config.entries();
  const found = rows.find(([name]) => hostOf(name) === hostOf(registry));
  return found === undefined ? undefined : credentialsOf(found[1]);
}

function sandboxConfig(sandbox: string): string | undefined {
  for (const name of SANDBOX_FILES) {
    try {
      const text = HeldFolder.open(sandbox).use((folder) =>
        textInside(folder, name, CONFIG_BYTES_MAX),
      );
      if (text !== undefined) return text;
    } catch {
      // Most tasks bring none.
    }
  }
  return undefined;
}

function parse(text: string): Answer {
  try {
    return new Answer(JSON.parse(text));
  } catch {
    // The pull goes on without; a registry that wants credentials says so.
    return new Answer(undefined);
  }
}

/** Registries are written with and without scheme and path. */
function hostOf(name: string): string {
  const host = name.replace(/^https?:\/\//, "").replace(/\/.*$/, "");
  const hub = ["docker.io", "registry-1.docker.io", "index.docker.io"];
  return hub.includes(host) ? DOCKER_HUB : host;
}

function credentialsOf(row: Answer): RegistryCredentials | undefined {
  const pair = Buffer.from(row.at("auth").text() ?? "", "base64").toString("utf8");
  const colon = pair.indexOf(":");
  const username = row.at("username").text() ?? (colon < 0 ? undefined : pair.slice(0, colon));
  const password = row.at("password").text() ?? (colon < 0 ? undefined : pair.slice(colon + 1));
  const identitytoken = row.at("identitytoken").text();
  const registrytoken = row.at("registrytoken").text();
  const hasSecret = [password, identitytoken, registrytoken].some((part) => part !== undefined);
  return hasSecret ? { username, password, identitytoken, registrytoken } : undefined;
}

function headerOf(credentials: RegistryCredentials, registry: string): string {
  const auth = { ...credentials, serveraddress: registry };
  // The alphabet for URLs, but with the padding, without which the Engine reads nothing.
  const text = Buffer.from(JSON.stringify(auth)).toString("base64");
  return text.replaceAll("+", "-").replaceAll("/", "_");
}
