/** Completion of verbs and their flags for the usual shells, as text to be sourced. */
import { type Command, commandTable } from "./commands/command.ts";

/** The script for `shell`; undefined for a shell that is not known. */
export function completionScript(shell: string, commands: readonly Command[]): string | undefined {
  const verbs = [...commands.map(({ name }) => name), "completion", "help"].join(" ");
  const flagsOf = (command: Command): string =>
    commandTable(command)
      .flags.map(({ name }) => `--${name}`)
      .join(" ");
  const cases = commands
    .map(({ actions = [], ...command }) => {
      const words = [...actions, flagsOf(command)].join(" ");
      return `    ${command.name}) words="${words}" ;;`;
    })
    .join("\n");
  if (shell === "bash" || shell === "zsh") {
    const head = shell === "zsh" ? "autoload -U +X bashcompinit && bashcompinit\n" : "";
    return `${head}_allot() {
  local words="${verbs}"
  case "\${COMP_WORDS[1]}" in
${cases}
  esac
  [ "$COMP_CWORD" -eq 1 ] && words="${verbs}"
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -F _allot allot
`;
  }
  if (shell !== "fish") return undefined;
  const lines = commands.flatMap(({ actions = [], ...command }) => {
    const after = `complete -c allot -n '__fish_seen_subcommand_from ${command.name}'`;
    return [
      ...actions.map((action) => `${after} -f -a ${action}`),
      ...flagsOf(command)
        .split(" ")
        .map((flag) => `${after} -l ${flag.slice(2)}`),
    ];
  });
  return [`complete -c allot -f -n __fish_use_subcommand -a '${verbs}'`, ...lines, ""].join("\n");
}
