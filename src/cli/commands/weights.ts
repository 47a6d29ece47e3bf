/** `allot weights`: how roles share; a role of weight 2 gets twice the share of one of weight 1. */
import { ok, type Result, refuse } from "../../base/result.ts";
import type { WeightInfo } from "../../protocol/v1/types.ts";
import { group } from "../flags/flag-table.ts";
import { type Command, type CommandContext, EXIT_DONE, EXIT_USAGE, JSON_FLAG } from "./command.ts";
import { printListing } from "./listing.ts";

/** Words of one command line: above any number of roles a person sets at once. */
const WORDS_MAX = 256;

/** The verb. */
export const WEIGHTS: Command = {
  name: "weights",
  summary: "list or set the weights of roles",
  synopsis: "[ROLE=WEIGHT …] [--json]",
  description: [
    "Without words lists what was set; all other roles weigh 1.",
    "--json prints an array of {role, weight}.",
  ],
  flags: group("Output", [JSON_FLAG]),
  wordCount: 0,
  wordCountMax: WORDS_MAX,
  run: weights,
};

async function weights({ client, console, flags, words }: CommandContext): Promise<number> {
  if (words.length > 0) {
    const weight_infos: WeightInfo[] = [];
    for (const word of words) {
      const info = weightOf(word);
      if (!info.ok) {
        await console.error(`allot weights: ${info.error.message}\n`);
        return EXIT_USAGE;
      }
      weight_infos.push(info.value);
    }
    await client.call({ type: "UPDATE_WEIGHTS", update_weights: { weight_infos } });
    return EXIT_DONE;
  }
  const answer = await client.call({ type: "GET_WEIGHTS" });
  const rows = (answer.get_weights?.weight_infos ?? []).map(({ role, weight }) => ({
    role: role ?? "*",
    weight,
  }));
  const columns = [
    { heading: "ROLE", text: (row: (typeof rows)[number]) => row.role },
    { heading: "WEIGHT", text: (row: (typeof rows)[number]) => String(row.weight), isRight: true },
  ];
  const emptyText = "No weight is set: every role weighs 1.";
  await printListing(console, { rows, columns, emptyText }, flags.boolean("json"));
  return EXIT_DONE;
}

function weightOf(word: string): Result<WeightInfo> {
  const match = /^(.+)=(\d+(?:\.\d+)?)$/.exec(word);
  const weight = Number(match?.[2]);
  if (match?.[1] !== undefined && weight > 0) return ok({ role: match[1], weight });
  return refuse("invalid", `${word} is not ROLE=WEIGHT with a number above 0, as web=2`);
}
