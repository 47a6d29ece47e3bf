#!/usr/bin/env bash
# Makes the container images of the tenants, unless they are there already, and prints their folder:
# shop.tar, a Rails application, and postgres.tar, its PostgreSQL. Both come from the Debian sources
# apt is set up with and are archives as `docker save` writes them, for Docker and for allot alike.
set -euo pipefail

# Where images are kept. These two hold 300 MB and 80 MB go through the network to make them.
cache=$1

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=test/appliance/debian.sh
. "$here/../debian.sh"

# archive NAME COMMAND…: the draft's folder NAME as an image NAME:1 that runs the command.
archive() {
  local name=$1 folder=$draft/archive diff words
  shift
  mkdir "$folder"
  tar -C "$draft/$name" --numeric-owner --exclude='./dev/*' -cf "$folder/layer.tar" .
  diff=$(sha256sum "$folder/layer.tar" | cut -d' ' -f1)
  words=$(printf ', "%s"' "$@")
  cat >"$folder/config.json" <<JSON
{"architecture": "$(dpkg --print-architecture)", "os": "linux",
 "config": {"Cmd": [${words#, }], "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"]},
 "rootfs": {"type": "layers", "diff_ids": ["sha256:$diff"]}}
JSON
  printf '[{"Config": "config.json", "RepoTags": ["%s:1"], "Layers": ["layer.tar"]}]\n' "$name" \
    >"$folder/manifest.json"
  tar -C "$folder" -cf "$draft/$name.tar" manifest.json config.json layer.tar
  rm -rf "$folder"
}

# slim ROOT: without what installs packages and what no program of ours asks for.
slim() {
  local root=$1
  rm -rf "$root"/usr/lib/*/{perl,perl-base,gconv} "$root"/usr/share/{perl,perl5,i18n} \
    "$root"/var/lib/{dpkg,apt} "$root"/var/cache/*
}

shop() {
  bootstrap "$draft/shop" essential ruby-railties ruby-activerecord ruby-pg puma
  slim "$draft/shop"
  cp -r "$here/shop" "$draft/shop/srv/shop"
  archive shop puma --dir /srv/shop --environment production --threads 2:2 --bind tcp://127.0.0.1:3000
}

# The database is made here, with its table, so that a container has it from the start.
postgres() {
  local bin=/usr/lib/postgresql/15/bin data=/var/lib/postgresql/shop
  bootstrap "$draft/postgres" essential postgresql-15
  # What compiles queries at run time is larger than all the rest.
  slim "$draft/postgres"
  rm -rf "$draft"/postgres/usr/lib/*/{libLLVM*,libz3*} "$draft"/postgres/usr/lib/postgresql/15/lib/{llvmjit*,bitcode} \
    "$draft/postgres/var/lib/postgresql/15"
  {
    chroot --userspec=postgres "$draft/postgres" $bin/initdb -D $data -U shop --auth=trust --no-locale \
      --encoding=UTF8 --wal-segsize=1 --no-sync
    chroot --userspec=postgres "$draft/postgres" $bin/postgres --single -D $data postgres \
      <<<'CREATE DATABASE shop'
    chroot --userspec=postgres "$draft/postgres" $bin/postgres --single -D $data shop <<'SQL'
CREATE TABLE orders (id bigserial PRIMARY KEY, item text NOT NULL, created_at timestamp, updated_at timestamp)
SQL
  } >"$draft/log" 2>&1 || { tail -n 5 "$draft/log" >&2 && fail "the database could not be made"; }
  archive postgres setpriv --reuid=postgres --regid=postgres --clear-groups \
    $bin/postgres -D $data -k /tmp -c shared_buffers=16MB
}

cached "$cache" "tenants-$(cat "$here"/images.sh "$here"/shop/* "$here/../debian.sh" | sha256sum | cut -c1-12)"
say "making the images of the tenants, which takes two minutes once"
shop
postgres
keep "$draft/shop.tar" "$draft/postgres.tar"
