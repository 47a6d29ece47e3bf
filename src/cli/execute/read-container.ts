/**
 * The container of `allot execute`, from the flags that mesos-execute has for it. Source:
 * reference/flags.md.
 */
import { ok, type Result, refuse } from "../../base/result.ts";
import type { ContainerInfo, NetworkInfo, Volume } from "../../protocol/v1/types.ts";
import type { ParsedFlags } from "../flags/parse-flags.ts";

/** Undefined when the task runs without a container of its own. */
export function readContainer(flags: ParsedFlags): Result<ContainerInfo | undefined> {
  const image = flags.string("docker_image");
  const networks = (flags.string("networks") ?? "")
    .split(",")
    .filter((name) => name !== "")
    .map((name): NetworkInfo => ({ name }));
  const volumes = readVolumes(flags.json("volumes"));
  if (!volumes.ok) return volumes;
  const isDocker = flags.string("containerizer") === "docker";
  if (isDocker && image === undefined) {
    return refuse("invalid", "--containerizer=docker needs --docker_image=IMAGE");
  }
  if (image === undefined && networks.length === 0 && volumes.value.length === 0) {
    return ok(undefined);
  }
  return ok({
    type: isDocker ? "DOCKER" : "MESOS",
    ...(volumes.value.length === 0 ? {} : { volumes: volumes.value }),
    ...(networks.length === 0 ? {} : { network_infos: networks }),
    ...(image === undefined ? {} : imageOf(image, isDocker, networks.length > 0)),
  });
}

function imageOf(image: string, isDocker: boolean, hasNetwork: boolean): Partial<ContainerInfo> {
  if (!isDocker) return { mesos: { image: { type: "DOCKER", docker: { name: image } } } };
  return { docker: { image, ...(hasNetwork ? { network: "USER" } : {}) } };
}

/** The master looks at each in full; here only what would not be a volume at all is refused. */
function readVolumes(value: unknown): Result<readonly Volume[]> {
  if (value === undefined) return ok([]);
  const items: readonly unknown[] = Array.isArray(value) ? value : [];
  const volumes = items.filter(isVolume);
  if (Array.isArray(value) && volumes.length === items.length) return ok(volumes);
  return refuse(
    "invalid",
    'bad value for --volumes: write a list as [{"mode": "RW", "container_path": "/data", "host_path": "/srv/data"}]',
  );
}

function isVolume(value: unknown): value is Volume {
  if (typeof value !== "object" || value === null) return false;
  const isMode = "mode" in value && (value.mode === "RW" || value.mode === "RO");
  return isMode && "container_path" in value && typeof value.container_path === "string";
}
