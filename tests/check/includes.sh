#!/bin/sh
# Who may include whom. This table is the architecture; a new arrow is a
# decision, made here and reviewed. Usage: includes.sh SOURCE_ROOT
cd "$1" || exit 2
grep -rHE --include='*.[ch]' '^#include' core rpc gateway tools tests |
sed -E 's/:#include *[<"]/ /; s/[>"].*//' |
awk '
BEGIN {
    n = split("core/base/ core/ rpc/ gateway/ tools/settings/", layer, " ")
    may["core/base/"]      = "^core/base/"
    may["core/"]           = "^core/|^sync/store/v1/records[.]pb-c[.]h$"
    may["rpc/"]            = "^(core|rpc)/|[.]pb-c[.]h$"
    may["gateway/"]        = "^(core/base|gateway)/|^rpc/(service|channel|loop|status)[.]h$|[.]pb-c[.]h$"
    may["tools/settings/"] = "^core/base/|^tools/settings/"

    # One foreign library, one room.
    one["^nghttp2/"]       = "^rpc/h2_session[.]c$"
    one["^rocksdb/"]       = "^core/store_rocksdb[.]c$"
    one["^sqlite3[.]h$"]   = "^tools/worker/connectors/local"
    one["^event2/"]        = "^(rpc|gateway)/[a-z0-9_]+[.]c$"
    one["^jansson[.]h$"]   = "^gateway/|^tools/worker/|^tools/bench/report[.]c$"
    one["^openssl/"]       = "^rpc/(tls|connection)[.]c$"
    ours = "^(core|rpc|gateway|tools|tests)/|[.]pb-c[.]h$"
}
function bad(why) { printf "%s includes %s: %s\n", $1, $2, why; found = 1 }
{
    seen++
    for (i = 1; i <= n; i++)
        if (index($1, layer[i]) == 1) {
            if ($2 ~ ours && $2 !~ may[layer[i]]) bad("not below " layer[i])
            break
        }
    for (lib in one)
        if ($2 ~ lib && $1 !~ one[lib] && $1 !~ /^tests\//) bad("a library kept in one room")
}
END {
    if (seen < 100) { print "only " seen + 0 " includes found: wrong directory?"; found = 1 }
    exit found
}'
