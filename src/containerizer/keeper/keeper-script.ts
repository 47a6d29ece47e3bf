/**
 * The keeper: a shell script that starts one container's command, outlives the agent and writes
 * down how the command ended. Being a POSIX shell it costs a fraction of a megabyte; all it does
 * is readable below. Checked on dash, busybox ash and bash.
 */

const SIGNALS = "HUP INT QUIT ALRM TERM PIPE USR1 USR2 TSTP TTIN TTOU";

/**
 * Arguments: FOLDER (the container's records), EXITS (one file per ended container), ID, MODE, HOME
 * and CGROUP (cgroups of the keeper and of the command, or nothing), INIT (set when the words lead to
 * an init in namespaces of its own), then the programs that lead to the command. The working folder
 * is the sandbox.
 *
 * The end is one line in one write, and counts only with its line end, so that nobody ever reads
 * half of it. Nothing is started for that: a rename by `mv` would need a process, which a host
 * short of memory or process numbers refuses just when many containers end. Nor does it take room on
 * the disk: what is written at the end goes over files that were made before (records.ts).
 *
 * It speaks with the agent over stdin and stdout: `ready`, then the agent's `go`, then `started`.
 * When stdin ends without `go` the agent is gone, and the command is never started. Whatever else is
 * said on stdout before `started` is why the command could not be started.
 *
 * Processes enter their cgroup before they become anything else; nothing is forked before that, so
 * that with a process namespace in wait the first fork is that namespace's init.
 */
export const KEEPER_SCRIPT: string = keeperScript();

/**
 * The init of a container's namespaces, for all that needs to be done inside them and to reap what
 * loses its parent there. Arguments: FOLDER, SANDBOX, MODE, then the programs that lead to the
 * command. The working folder is the host's /proc, which tells the command's process id as the host
 * knows it. Its word on how the command ended is a line in FOLDER, since its own status cannot tell
 * a signal from an exit.
 */
export const INIT_SCRIPT: string = initScript();

/**
 * How an end by signal is told from `exit 143`, which `$?` alone cannot tell: in MODE background
 * the shell's `jobs` names the way the command ended. A shell ignores SIGINT and SIGQUIT for what
 * it starts in the background, so that mode needs an `env` that can undo this. In MODE foreground
 * the shell prints a note on its own stderr when a signal ended the command, except for SIGINT and
 * SIGPIPE, which then read as exits with 130 and 141. Bash drops a job that was waited for, so
 * there `jobs` runs when the SIGCHLD arrives, and a second `wait` still knows the status.
 */
function guardText(): string {
  return `\
# Runs start in a process of its own and says in $outcome how that ended.
guard() {
  if [ "$mode" = background ]; then
    exec 2>/dev/null
    [ -z "$BASH_VERSION" ] || trap 'jobs 1<>"$note"' CHLD
    start "$@" &
    exec </dev/null >/dev/null 8>&- 9>&-
    wait $!
    status=$?
    if [ -n "$BASH_VERSION" ]; then
      wait $!
      status=$?
    else
      jobs 1<>"$note"
    fi
  else
    exec 2<>"$note"
    (start "$@") 2>&9
    status=$?
  fi
  how=
  read -r how <"$note"
  case $how in
    '' | *Done* | *Exit*) outcome="exited $status" ;;
    *) outcome="signaled $((status - 128))" ;;
  esac
}
`;
}

function keeperScript(): string {
  return `\
# Guards one container of allot: starts its command, waits, writes down how it ended.
folder=$1 end=$2/$3 mode=$4 home=$5 cgroup=$6 init=$7 note=$1/note
shift 7
signals='${SIGNALS}'
trap '' $signals

finish() {
  echo "$*" 1<>"$end"
  exit
}

# Becomes the command, or the init that starts it; runs in a process of its own.
start() {
  exec 2>&1
  if [ -n "$cgroup" ]; then
    echo 0 >"$cgroup/cgroup.procs" || exit 126
  fi
  if [ -n "$init" ]; then
    cd /proc || exit 126
    trap - $signals
    exec "$@" </dev/null
  fi
  exec <"$folder/plan"
  read -r stat </proc/self/stat
  echo "$stat" >"$folder/task" || exit 126
  echo started
  trap - $signals
  exec "$@" >&8 2>&9 8>&- 9>&-
}

${guardText()}
read -r stat </proc/self/stat
read -r boot </proc/sys/kernel/random/boot_id
if ! echo "$boot $stat" >"$folder/keeper"; then
  echo "its keeper could not write its records"
  finish aborted
fi
if [ -n "$home" ] && ! echo 0 >"$home/cgroup.procs"; then
  echo "its keeper could not enter the cgroup $home"
  finish aborted
fi
exec 8>>stdout 9>>stderr
echo ready
read -r word
[ "$word" = go ] || finish aborted
guard "$@"
line=
[ -z "$init" ] || read -r line 2>/dev/null <"$folder/outcome"
finish "\${line:-$outcome}"
`;
}

function initScript(): string {
  return `\
# First process in the namespaces of one container of allot: readies them, starts the command, waits.
folder=$1 sandbox=$2 mode=$3 note=$1/init-note
shift 3
signals='${SIGNALS}'
trap '' $signals

# Becomes the command; runs in a process of its own.
start() {
  exec <"$folder/plan"
  read -r stat <self/stat
  echo "$stat" >"$folder/task" || exit 126
  enter "$sandbox"
  echo started
  trap - $signals
  exec "$@" >&8 2>&9 8>&- 9>&-
}

# Goes to a folder, unless a link that somebody has put in its place leads elsewhere.
enter() {
  cd -P -- "$1" && [ "$PWD" = "$1" ] && return
  echo "$1 leads elsewhere"
  exit 126
}

# The same for a folder or file to mount or to mount at, which is open as number $1 from then on.
hold() {
  if [ -p "$2" ]; then
    echo "$2 is a pipe, which cannot be mounted"
    exit 126
  fi
  eval "exec $1"'<"$2"' && [ "$(readlink "/proc/self/fd/$1")" = "$2" ] && return
  echo "$2 leads elsewhere"
  exit 126
}

${guardText()}
exec 2>&1
set -e
. "$folder/setup"
set +e
guard "$@"
echo "$outcome" 1<>"$folder/outcome"
`;
}
