#!/usr/bin/env bash
# Makes what the test machine starts from, unless it is there already, and prints its folder: disk,
# a Debian 12 with systemd and Docker, and linux, Debian's kernel that runs as a process (user-mode
# Linux: no KVM, no loaded module). Everything comes from the Debian sources apt is set up with.
set -euo pipefail

# Where images are kept. One holds 700 MB and 100 MB go through the network to make it.
cache=$1
# A sparse file: what the machine writes lands elsewhere.
disk_size=16G

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=test/appliance/debian.sh
. "$here/debian.sh"
mapfile -t packages < <(sed 's/#.*//; s/[[:space:]]*$//; /^$/d' "$here/packages")

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

cached "$cache" "image-$(cat "$here"/{image.sh,debian.sh,packages} "$here"/guest/* | sha256sum | cut -c1-12)"
say "making the disk of the test machine, which takes some minutes once"
bootstrap "$draft/root" minbase "${packages[@]}"
furnish
busybox_archive
truncate --size="$disk_size" "$draft/disk"
mke2fs -q -t ext4 -O ^has_journal -E lazy_itable_init=1 -d "$draft/root" "$draft/disk"
keep "$draft/disk" "$draft/linux"
