#!/bin/sh
# Who may include whom. These tables are the architecture; a new arrow is a
# decision, made here and reviewed. Usage: includes.sh SOURCE_ROOT
cd "$1" || exit 2
grep -rHE --include='*.[ch]' '^[[:space:]]*#[[:space:]]*include' core rpc gateway tools tests 2>/dev/null |
sed -E 's/:[[:space:]]*#[[:space:]]*include[[:space:]]*/ /' |
awk '
BEGIN {
    # Layers, the innermost first, and what of ours each may include.
    n = split("core/base/ core/ rpc/ gateway/", layer, " ")
    may["core/base/"] = "^core/base/"
    may["core/"]      = "^core/|^sync/store/v1/"
    may["rpc/"]       = "^rpc/|^core/base/|^core/(board|engine|limits|queue|run|schedule|store|view|watch)[.]h$"
    # places, holdings: who may have a connection, and memory, is one question for both ports;
    # transport: so are bytes, plain or TLS
    may["gateway/"]   = "^gateway/|^core/base/|^rpc/(call|channel|enum_word|holdings|loop|places|service|status|transport)[.]h$"
    ours = "^(core|rpc|gateway|tools|tests|sync|grpc|google)/"
    generated = "^(sync/v1|grpc|google)/.*[.]pb-c[.]h$"   # for everybody above core

    # Foreign libraries, and the room of each.
    room["^rocksdb/"]           = "^core/store_rocksdb[.]c$"
    room["^nghttp2/"]           = "^rpc/h2_(session|receive|events|send)[.]c$|^rpc/h2_state[.]h$"
    room["^openssl/"]           = "^rpc/tls[a-z_]*[.]c$|^rpc/tls_parts[.]h$"
    room["^(event2/|ev[a-z]+[.]h$)"] = "^rpc/(loop|listener|connection_io|dial)[.]c$|^gateway/http_[a-z]+[.]c$"
    room["^jansson[.]h$"]       = "^gateway/(transcode|json)_[a-z]+[.]c$|^tools/"
    room["^sqlite3[.]h$"]       = "^tools/worker/connectors/local"
    room["^curl/"]              = "^tools/worker/connectors/http[a-z_]*[.]c$"
    room["^zlib[.]h$"]          = "^rpc/(grpc_|compress|gzip)[a-z_]*[.]c$"
    room["^protobuf-c/"]        = "^(core/record[a-z_]*[.][ch]|rpc/.*|gateway/.*|tools/.*)$"
}
function bad(why) { printf "%s includes %s: %s\n", $1, name, why; found = 1 }
function layer_of(file, i) {
    for (i = 1; i <= n; i++)
        if (index(file, layer[i]) == 1)
            return layer[i]
    return ""
}
{
    quoted = substr($2, 1, 1) == "\""
    name = $2
    gsub(/[<>"]/, "", name)
    in_layer = layer_of($1)

    if (quoted && name !~ ours && name !~ /[.]pb-c[.]h$/)
        bad("write the path from the root of the sources")
    if (in_layer != "" && name ~ ours && name !~ may[in_layer] \
        && !(in_layer !~ /^core/ && name ~ generated))
        bad("not below " in_layer)
    if ($1 !~ /^tests\//)
        for (library in room)
            if (name ~ library && $1 !~ room[library])
                bad("this library is kept in " room[library])
    seen++
}
END {
    if (seen == 0) { print "no includes found: is this the root of the sources?"; exit 2 }
    exit found
}'
