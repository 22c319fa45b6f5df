#include "tests/unit/rpc/call_cases.h"

#include "rpc/server.h"

#include <string.h>

/* All cases of a channel, over a socket to a server on its own thread. */

static int setup(void **state)
{
    static struct call_fixture f;
    struct rpc_server_options server = { .address = "127.0.0.1:0" };
    struct channel_options channel = { 0 };
    struct rpc_server *opened;
    struct why why;

    *state = &f;
    if (call_fixture_open(&f) != 0)
        return -1;
    server.registry = f.registry;
    if (rpc_server_open(&server, &opened, &why) != OK) {
        print_error("%s\n", why.text);
        return -1;
    }
    f.carrier = opened;
    channel.address = rpc_server_address(opened);
    return channel_open(f.loop, &channel, &f.channel, &why) == OK ? 0 : -1;
}

static int teardown(void **state)
{
    struct call_fixture *f = *state;

    channel_close(f->channel);
    rpc_server_close(f->carrier, 0);
    call_fixture_close(f);
    return 0;
}

int main(void)
{
    return run_call_cases("remote channel", setup, teardown);
}
