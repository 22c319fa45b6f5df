#!/bin/sh
# The check must find what it is there to find. Usage: includes_test.sh SOURCE_ROOT
set -e
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
(cd "$1" && tar cf - --exclude=node_modules core rpc gateway tools tests) | tar xf - -C "$copy"

refuses() {
    echo "#include $2" > "$copy/$1"
    if sh "$copy/tests/check/includes.sh" "$copy" >/dev/null; then
        echo "not found: $1 including $2"
        exit 1
    fi
    rm "$copy/$1"
}

sh "$copy/tests/check/includes.sh" "$copy"
refuses core/base/wrong.h '"core/queue.h"'
refuses core/wrong.c '"rpc/server.h"'
refuses core/wrong.c '<rocksdb/c.h>'
refuses rpc/wrong.c '"gateway/gateway.h"'
refuses rpc/wrong.c '<nghttp2/nghttp2.h>'
refuses gateway/wrong.c '"core/queue.h"'
refuses gateway/wrong.c '"rpc/server.h"'
refuses tools/wrong.c '<sqlite3.h>'
