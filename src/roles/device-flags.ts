/**
 * What an agent's flags say of devices: which all containers may use, which gpus there are to share
 * out, and whether this host can filter them. Source: semantics 7.11, 7.12, 7.16; flags.md.
 */
import { mkdirSync } from "node:fs";
import { ok, type Result, refuse } from "../base/result.ts";
import { deviceFilterObstacle } from "../containerizer/native/device-isolators.ts";
import { deviceAt } from "../containerizer/native/device-nodes.ts";
import { allowedDevices } from "../containerizer/native/device-rules.ts";
import { findGpus } from "../containerizer/native/gpu-isolator.ts";
import type { Isolation } from "../containerizer/native/isolation.ts";
import type { DeviceSettings } from "../containerizer/native/native-containerizer.ts";
import type { RoleContext } from "./role-context.ts";

export interface ChosenDevices {
  readonly settings: DeviceSettings;
  /** As chosen, with what other flags add and without what this host cannot have. */
  readonly isolation: ReadonlySet<Isolation>;
}

/** `isolation`: undefined with the posix launcher. Errors: `invalid`, naming the flag. */
export async function deviceFlags(
  { flags, codec, log }: RoleContext,
  isolation: ReadonlySet<Isolation> | undefined,
  runtimeDir: string,
): Promise<Result<ChosenDevices>> {
  const gpuList = flags.string("nvidia_gpu_devices");
  const json = flags.json("allowed_devices");
  if (isolation === undefined) {
    const name = gpuList === undefined ? "allowed_devices" : "nvidia_gpu_devices";
    if (gpuList !== undefined || json !== undefined) {
      return refuse("invalid", `--${name} needs the linux launcher`, name);
    }
    return ok({ settings: { allowed: [], gpus: [] }, isolation: new Set<Isolation>() });
  }
  const chosen = new Set(isolation);
  const named = flags.string("isolation");
  if (named === undefined && gpuList !== undefined) chosen.add("gpu/nvidia");
  if (chosen.has("cgroups/devices")) {
    mkdirSync(runtimeDir, { recursive: true });
    const obstacle = await deviceFilterObstacle(runtimeDir);
    if (obstacle !== undefined && named?.includes("cgroups/devices") === true) {
      return refuse("invalid", `--isolation=cgroups/devices: ${obstacle}`, "isolation");
    }
    if (obstacle !== undefined) {
      chosen.delete("cgroups/devices");
      log.write("warning", "devices are hidden from tasks but not kept from their root", {
        reason: obstacle,
      });
    }
  }
  const list = codec.fromJson("mesos.v1.DeviceWhitelist", json ?? {});
  if (!list.ok) {
    return refuse("invalid", `--allowed_devices: ${list.error.message}`, "allowed_devices");
  }
  const allowed = allowedDevices(list.value, deviceAt);
  if (!allowed.ok) return allowed;
  const hasGpus = chosen.has("gpu/nvidia");
  if (gpuList !== undefined && !hasGpus) {
    const message = "--nvidia_gpu_devices needs gpu/nvidia in --isolation";
    return refuse("invalid", message, "nvidia_gpu_devices");
  }
  if (hasGpus && !chosen.has("cgroups/devices") && !chosen.has("linux/devices")) {
    const message =
      "--isolation=gpu/nvidia needs cgroups/devices or linux/devices too, without which every task has every gpu";
    return refuse("invalid", message, "isolation");
  }
  const gpus = hasGpus ? findGpus(gpuList) : ok([]);
  if (!gpus.ok) return gpus;
  return ok({ settings: { allowed: allowed.value, gpus: gpus.value }, isolation: chosen });
}
