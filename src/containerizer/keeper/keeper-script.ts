/**
 * The keeper: a shell script that starts one container's command, outlives the agent and writes
 * down how the command ended. Being a POSIX shell it costs a fraction of a megabyte; all it does
 * is readable below. Checked on dash, busybox ash and bash.
 */

/**
 * Arguments: FOLDER (the container's records), EXITS (one file per ended container), ID, MODE,
 * then the programs that lead to the command. The working folder is the sandbox.
 *
 * The end is one line in one write, and counts only with its line end, so that nobody ever reads
 * half of it. Nothing is started for that: a rename by `mv` would need a process, which a host
 * short of memory or process numbers refuses just when many containers end.
 *
 * It speaks with the agent over stdin and stdout: `ready`, then the agent's `go`, then `started`.
 * When stdin ends without `go` the agent is gone, and the command is never started.
 *
 * How an end by signal is told from `exit 143`, which `$?` alone cannot tell: in MODE background
 * the shell's `jobs` names the way the command ended. A shell ignores SIGINT and SIGQUIT for what
 * it starts in the background, so that mode needs an `env` that can undo this. In MODE foreground
 * the shell prints a note on its own stderr when a signal ended the command, except for SIGINT and
 * SIGPIPE, which then read as exits with 130 and 141. Bash drops a job that was waited for, so
 * there `jobs` runs when the SIGCHLD arrives, and a second `wait` still knows the status.
 */
export const KEEPER_SCRIPT: string = `\
# Guards one container of allot: starts its command, waits, writes down how it ended.
folder=$1 end=$2/$3 mode=$4
shift 4
signals='HUP INT QUIT ALRM TERM PIPE USR1 USR2 TSTP TTIN TTOU'
trap '' $signals

finish() {
  echo "$*" >"$end"
  exit
}

# Becomes the command; runs in a process of its own.
start() {
  exec <"$folder/plan"
  read -r stat </proc/self/stat
  echo "$stat" >"$folder/task"
  echo started
  trap - $signals
  exec "$@" >&8 2>&9 8>&- 9>&-
}

read -r stat </proc/self/stat
read -r boot </proc/sys/kernel/random/boot_id
echo "$boot $stat" >"$folder/keeper"
exec 8>>stdout 9>>stderr
echo ready
read -r word
[ "$word" = go ] || finish aborted

if [ "$mode" = background ]; then
  exec 2>/dev/null
  [ -z "$BASH_VERSION" ] || trap 'jobs >"$folder/note"' CHLD
  start "$@" &
  exec </dev/null >/dev/null 8>&- 9>&-
  wait $!
  status=$?
  if [ -n "$BASH_VERSION" ]; then
    wait $!
    status=$?
  else
    jobs >"$folder/note"
  fi
else
  exec 2>"$folder/note"
  (start "$@") 2>&9
  status=$?
fi

note=
read -r note <"$folder/note"
case $note in
  '' | *Done* | *Exit*) finish exited "$status" ;;
  *) finish signaled "$((status - 128))" ;;
esac
`;
