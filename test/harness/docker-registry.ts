/** A registry for images on loopback, from Debian's package docker-registry. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "./free-port.ts";
import { until } from "./wait.ts";

export interface DockerRegistry {
  readonly port: number;
  /** `127.0.0.1:PORT` */
  readonly host: string;
  stop(): void;
}

export interface RegistryOptions {
  /** Only this user may read or write. */
  readonly credentials?: { readonly user: string; readonly password: string };
}

/** Undefined, with the reason printed, where there is none to start. */
export async function findRegistry(
  what: string,
  options: RegistryOptions = {},
): Promise<DockerRegistry | undefined> {
  if (!existsSync("/usr/bin/docker-registry")) {
    console.warn(`skipped: ${what} (docker-registry is not installed; Debian has it)`);
    return undefined;
  }
  return startRegistry(options);
}

async function startRegistry({ credentials }: RegistryOptions): Promise<DockerRegistry> {
  const root = mkdtempSync(join(tmpdir(), "allot-registry-"));
  const port = await freePort();
  const config: Record<string, unknown> = {
    version: "0.1",
    log: { level: "error" },
    storage: { filesystem: { rootdirectory: join(root, "data") }, delete: { enabled: true } },
    http: { addr: `127.0.0.1:${port}` },
  };
  if (credentials !== undefined) {
    const hash = await Bun.password.hash(credentials.password, { algorithm: "bcrypt", cost: 4 });
    writeFileSync(join(root, "htpasswd"), `${credentials.user}:${hash}\n`);
    config["auth"] = { htpasswd: { realm: "test", path: join(root, "htpasswd") } };
  }
  // JSON is YAML.
  writeFileSync(join(root, "config.yml"), JSON.stringify(config));
  const registry = spawn("docker-registry", ["serve", join(root, "config.yml")], {
    stdio: "ignore",
  });
  await until("the registry answers", async () => {
    if (hasEnded(registry)) throw new Error("docker-registry ended at once");
    const answer = await fetch(`http://127.0.0.1:${port}/v2/`).catch(() => undefined);
    return answer?.status === 200 || answer?.status === 401;
  });
  return {
    port,
    host: `127.0.0.1:${port}`,
    stop: () => {
      registry.kill("SIGKILL");
      rmSync(root, { recursive: true, force: true });
    },
  };
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}
