#include "tests/unit/rpc/remote_fixture.h"

int remote_fixture_open(struct call_fixture *f, struct rpc_server_options server,
                        struct channel_options channel)
{
    struct rpc_server *opened;
    struct why why;

    if (call_fixture_open(f) != 0)
        return -1;
    server.address = "127.0.0.1:0";
    server.registry = f->registry;
    if (rpc_server_open(&server, &opened, &why) != OK) {
        print_error("%s\n", why.text);
        return -1;
    }
    f->carrier = opened;
    channel.address = rpc_server_address(opened);
    if (channel_open(f->loop, &channel, &f->channel, &why) == OK)
        return 0;
    print_error("%s\n", why.text);
    return -1;
}

int remote_fixture_close(struct call_fixture *f)
{
    channel_close(f->channel);
    rpc_server_close(f->carrier, 0);
    call_fixture_close(f);
    return 0;
}
