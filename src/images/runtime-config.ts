/**
 * What a command becomes in an image: the image's entrypoint, command and variables where the task
 * leaves them open. Pure. Source: Mesos docs/container-image.md, isolator `docker/runtime`.
 *
 * | shell | value | arguments | runs |
 * |---|---|---|---|
 * | true | set | | `/bin/sh -c value` |
 * | true | none | | refused |
 * | false | set | any | value, with the arguments (the first is its name) |
 * | false | none | none | entrypoint and command, or the command alone |
 * | false | none | some | entrypoint, or the command's first word, then the arguments |
 */
import { ok, type Result, refuse } from "../base/result.ts";
import type { CommandInfo } from "../protocol/v1/types.ts";
import type { RuntimeConfig } from "./manifest.ts";

/** Errors: invalid, when neither task nor image says what to run. */
export function commandInImage(command: CommandInfo, image: RuntimeConfig): Result<CommandInfo> {
  const { value = "", arguments: given = [] } = command;
  if (value !== "") return ok(command);
  if (command.shell ?? true) {
    return refuse(
      "invalid",
      "The command has no value: set command.value, or command.shell to false to run what the image is made for",
    );
  }
  const [first, ...own] = image.entrypoint.length > 0 ? image.entrypoint : image.command;
  if (first === undefined) {
    return refuse(
      "invalid",
      "The image says nothing about what to run in it: set command.value to a program of the image",
    );
  }
  const isEntrypoint = image.entrypoint.length > 0;
  const rest = isEntrypoint
    ? [...own, ...(given.length > 0 ? given : image.command)]
    : given.length > 0
      ? given
      : own;
  return ok({ ...command, value: first, arguments: [first, ...rest] });
}

/**
 * The variables of the image below those of the task and of the agent. `defaults` are what the agent
 * gives where nobody says otherwise, such as PATH.
 */
export function environmentInImage(
  environment: Readonly<Record<string, string>>,
  command: CommandInfo,
  image: RuntimeConfig,
): Record<string, string> {
  const asked = command.environment?.variables?.some(({ name }) => name === "PATH") === true;
  const { PATH: path = "", ...others } = environment;
  const own = asked ? { PATH: path } : {};
  return { PATH: path, ...image.environment, ...others, ...own };
}
