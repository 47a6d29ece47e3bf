/** `allot teardown`: ends a framework with all its tasks. */
import { type Command, type CommandContext, EXIT_DONE, EXIT_FAILED } from "./command.ts";

/** The verb. */
export const TEARDOWN: Command = {
  name: "teardown",
  summary: "end a framework with all its tasks",
  synopsis: "FRAMEWORK",
  description: [
    "FRAMEWORK is a framework's id, or its name if no other has it. It cannot come back under its id.",
  ],
  flags: [],
  wordCount: 1,
  run: teardown,
};

async function teardown({ client, console, words }: CommandContext): Promise<number> {
  const [name = ""] = words;
  const answer = await client.call({ type: "GET_FRAMEWORKS" });
  const ids = (answer.get_frameworks?.frameworks ?? [])
    .map(({ framework_info: info }) => ({ id: info.id?.value ?? "", name: info.name }))
    .filter((framework) => framework.id === name || framework.name === name)
    .map(({ id }) => id);
  const [only = name, other] = ids;
  if (other !== undefined) {
    await console.error(
      `allot teardown: ${ids.length} frameworks are called ${name}: ${ids.join(", ")}\n`,
    );
    return EXIT_FAILED;
  }
  await client.call({ type: "TEARDOWN", teardown: { framework_id: { value: only } } });
  return EXIT_DONE;
}
