/** The command line of the benchmarks, as data or as a sentence that says what is wrong with it. */

export interface Arguments {
  /** Benchmarks to run, each once, in the order of the registry. */
  readonly names: readonly string[];
  readonly isJson: boolean;
  readonly isQuick: boolean;
  /** Undefined: each benchmark's own. */
  readonly runs: number | undefined;
}

export type ParsedArguments =
  | { readonly ok: true; readonly value: Arguments }
  | { readonly ok: false; readonly message: string };

const OPTIONS = "--json, --runs N, --scale quick|full";

/** Options whose value may follow an equals sign. */
const TAKES_VALUE = /^--(?:runs|scale)=/;

/** Reads the words behind the program's name; no name means all of `known`. */
export function parseArguments(argv: readonly string[], known: readonly string[]): ParsedArguments {
  const wanted = new Set<string>();
  let isJson = false;
  let isQuick = false;
  let runs: number | undefined;
  const words = argv.flatMap((word) => (TAKES_VALUE.test(word) ? word.split(/=(.*)/s, 2) : [word]));
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? "";
    if (word === "--json") {
      isJson = true;
    } else if (word === "--runs") {
      index += 1;
      const text = words[index] ?? "";
      if (!/^[1-9]\d{0,3}$/.test(text)) return bad("--runs needs a whole number from 1 to 9999");
      runs = Number(text);
    } else if (word === "--scale") {
      index += 1;
      const scale = words[index];
      if (scale !== "quick" && scale !== "full") return bad("--scale is quick or full");
      isQuick = scale === "quick";
    } else if (word.startsWith("--json=")) {
      return bad("--json takes no value");
    } else if (word.startsWith("-")) {
      return bad(`unknown option ${word}; known are ${OPTIONS}`);
    } else if (known.includes(word)) {
      wanted.add(word);
    } else {
      return bad(`unknown benchmark ${word}; known are ${known.join(", ")}`);
    }
  }
  const names = wanted.size === 0 ? known : known.filter((name) => wanted.has(name));
  return { ok: true, value: { names, isJson, isQuick, runs } };
}

function bad(message: string): ParsedArguments {
  return { ok: false, message };
}
