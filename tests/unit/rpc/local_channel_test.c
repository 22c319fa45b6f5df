#include "tests/unit/rpc/call_cases.h"

/* All cases of a channel, into the same process. */

static int setup(void **state)
{
    static struct call_fixture f;

    *state = &f;
    if (call_fixture_open(&f) != 0)
        return -1;
    return channel_open_local(f.loop, f.registry, &f.channel) == OK ? 0 : -1;
}

static int teardown(void **state)
{
    struct call_fixture *f = *state;

    channel_close(f->channel);
    call_fixture_close(f);
    return 0;
}

int main(void)
{
    return run_call_cases("local channel", setup, teardown);
}
