#!/bin/sh
# What `cmake --install` puts in place must work there.
# Usage: install.sh SOURCE_ROOT BUILD_ROOT
set -e
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT
cmake --install "$2" --prefix "$prefix" >/dev/null
cd "$prefix"
for program in syncd syncctl sync-worker sync-bench; do
    "bin/$program" --version | grep -q "^$program [0-9]"
    grep -q "^.SH NAME" "share/man/man1/$program.1"
    grep -q -- "help" "share/man/man1/$program.1"
done
pc=$(find . -name sync.pc)
# Installed elsewhere than it was configured for, and found there all the same.
export PKG_CONFIG_PATH="$prefix/${pc%/sync.pc}"
protos=$(pkg-config --variable=protodir sync)
pkg-config --cflags --libs sync-client >/dev/null
[ "$(realpath "$(pkg-config --variable=libdir sync-client)")" = "$(realpath "$(dirname "$(find . -name libsyncclient.so)")")" ]
protoc -I"$protos" --descriptor_set_out=/dev/null sync/v1/sync.proto sync/v1/worker.proto sync/v1/admin.proto
