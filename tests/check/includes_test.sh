#!/bin/sh
# Proves that includes.sh can fail: each forbidden include, put into a tree of
# its own, must be named; each allowed one must pass. Usage: includes_test.sh
check=$(dirname "$0")/includes.sh
tree=$(mktemp -d) || exit 2
trap 'rm -rf "$tree"' EXIT
wrong=0

# Puts one include into one file and runs the check.
run() {
    rm -rf "${tree:?}"/*
    mkdir -p "$tree/$(dirname "$1")"
    printf '%s\n' "$2" > "$tree/$1"
    output=$("$check" "$tree" 2>&1)
}

refused() {
    if run "$1" "$2"; then
        echo "not noticed: $1: $2"; wrong=1
    elif [ "${output#*"$1 includes"}" = "$output" ]; then
        echo "noticed, but not named: $1: $2: $output"; wrong=1
    fi
}

allowed() {
    run "$1" "$2" || { echo "refused: $1: $2: $output"; wrong=1; }
}

refused core/base/arena.c         '#include "core/queue.h"'
refused core/queue/queue.c        '#include "rpc/service.h"'
refused core/queue/queue.c        '#include "gateway/gateway.h"'
refused core/queue/queue.c        '#include "sync/v1/sync.pb-c.h"'
refused core/queue/queue.c        '#include "tests/support/fault.h"'
refused rpc/service.c             '#include "core/queue/queue_state.h"'
refused rpc/service.c             '#include "core/store/txn.h"'
refused rpc/service.c             '#include "gateway/gateway.h"'
refused rpc/service.c             '#include "sync/store/v1/records.pb-c.h"'
refused rpc/methods/lease.c       '#include "tools/syncd/service.h"'
refused gateway/route.c           '#include "core/queue.h"'
refused gateway/route.c           '#include "rpc/h2/h2_session.h"'
refused gateway/route.c           '#  include  <nghttp2/nghttp2.h>'
refused core/queue/queue.c        '#include <rocksdb/c.h>'
refused core/store/txn.h           '#include <rocksdb/c.h>'
refused tools/syncd/main.c        '#include <rocksdb/c.h>'
refused rpc/service.c             '#include <nghttp2/nghttp2.h>'
refused rpc/service.c             '#include <openssl/ssl.h>'
refused core/engine.c             '#include <event2/event.h>'
refused rpc/status.c              '#include <jansson.h>'
refused tools/worker/main.c       '#include <sqlite3.h>'
refused tools/syncctl/main.c      '#include <curl/curl.h>'
refused rpc/service.c             '#include <zlib.h>'
refused core/queue/queue.c        '#include <protobuf-c/protobuf-c.h>'
refused core/queue/queue.c        '#include "queue_state.h"'

# Between the rooms of a layer.
refused core/store/txn.c          '#include "core/queue/queue_state.h"'
refused core/schedule/cron.c      '#include "core/store/key.h"'
refused core/view/view.c          '#include "core/queue/queue_state.h"'
refused core/engine.c             '#include "core/queue/queue_state.h"'
refused rpc/grpc/grpc_frame.c     '#include "rpc/call/call_state.h"'
refused rpc/h2/h2_session.c       '#include "rpc/net/connection.h"'
refused rpc/call/call.c           '#include "rpc/h2/h2_session.h"'
refused rpc/methods/lease.c       '#include "rpc/call/call_state.h"'
refused rpc/client/client.c       '#include "rpc/net/connection.h"'
refused gateway/json/json_scan.c  '#include "gateway/http/http_head.h"'
refused gateway/http/http_head.c  '#include "gateway/json/transcode.h"'

allowed core/base/arena.c         '#include "core/base/arena.h"'
allowed core/store/record.c       '#include "sync/store/v1/records.pb-c.h"'
allowed core/store/store_rocksdb.c '#include <rocksdb/c.h>'
allowed rpc/h2/h2_session.c       '#include <nghttp2/nghttp2.h>'
allowed rpc/methods/lease.c       '#include "core/engine.h"'
allowed rpc/methods/lease.c       '#include "sync/v1/worker.pb-c.h"'
allowed gateway/gateway.c         '#include "rpc/channel.h"'
allowed tools/bench/main.c        '#include "core/queue/queue_state.h"'
allowed tests/unit/core/run_test.c '#include "core/queue/queue_state.h"'

if "$check" "$tree/nowhere" 2>/dev/null; then
    echo "an absent tree passed"; wrong=1
fi
exit $wrong
