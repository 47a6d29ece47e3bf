/** `allot why`: says in sentences why a framework or role gets no offers, or how a task fared. */
import { ClientError } from "../client/client-error.ts";
import { acts, group } from "../flags/flag-table.ts";
import { type Command, type CommandContext, EXIT_DONE, EXIT_USAGE, JSON_FLAG } from "./command.ts";
import { printJson } from "./listing.ts";
import { cleanText } from "./table.ts";

/** What can be asked about, as in the path of `GET /allot/v1/why/…`. */
const SUBJECTS: readonly string[] = ["framework", "role", "task"];

/** The verb. */
export const WHY: Command = {
  name: "why",
  summary: "say why a framework or role gets no offers, or why a task does not run",
  synopsis: "framework ID | role ROLE | task ID [--framework=ID] [--json]",
  description: [
    "For a framework or role: which agents were looked at and what stands against each, with counts, and since when it starves. For a task: all that the master was told of it, with reasons.",
    "--json prints {clients} for a framework or role, or the task with its history, beside the summary.",
  ],
  flags: group("Output", [
    acts("framework", "string", undefined, "the framework the task belongs to"),
    JSON_FLAG,
  ]),
  actions: SUBJECTS,
  wordCount: 2,
  run: explain,
};

async function explain({ client, console, flags, words }: CommandContext): Promise<number> {
  const [subject = "", name = ""] = words;
  if (!SUBJECTS.includes(subject)) {
    await console.error(`allot why: ${subject} is none of ${SUBJECTS.join(", ")}\n`);
    return EXIT_USAGE;
  }
  const framework = flags.string("framework");
  const query = framework === undefined ? "" : `?framework_id=${encodeURIComponent(framework)}`;
  const path = `/allot/v1/why/${subject}/${encodeURIComponent(name)}${query}`;
  const response = await client.request({ method: "GET", path });
  const answer: unknown = await response.json();
  if (flags.boolean("json")) await printJson(console, answer);
  else
    await console.out(
      `${summaryOf(answer)
        .map((line) => cleanText(String(line)))
        .join("\n")}\n`,
    );
  return EXIT_DONE;
}

function summaryOf(answer: unknown): readonly unknown[] {
  const isObject = typeof answer === "object" && answer !== null && "summary" in answer;
  if (isObject && Array.isArray(answer.summary)) return answer.summary;
  throw new ClientError("badAnswer", "the answer has no summary: the master is of another version");
}
