#!/bin/sh
# Who may include whom. These tables are the architecture; a new arrow is a
# decision, made here and reviewed. Usage: includes.sh SOURCE_ROOT
cd "$1" || exit 2
grep -rHE --include='*.[ch]' '^[[:space:]]*#[[:space:]]*include' core rpc gateway tools tests 2>/dev/null |
sed -E 's/:[[:space:]]*#[[:space:]]*include[[:space:]]*/ /' |
awk '
BEGIN {
    # Layers and their rooms, the innermost first, and what of ours each may include. What
    # lies at the top of a layer are its doors: for all its rooms, and for the layers above.
    n = split("core/base/ core/schedule/ core/store/ core/estimate/ core/view/ core/queue/ core/ " \
              "rpc/grpc/ rpc/h2/ rpc/call/ rpc/net/ rpc/channel/ rpc/client/ rpc/standard/ rpc/methods/ rpc/ " \
              "gateway/json/ gateway/openapi/ gateway/http/ gateway/", layer, " ")
    core = "^core/base/|^core/[a-z_]+[.]h$"
    may["core/base/"]     = "^core/base/"
    may["core/schedule/"] = core "|^core/schedule/"
    may["core/store/"]    = core "|^core/store/|^sync/store/v1/"
    may["core/estimate/"] = core "|^core/estimate/"
    may["core/view/"]     = core "|^core/(view|store)/"
    may["core/queue/"]    = core "|^core/(queue|store)/"
    may["core/"]          = core

    rpc = "^core/base/|^rpc/[a-z_]+[.]h$"
    may["rpc/grpc/"]      = rpc "|^rpc/grpc/"
    may["rpc/h2/"]        = rpc "|^rpc/h2/"
    may["rpc/call/"]      = rpc "|^rpc/(call|grpc)/"
    may["rpc/net/"]       = rpc "|^rpc/(net|h2|call|grpc)/"
    may["rpc/channel/"]   = rpc "|^rpc/(channel|net|call|grpc)/"
    may["rpc/client/"]    = rpc "|^rpc/(client|channel)/"
    may["rpc/standard/"]  = rpc "|^rpc/standard/"
    may["rpc/methods/"]   = rpc "|^rpc/methods/|^core/(board|engine|limits|queue|run|schedule|store|view|watch)[.]h$"
    may["rpc/"]           = rpc

    # places, holdings: who may have a connection, and memory, is one question for both ports;
    # transport: so are bytes, plain or TLS
    gateway = "^core/base/|^gateway/[a-z_]+[.]h$|^rpc/(call|channel|enum_word|holdings|loop|places|service|status|tls|transport)[.]h$"
    may["gateway/json/"]    = gateway "|^gateway/json/"
    may["gateway/openapi/"] = gateway "|^gateway/(openapi|json)/"
    may["gateway/http/"]    = gateway "|^gateway/http/"
    may["gateway/"]         = gateway "|^gateway/(json|openapi|http)/"
    ours = "^(core|rpc|gateway|tools|tests|sync|grpc|google)/"
    generated = "^(sync/v1|grpc|google)/.*[.]pb-c[.]h$"   # for everybody above core

    # Foreign libraries, and the room of each.
    room["^rocksdb/"]           = "^core/store/store_rocksdb[.]c$"
    room["^nghttp2/"]           = "^rpc/h2/h2_(session|receive|events|send)[.]c$|^rpc/h2/h2_state[.]h$"
    room["^openssl/"]           = "^rpc/net/tls[a-z_]*[.]c$|^rpc/net/tls_parts[.]h$"
    room["^(event2/|ev[a-z]+[.]h$)"] = "^rpc/(loop|net/listener|net/connection_io|channel/dial)[.]c$|^gateway/http/http_[a-z]+[.]c$"
    room["^jansson[.]h$"]       = "^gateway/json/(transcode|json)_[a-z]+[.]c$|^tools/"
    room["^sqlite3[.]h$"]       = "^tools/worker/connectors/local"
    room["^curl/"]              = "^tools/worker/connectors/http[a-z_]*[.]c$"
    room["^zlib[.]h$"]          = "^rpc/grpc/grpc_[a-z]+[.]c$"
    room["^protobuf-c/"]        = "^(core/store/record[a-z_]*[.][ch]|rpc/.*|gateway/.*|tools/.*)$"
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
