#!/bin/sh
# Installs allot on a machine with systemd: the program, its configuration and its units. Safe to
# repeat: an existing configuration is kept, the program is replaced at once and tasks run on.
set -eu

usage() {
  cat <<'USAGE'
usage: install.sh [OPTION]…
  --binary FILE      the program to install (default: dist/allot beside this script)
  --prefix FOLDER    where bin/allot goes (default: where it is installed, or else /usr/local)
  --role ROLE        master, agent or both (default: both)
  --master ADDRESS   the master an agent connects to (needed by --role agent): HOST:PORT, or
                     zk://HOST:PORT[,HOST:PORT…]/PATH, where ZooKeeper elects it
  --zk ADDRESS       the same zk://… for a master that stands for election
  --root FOLDER      install below this folder and touch nothing else, to stage an image
  --no-start         do not enable or start the units
  --uninstall        end the tasks, remove program and units; configuration and data stay
  --purge            with --uninstall: remove configuration and data too
  --help             this text
USAGE
}

say() { printf '%s\n' "$*"; }
fail() {
  printf 'install.sh: %s\n' "$*" >&2
  exit 1
}

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
binary=$here/dist/allot
prefix=
role=
master=
zk=
root=
start=yes
action=install
purge=no

while [ $# -gt 0 ]; do
  option=$1
  shift
  value=
  case $option in
    --*=*)
      value=${option#*=}
      option=${option%%=*}
      ;;
    --binary | --prefix | --role | --master | --zk | --root)
      [ $# -gt 0 ] || fail "$option needs a value; see install.sh --help"
      value=$1
      shift
      ;;
  esac
  case $option in
    --binary) binary=$value ;;
    --prefix) prefix=$value ;;
    --role) role=$value ;;
    --master) master=$value ;;
    --zk) zk=$value ;;
    --root) root=${value%/} ;;
    --no-start) start=no ;;
    --uninstall) action=uninstall ;;
    --purge) purge=yes ;;
    --help | -h)
      usage
      exit 0
      ;;
    *) fail "unknown option $option; see install.sh --help" ;;
  esac
done

config=/etc/allot/allot.conf
units=/etc/systemd/system
data=/var/lib/allot

# check_zk OPTION ADDRESS
check_zk() {
  case $2 in
    *[[:space:]\#\"\']*) fail "$1 $2 holds a character that no address has" ;;
    zk://*:[0-9]*/?*) ;;
    *) fail "$1 $2 is not zk://HOST:PORT[,HOST:PORT…]/PATH" ;;
  esac
}

