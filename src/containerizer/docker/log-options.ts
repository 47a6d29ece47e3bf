/**
 * How much the Engine itself keeps of a container's output, where that of the sandbox is bounded: as
 * much, for an agent that was away meanwhile, counted twice for what the Engine writes around each
 * line. Its log has both outputs, so that it has no bound where one of them has none.
 */
import type { LogBounds } from "../log-bounds.ts";
import { ENGINE_LOG_BYTES_MIN, ENGINE_LOG_FILES } from "./limits.ts";
import type { RunBody } from "./run-body.ts";

/** Those that write files which they can rotate; others keep none, or bound what they keep. */
const ROTATING = ["json-file", "local"];

/**
 * Sets the bounds, unless the task has chosen a size of its own; `driver` is the Engine's default, or
 * undefined while that is not known.
 */
export function applyLogBounds(body: RunBody, bounds: LogBounds, driver: string | undefined): void {
  const fileBytes = engineLogBytes(bounds);
  if (fileBytes === undefined) return;
  const chosen = body.host["LogConfig"];
  const config = typeof chosen === "object" && chosen !== null ? chosen : {};
  const type = "Type" in config ? config.Type : driver;
  const options = "Config" in config && typeof config.Config === "object" ? config.Config : {};
  if (typeof type !== "string" || !ROTATING.includes(type)) return;
  if (options !== null && "max-size" in options) return;
  body.host["LogConfig"] = {
    ...config,
    Type: type,
    Config: { "max-file": String(ENGINE_LOG_FILES), ...options, "max-size": String(fileBytes) },
  };
}

/** Of each file; undefined for no bound. */
export function engineLogBytes({ maxBytes, files }: LogBounds): number | undefined {
  const { stdout, stderr } = maxBytes;
  if (stdout === undefined || stderr === undefined) return undefined;
  const keptBytes = (stdout + stderr) * (files + 1);
  // The newest file may be empty.
  return Math.max(ENGINE_LOG_BYTES_MIN, Math.ceil((2 * keptBytes) / (ENGINE_LOG_FILES - 1)));
}
