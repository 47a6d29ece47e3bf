# shellcheck shell=bash
# Sourced by what makes images: Debian root folders from the sources that this machine's apt is set
# up with. The sourcing script has made a folder for drafts and named it in $draft.

suite=bookworm
apt_seconds_max=600
bootstrap_seconds_max=900

say() { printf '     %s\n' "$*" >&2; }
fail() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
  exit 1
}

# obtain PACKAGE…: what of them this machine lacks; the lists are fetched when they do not do.
obtain() {
  local apt=(timeout --kill-after=10 "$apt_seconds_max" apt-get -q -o DPkg::Lock::Timeout=120)
  export DEBIAN_FRONTEND=noninteractive
  dpkg-query --show --showformat='${db:Status-Status}\n' "$@" 2>/dev/null |
    grep -cx installed | grep -qx "$#" && return
  say "installing $*"
  "${apt[@]}" install -y --no-install-recommends "$@" >"$draft/log" 2>&1 && return
  { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "$@"; } >"$draft/log" 2>&1 && return
  tail -n 5 "$draft/log" >&2
  fail "apt-get cannot install $*"
}

# One line for each Debian source of this machine that has our suite; others are passed over.
sources() {
  # shellcheck disable=SC2016 # apt's own $(NAME)
  apt-get indextargets --format '$(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    awk -v suite="$suite" '$1 == "Debian" && index($3, suite) == 1 { print "deb", $2, $3, $4 }'
}

# bootstrap ROOT VARIANT PACKAGE…: a Debian in the new folder ROOT, without documentation.
bootstrap() {
  local root=$1 variant=$2 proxies=()
  shift 2
  obtain mmdebstrap e2fsprogs
  sources >"$draft/sources"
  if ! grep -q " $suite " "$draft/sources"; then
    timeout "$apt_seconds_max" apt-get -q update >"$draft/log" 2>&1 || true
    sources >"$draft/sources"
  fi
  grep -q " $suite " "$draft/sources" || fail "apt has no source of Debian $suite on this machine"
  mapfile -t proxies < <(apt-config dump | sed -n 's/^Acquire::https\?::Proxy/--aptopt=&/Ip')
  # shellcheck disable=SC2016 # $1 is mmdebstrap's
  timeout --kill-after=10 "$bootstrap_seconds_max" mmdebstrap --quiet --mode=root --variant="$variant" \
    --aptopt='APT::Install-Recommends "false"' "${proxies[@]}" \
    --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-include=/usr/share/man/man[1-9]' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --essential-hook='mkdir -p "$1/usr/share/man/man1"' \
    --include="$(IFS=,; printf '%s' "$*")" \
    "$suite" "$root" "$draft/sources" >"$draft/log" 2>&1 ||
    { tail -n 20 "$draft/log" >&2 && fail "mmdebstrap did not end well"; }
}

# cached CACHE NAME: where the thing of this name is kept; prints that and ends when it is there.
# Else this script alone may make it from here on, with its draft in $draft. Needs root and apt.
cached() {
  local cache=$1
  made=$cache/$2
  answer_if_made
  [ "$(id -u)" -eq 0 ] || fail "making the test machine needs root"
  command -v apt-get >/dev/null || fail "making the test machine needs apt"
  mkdir -p "$cache"
  exec 9>"$cache/lock"
  flock --wait "$lock_seconds_max" 9 || fail "somebody has held $cache/lock for $lock_seconds_max s"
  answer_if_made
  draft=$(mktemp -d "$cache/draft.XXXXXX")
  trap 'rm -rf --one-file-system "$draft"' EXIT
}

lock_seconds_max=1200

answer_if_made() {
  [ -e "$made/made" ] || return 0
  printf '%s\n' "$made"
  exit 0
}

# keep FILE…: of the draft, in the cache; prints where.
keep() {
  rm -rf --one-file-system "$made"
  mkdir "$made"
  mv "$@" "$made/"
  : >"$made/made"
  printf '%s\n' "$made"
}