check_options() {
  case $prefix in
    '' | /*) ;;
    *) fail "--prefix $prefix is not an absolute path" ;;
  esac
  case $prefix in
    *[!A-Za-z0-9._/-]*) fail "--prefix $prefix holds a character that a unit file would misread" ;;
  esac
  case $root in
    '' | /*) ;;
    *) fail "--root $root is not an absolute path" ;;
  esac
  case ${role:-both} in
    master | agent | both) ;;
    *) fail "--role $role is unknown; choose master, agent or both" ;;
  esac
  case $master in
    zk://*) check_zk --master "$master" ;;
    *[!A-Za-z0-9.:_\[\]-]*) fail "--master $master is not HOST:PORT or zk://HOST:PORT/PATH" ;;
    '' | *:[0-9]*) ;;
    *) fail "--master $master is not HOST:PORT or zk://HOST:PORT/PATH" ;;
  esac
  [ -z "$zk" ] || check_zk --zk "$zk"
  [ "$purge" = no ] || [ "$action" = uninstall ] || fail "--purge only goes with --uninstall"
  if [ -z "$root" ] && [ "$(id -u)" -ne 0 ]; then
    fail "must run as root; or stage an image with --root FOLDER"
  fi
}

# The prefix of the program that the unit starts; empty when there is none.
installed_prefix() {
  [ ! -f "$root$units/allot.service" ] ||
    sed -n 's|^ExecStart=\(/[A-Za-z0-9._/-]*\)/bin/allot .*|\1|p' "$root$units/allot.service" | head -n 1
}

# What the unit says decides, as it survives from one run of this script to the next.
settle_prefix() {
  found=$(installed_prefix)
  if [ "$action" = uninstall ] && [ -n "$found" ] && [ "${prefix:-$found}" != "$found" ]; then
    fail "allot is installed with --prefix $found, not $prefix; leave --prefix out to remove it"
  fi
  prefix=${prefix:-${found:-/usr/local}}
}

# With a staging folder there is no running systemd to talk to.
has_systemd() {
  [ -z "$root" ] && [ -d /run/systemd/system ] && command -v systemctl >/dev/null 2>&1
}

# place SOURCE TARGET MODE: copies beside the target and renames, so that a reader sees the old file
# or the new one, and a running program keeps the file it was started from.
place() {
  mkdir -p "$(dirname -- "$2")"
  rm -f "$2.new"
  cp "$1" "$2.new"
  chmod "$3" "$2.new"
  mv -f "$2.new" "$2"
}

place_unit() {
  draft=$root$units/.$1.draft
  mkdir -p "$root$units"
  sed "s|@PREFIX@|$prefix|g" "$here/systemd/$1" >"$draft"
  place "$draft" "$root$units/$1" 0644
  rm -f "$draft"
  say "placed $root$units/$1"
}

# set_value NAME VALUE: replaces the line of NAME in the configuration, or adds one. A configuration
# with a password (zk://user:password@…) is for root alone.
set_value() {
  draft=$root$config.draft
  (
    umask 077
    grep -v "^[[:space:]]*$1[[:space:]]*=" "$root$config" >"$draft" || true
    printf '%s=%s\n' "$1" "$2" >>"$draft"
  )
  mode=0644
  ! grep -q '^[^#]*zk://[^/]*@' "$draft" || mode=0600
  place "$draft" "$root$config" "$mode"
  rm -f "$draft"
}

write_config() {
  if [ -e "$root$config" ]; then
    say "kept $root$config"
  else
    mkdir -p "$root${config%/*}"
    cat >"$root$config" <<CONFIG
# Settings of allot, one name=value per line: the flags of \`allot --help\` without the dashes.
# A flag on the command line wins over the environment (ALLOT_NAME), and that over this file.
role=both
work_dir=$data
# Loopback only, as long as nothing protects the API. Other machines need an address of this one.
ip=127.0.0.1
CONFIG
    say "wrote $root$config"
  fi
  [ -z "$role" ] || set_value role "$role"
  [ -z "$master" ] || set_value master "$master"
  [ -z "$zk" ] || set_value zk "$zk"
}

install_all() {
  [ -f "$binary" ] || fail "$binary is missing; run npm run build, or name it with --binary FILE"
  [ -x "$binary" ] || fail "$binary is not executable"
  [ -f "$here/systemd/allot.service" ] || fail "$here/systemd is missing; keep it beside this script"
  if [ "$role" = agent ] && [ -z "$master" ] &&
    ! grep -qs '^[[:space:]]*master[[:space:]]*=' "$root$config"; then
    fail "role agent needs the address of its master: --master HOST:PORT or zk://…"
  fi
  write_config
  place "$binary" "$root$prefix/bin/allot" 0755
  say "placed $root$prefix/bin/allot"
  if [ -n "$found" ] && [ "$found" != "$prefix" ] && [ -e "$root$found/bin/allot" ]; then
    say "left $root$found/bin/allot as it is, which no unit starts any more"
  fi
  mkdir -p "$root$data"
  place_unit allot.slice
  place_unit allot-docker.slice
  place_unit allot-tasks.service
  place_unit allot.service
  if [ "$start" = no ] || [ -n "$root" ]; then
    say "not started; start it with: systemctl enable --now allot-tasks allot"
  elif has_systemd; then
    systemctl daemon-reload
    systemctl enable --quiet allot-tasks.service allot.service
    # Tasks are not touched: their unit is started when it is not, and never restarted.
    systemctl start allot-tasks.service || fail "allot-tasks.service does not start: journalctl -u allot-tasks"
    # Comes back when the API answers, or after a minute.
    if ! systemctl restart allot.service; then
      journalctl --no-pager --lines=20 --unit=allot.service >&2 || true
      fail "allot.service does not start; mend $config and run this again"
    fi
    say "started, and its API answers; its log: journalctl -u allot -f"
  else
    say "no systemd here; start it by hand: $prefix/bin/allot --config=$config"
  fi
}

# Files of networks that tasks are in, as far as the data is where it usually is.
networks_are_held() {
  [ -n "$(find "$data/runtime/networks" "$data/isolators/network/cni" -type f 2>/dev/null | head -n 1)" ]
}

uninstall_all() {
  if has_systemd; then
    systemctl disable --quiet --now allot-tasks.service 2>/dev/null || true
    # While the agent runs it gives back what ended tasks held, such as addresses.
    tries=0
    while [ "$tries" -lt 20 ] && networks_are_held && systemctl is-active --quiet allot.service; do
      sleep 1
      tries=$((tries + 1))
    done
    systemctl disable --quiet --now allot.service 2>/dev/null || true
    # It may have started something meanwhile: its unit wants the other one.
    systemctl stop --quiet allot-tasks.service 2>/dev/null || true
    # Without cgroups for tasks the agent keeps what it started in its own.
    # An agent that was installed earlier and never restarted since is still in the system's slice.
    for slice in allot system; do
      left=/sys/fs/cgroup/$slice.slice/allot.service/cgroup.kill
      if [ -e "$left" ]; then echo 1 >"$left"; fi
    done
  fi
  program=$root$prefix/bin/allot
  if [ -e "$program" ]; then
    rm -f "$program"
    removed="$program and units"
  else
    removed="units; there is no $program, and a program elsewhere takes --prefix to be found"
  fi
  for unit in allot.service allot-tasks.service allot-docker.slice allot.slice; do rm -f "$root$units/$unit"; done
  if has_systemd; then
    systemctl daemon-reload
    systemctl reset-failed --quiet allot.service allot-tasks.service 2>/dev/null || true
    # An empty slice would stay until the next start of the machine.
    systemctl stop --quiet allot.slice 2>/dev/null || true
  fi
  say "removed $removed"
  if [ "$purge" = yes ]; then
    # Networks of tasks that the agent did not see end are held by mounts.
    sed -n "s|^[^ ]* [^ ]* [^ ]* [^ ]* \($root$data/[^ ]*\) .*|\1|p" /proc/self/mountinfo |
      sort -r | while read -r mounted; do umount -l "$mounted"; done
    rm -rf "$root${config%/*}" "$root${data:?}"
    say "removed $root${config%/*} and $root$data"
  else
    say "kept $root${config%/*} and $root$data; remove them with --uninstall --purge"
  fi
}

check_options
settle_prefix
case $action in
  install) install_all ;;
  uninstall) uninstall_all ;;
esac
