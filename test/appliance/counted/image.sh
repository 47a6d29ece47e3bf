#!/usr/bin/env bash
# Makes what the counted machine starts from, unless it is there already, and prints its folder:
# linux, Debian's kernel, and root.cpio, the disk of the test machine as a first file system in
# memory. Everything comes from the Debian sources apt is set up with.
set -euo pipefail

# Where images are kept. One holds 800 MB.
cache=$1
# Made by ../image.sh.
disk=$2/disk

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=test/appliance/debian.sh
. "$here/../debian.sh"

cached "$cache" "counted-$(basename "$2")-$(cat "$here/image.sh" "$here/init" "$here/../debian.sh" | sha256sum | cut -c1-12)"
obtain qemu-system-x86 e2fsprogs kmod cpio
say "making the counted machine, which takes a minute once"
kernel=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends:/ { print $2; exit }')
(cd "$draft" && timeout "$apt_seconds_max" apt-get -q -o APT::Sandbox::User=root download "$kernel") \
  >"$draft/log" 2>&1 || { tail -n 5 "$draft/log" >&2 && fail "apt-get cannot download ${kernel:-a kernel}"; }
dpkg-deb --extract "$draft/$kernel"_*.deb "$draft/kernel"
mv "$draft"/kernel/boot/vmlinuz-* "$draft/linux"

mkdir -p "$draft/root" "$draft/first/bin" "$draft/first/dev" "$draft/first/src"
debugfs -R "rdump / $draft/root" "$disk" >"$draft/log" 2>&1
rm -rf "$draft"/root/lib/modules/*
mv "$draft"/kernel/lib/modules/* "$draft/root/lib/modules/"
for version in "$draft"/root/lib/modules/*; do depmod --basedir="$draft/root" "${version##*/}"; done
tar -C "$draft/root" -cf "$draft/first/root.tar" .
cp "$draft/root/bin/busybox" "$draft/first/bin/busybox"
install -m 0755 "$here/init" "$draft/first/init"
(cd "$draft/first" && find . | cpio --quiet --create --format=newc >"$draft/root.cpio")
keep "$draft/linux" "$draft/root.cpio"
