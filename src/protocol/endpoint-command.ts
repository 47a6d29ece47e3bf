/** Commands in the v0 JSON of the endpoints outside v1. Source: reference/http-api.md 9.1. */
import type { CommandInfo } from "./v1/types.ts";

/** The COMMAND object; what is not set is left out. */
export function toEndpointCommand(
  command: CommandInfo | undefined,
): Readonly<Record<string, unknown>> {
  const { shell, value, environment, arguments: argv, uris } = command ?? {};
  return {
    ...(shell !== undefined && { shell }),
    ...(value !== undefined && { value }),
    argv: argv ?? [],
    ...(environment !== undefined && { environment }),
    uris: (uris ?? []).map((uri) => ({ value: uri.value, executable: uri.executable ?? false })),
  };
}
