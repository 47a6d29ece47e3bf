#!/usr/bin/env bash
# Compiles ptrace.c, unless that was done already, and prints the folder with ptrace.so.
set -euo pipefail

cache=$1

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=test/appliance/debian.sh
. "$here/../debian.sh"

cached "$cache" "xstate-$(cat "$here"/{image.sh,ptrace.c} "$here/../debian.sh" | sha256sum | cut -c1-12)"
obtain gcc libc6-dev
gcc -O2 -Wall -Werror -shared -fPIC -o "$draft/ptrace.so" "$here/ptrace.c"
keep "$draft/ptrace.so"
