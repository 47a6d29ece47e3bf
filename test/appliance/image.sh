#!/usr/bin/env bash
# Makes what the test machine starts from, unless it is there already, and prints its folder: disk,
# a Debian 12 with systemd and Docker, and linux, Debian's kernel that runs as a process (user-mode
# Linux: no KVM, no loaded module). Everything comes from the Debian sources apt is set up with.
set -euo pipefail

# Where images are kept. One holds 700 MB and 100 MB go through the network to make it.
cache=$1
suite=bookworm
# A sparse file: what the machine writes lands elsewhere.
disk_size=16G
apt_seconds_max=600
bootstrap_seconds_max=900
lock_seconds_max=1200

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mapfile -t packages < <(sed 's/#.*//; s/[[:space:]]*$//; /^$/d' "$here/packages")

say() { printf '     %s\n' "$*" >&2; }
fail() {
  printf 'image.sh: %s\n' "$*" >&2
  exit 1
}

stamp=$(cat "$here/image.sh" "$here/packages" "$here"/guest/* | sha256sum | cut -c1-12)
image=$cache/image-$stamp

answer_if_made() {
  [ -e "$image/made" ] || return 0
  printf '%s\n' "$image"
  exit 0
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

bootstrap() {
  local root=$draft/root proxies=()
  obtain mmdebstrap e2fsprogs
  sources >"$draft/sources"
  if ! grep -q " $suite " "$draft/sources"; then
    timeout "$apt_seconds_max" apt-get -q update >"$draft/log" 2>&1 || true
    sources >"$draft/sources"
  fi
  grep -q " $suite " "$draft/sources" || fail "apt has no source of Debian $suite on this machine"
  mapfile -t proxies < <(apt-config dump | sed -n 's/^Acquire::https\?::Proxy/--aptopt=&/Ip')

  say "making the disk of the test machine, which takes some minutes once"
  # shellcheck disable=SC2016 # $1 is mmdebstrap's
  timeout --kill-after=10 "$bootstrap_seconds_max" mmdebstrap --quiet --mode=root --variant=minbase \
    --aptopt='APT::Install-Recommends "false"' "${proxies[@]}" \
    --dpkgopt=force-unsafe-io \
    --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-include=/usr/share/man/man[1-9]' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --essential-hook='mkdir -p "$1/usr/share/man/man1"' \
    --include="$(IFS=,; printf '%s' "${packages[*]}")" \
    "$suite" "$root" "$draft/sources" >"$draft/log" 2>&1 ||
    { tail -n 20 "$draft/log" >&2 && fail "mmdebstrap did not end well"; }
}

# Nothing runs in the machine but systemd's own services, Docker's socket and what tests start.
furnish() {
  local root=$draft/root unit version
  mv "$root/usr/bin/linux.uml" "$draft/linux"
  mkdir -p "$root/lib/modules"
  mv "$root"/usr/lib/uml/modules/* "$root/lib/modules/"
  for version in "$root"/lib/modules/*; do chroot "$root" depmod "${version##*/}"; done
  echo overlay >"$root/etc/modules-load.d/appliance.conf"
  for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer \
    e2scrub_all.timer e2scrub_reap.service systemd-pstore.service getty.target \
    getty@tty1.service console-getty.service systemd-udev-trigger.service \
    modprobe@configfs.service modprobe@dm_mod.service modprobe@drm.service \
    modprobe@fuse.service modprobe@loop.service; do
    ln -s /dev/null "$root/etc/systemd/system/$unit"
  done
  # Daemons that packages bring wait until a test starts them; docker.socket starts Docker.
  for unit in "$root"/etc/systemd/system/multi-user.target.wants/*; do
    case ${unit##*/} in
      docker.service | containerd.service | docker-registry.service | memcached.service) rm "$unit" ;;
    esac
  done
  # This kernel knows iptables' older form only.
  chroot "$root" update-alternatives --quiet --set iptables /usr/sbin/iptables-legacy
  chroot "$root" update-alternatives --quiet --set ip6tables /usr/sbin/ip6tables-legacy
  echo appliance >"$root/etc/hostname"
  printf '127.0.0.1 localhost\n127.0.1.1 appliance\n::1 localhost\n' >"$root/etc/hosts"
  : >"$root/etc/resolv.conf"
  install -D -m 0644 /dev/stdin "$root/etc/systemd/journald.conf.d/volatile.conf" <<'CONF'
[Journal]
Storage=volatile
CONF
  mkdir -p "$root/src"
  install -m 0755 "$here/guest/appliance" "$root/usr/local/sbin/appliance"
  install -m 0644 "$here/guest/appliance.service" "$root/etc/systemd/system/appliance.service"
  ln -s ../appliance.service "$root/etc/systemd/system/multi-user.target.wants/appliance.service"
}

# A root file system for `docker import`: one static busybox and its names.
busybox_archive() {
  local root=$draft/root name
  mkdir -p "$draft/busybox/bin" "$draft/busybox/tmp" "$root/usr/share/appliance"
  cp "$root/bin/busybox" "$draft/busybox/bin/busybox"
  for name in $(chroot "$root" /bin/busybox --list); do
    [ "$name" = busybox ] || ln -s busybox "$draft/busybox/bin/$name"
  done
  tar -C "$draft/busybox" -cf "$root/usr/share/appliance/busybox.tar" .
}

answer_if_made
[ "$(id -u)" -eq 0 ] || fail "making the test machine needs root"
command -v apt-get >/dev/null || fail "making the test machine needs apt"
mkdir -p "$cache"
exec 9>"$cache/lock"
flock --wait "$lock_seconds_max" 9 || fail "somebody has held $cache/lock for $lock_seconds_max s"
answer_if_made

draft=$(mktemp -d "$cache/draft.XXXXXX")
trap 'rm -rf --one-file-system "$draft"' EXIT
bootstrap
furnish
busybox_archive
truncate --size="$disk_size" "$draft/disk"
mke2fs -q -t ext4 -O ^has_journal -E lazy_itable_init=1 -d "$draft/root" "$draft/disk"
rm -rf --one-file-system "$image"
mkdir "$image"
mv "$draft/disk" "$draft/linux" "$image/"
: >"$image/made"
printf '%s\n' "$image"
