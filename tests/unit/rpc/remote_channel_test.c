#include "tests/unit/rpc/remote_fixture.h"

/* All cases of a channel, over a socket to a server on its own thread. */

static int setup(void **state)
{
    static struct call_fixture f;

    *state = &f;
    return remote_fixture_open(&f, (struct rpc_server_options){ 0 }, (struct channel_options){ 0 });
}

static int teardown(void **state)
{
    return remote_fixture_close(*state);
}

int main(void)
{
    return run_call_cases("remote channel", setup, teardown);
}
