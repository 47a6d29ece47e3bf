/**
 * Volumes of a Docker container: folders of the host and of the sandbox, volumes of the Engine,
 * persistent volumes, and the sandbox itself, which comes last. What is in the sandbox is given as a
 * mount with fields of its own, as ids in its path may hold colons. Source: semantics 7.15.
 */
import { posix as paths } from "node:path";
import type { ContainerInfo, Volume } from "../../protocol/v1/types.ts";
import type { ContainerVolume } from "../containerizer.ts";
import type { RunBody } from "./run-body.ts";

export interface VolumeRequest {
  readonly container: ContainerInfo;
  /** Sandbox on the host. */
  readonly directory: string;
  readonly sandboxPath: string;
  readonly volumes?: readonly ContainerVolume[] | undefined;
}

/** Returns the folders of the sandbox that must exist. Errors: an `Error` naming the field. */
export function applyVolumes(body: RunBody, request: VolumeRequest): string[] {
  const { container, directory, sandboxPath } = request;
  const folders: string[] = [];
  const drivers = new Set<string>();
  if (container.docker?.volume_driver !== undefined) drivers.add(container.docker.volume_driver);
  (container.volumes ?? []).forEach((volume, index) => {
    const field = `container.volumes[${index}]`;
    const source = sourceOf(volume, { field, volumeDriver: container.docker?.volume_driver });
    const target = targetOf(volume, source, { field, sandboxPath });
    const isReadOnly = volume.mode === "RO";
    if (source.kind === "engine") {
      if (source.driver !== undefined) drivers.add(source.driver);
      body.push(body.host, "Mounts", engineMount(source, target, isReadOnly));
    } else if (source.kind === "sandbox") {
      const folder = inside(directory, source.path, `${field}.host_path`);
      folders.push(folder);
      body.push(body.host, "Mounts", bindMount(folder, target, isReadOnly));
    } else {
      // The short form makes a folder that is missing, as `docker run` does.
      if (`${source.path}${target}`.includes(":")) {
        throw new Error(`${field}: a path with a colon cannot be mounted`);
      }
      body.push(body.host, "Binds", `${source.path}:${target}:${isReadOnly ? "ro" : "rw"}`);
    }
  });
  if (drivers.size > 1) {
    const names = [...drivers].join(", ");
    throw new Error(`container.volumes: only one volume driver is supported, not ${names}`);
  }
  const [driver] = drivers;
  if (driver !== undefined) body.host["VolumeDriver"] = driver;
  for (const { hostPath, containerPath, isReadOnly } of request.volumes ?? []) {
    const target = inside(sandboxPath, containerPath, "the container path of a persistent volume");
    body.push(body.host, "Mounts", bindMount(hostPath, target, isReadOnly === true));
  }
  body.push(body.host, "Mounts", bindMount(directory, sandboxPath, false));
  return folders;
}

type Source =
  | { readonly kind: "host" | "sandbox"; readonly path: string }
  | {
      readonly kind: "engine";
      readonly name: string;
      readonly driver: string | undefined;
      readonly options: Readonly<Record<string, string>>;
    };

function sourceOf(
  volume: Volume,
  { field, volumeDriver }: { readonly field: string; readonly volumeDriver: string | undefined },
): Source {
  const { host_path: hostPath, source } = volume;
  const path = hostPath ?? source?.host_path?.path;
  if (path?.startsWith("/")) return { kind: "host", path };
  if (path !== undefined && volumeDriver === undefined) return { kind: "sandbox", path };
  // With a driver for all volumes, the name of a volume may stand in the place of a path.
  if (path !== undefined) return { kind: "engine", name: path, driver: volumeDriver, options: {} };
  const sandbox = source?.sandbox_path;
  if (sandbox !== undefined && sandbox.type !== "PARENT") {
    return { kind: "sandbox", path: sandbox.path };
  }
  const volumeOfEngine = source?.docker_volume;
  if (volumeOfEngine !== undefined) {
    const { name, driver, driver_options: options } = volumeOfEngine;
    const pairs = (options?.parameter ?? []).map(({ key, value }) => [key, value] as const);
    return { kind: "engine", name, driver, options: Object.fromEntries(pairs) };
  }
  throw new Error(
    `${field}: a Docker container takes host_path, and of sources DOCKER_VOLUME, HOST_PATH and SANDBOX_PATH of its own`,
  );
}

function targetOf(
  { container_path: path }: Volume,
  source: Source,
  { field, sandboxPath }: { readonly field: string; readonly sandboxPath: string },
): string {
  if (path.startsWith("/")) return path;
  if (source.kind === "sandbox") {
    throw new Error(`${field}: host_path and container_path cannot both be relative`);
  }
  return inside(sandboxPath, path, `${field}.container_path`);
}

/** A relative path below a folder. Errors: it leads out of it. */
function inside(folder: string, path: string, field: string): string {
  const full = paths.resolve(folder, path);
  if (paths.isAbsolute(path) || !full.startsWith(`${folder}/`)) {
    throw new Error(`${field} ${path} leads out of the sandbox`);
  }
  return full;
}

function bindMount(source: string, target: string, isReadOnly: boolean): unknown {
  return { Type: "bind", Source: source, Target: target, ReadOnly: isReadOnly };
}

function engineMount(
  { name, driver, options }: Extract<Source, { readonly kind: "engine" }>,
  target: string,
  isReadOnly: boolean,
): unknown {
  const hasDriver = driver !== undefined || Object.keys(options).length > 0;
  const driverConfig = { DriverConfig: { Name: driver ?? "local", Options: options } };
  return {
    Type: "volume",
    Source: name,
    Target: target,
    ReadOnly: isReadOnly,
    ...(hasDriver ? { VolumeOptions: driverConfig } : {}),
  };
}
