#include "tests/unit/rpc/call_cases.h"

#include "rpc/call/call_pool.h"
#include "rpc/channel/client_end.h"
#include "rpc/h2/h2_session.h"

#include <stdlib.h>

/* All cases of a channel, over two HTTP/2 sessions that are wired through
 * memory. The bytes are cut at odd places on their way. */

struct memory_channel {
    struct channel base;
    struct h2_owner client_owner, server_owner;
    struct h2_session *client, *server;
    struct call_pool *calls;
    struct loop_task pump;
    bool pump_is_posted, pumping, closed, freed;
    size_t cut;
};

static void post_pump(struct memory_channel *memory)
{
    if (memory->pump_is_posted)
        return;
    memory->pump_is_posted = true;
    loop_post(memory->base.loop, &memory->pump);
}

static void client_has_output(struct h2_owner *owner)
{
    post_pump(container_of(owner, struct memory_channel, client_owner));
}

static void server_has_output(struct h2_owner *owner)
{
    post_pump(container_of(owner, struct memory_channel, server_owner));
}

static void ignore_going(struct h2_owner *owner)
{
    (void)owner;
}

static struct stream_user *accept_call(struct h2_owner *owner, struct stream *stream)
{
    struct memory_channel *memory = container_of(owner, struct memory_channel, server_owner);

    return call_pool_accept(memory->calls, stream, "memory");
}

static const struct h2_owner_ops client_ops = { NULL, client_has_output, ignore_going };
static const struct h2_owner_ops server_ops = { accept_call, server_has_output, ignore_going };

static bool pass_on(struct memory_channel *memory, struct h2_session *from, struct h2_session *to)
{
    struct bytes block = h2_session_output(from);
    bool any = block.size > 0;

    while (block.size > 0) {
        size_t size = block.size < memory->cut ? block.size : memory->cut;
        assert_true(h2_session_receive(to, bytes_of(block.data, size)));
        block = bytes_of(block.data + size, block.size - size);
        memory->cut = memory->cut * 7 % 5003 + 1;
    }
    return any;
}

static void release_parts(struct memory_channel *memory)
{
    if (!memory->closed || memory->pumping || memory->pump_is_posted)
        return;
    if (memory->client != NULL) {
        struct h2_session *client = memory->client, *server = memory->server;
        memory->client = memory->server = NULL;
        memory->pump_is_posted = true; /* nothing more is to be passed on */
        h2_session_free(client);
        h2_session_free(server);
        call_pool_free(memory->calls);
        memory->pump_is_posted = false;
    }
    if (memory->freed)
        free(memory);
}

static void pump(struct loop_task *task)
{
    struct memory_channel *memory = container_of(task, struct memory_channel, pump);

    memory->pumping = true;
    while (!memory->closed && (pass_on(memory, memory->client, memory->server) ||
                               pass_on(memory, memory->server, memory->client)))
        ;
    memory->pumping = memory->pump_is_posted = false;
    release_parts(memory);
}

static void start(struct channel *channel, struct client_end *end)
{
    struct memory_channel *memory = container_of(channel, struct memory_channel, base);

    assert_true(h2_session_request(memory->client, &end->user));
    client_end_send_headers(end, "http", "memory");
}

static void close_memory(struct channel *channel)
{
    struct memory_channel *memory = container_of(channel, struct memory_channel, base);

    memory->closed = true;
    release_parts(memory);
}

static void free_memory(struct channel *channel)
{
    struct memory_channel *memory = container_of(channel, struct memory_channel, base);

    memory->freed = true;
    release_parts(memory);
}

static size_t held(const struct channel *channel)
{
    const struct memory_channel *memory = container_of(channel, const struct memory_channel, base);

    return call_pool_live(memory->calls);
}

static const struct channel_ops memory_ops = {
    .start = start, .close = close_memory, .free = free_memory, .held = held
};

static int setup(void **state)
{
    static struct call_fixture f;
    const struct h2_options client = { .role = H2_CLIENT, .header_bytes_max = 64 << 10 }, server = {
        .role = H2_SERVER, .streams_max = 128, .header_bytes_max = 16 << 10
    };
    struct memory_channel *memory = calloc(1, sizeof *memory);

    *state = &f;
    if (call_fixture_open(&f) != 0)
        return -1;
    channel_init(&memory->base, &memory_ops, f.loop, 0);
    memory->cut = 1;
    memory->pump.run = pump;
    memory->client_owner.ops = &client_ops;
    memory->server_owner.ops = &server_ops;
    memory->calls = call_pool_new(f.loop, f.registry, 4 << 20);
    memory->client = h2_session_new(&client, &memory->client_owner);
    memory->server = h2_session_new(&server, &memory->server_owner);
    f.channel = &memory->base;
    return memory->client != NULL && memory->server != NULL ? 0 : -1;
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
    return run_call_cases("memory channel", setup, teardown);
}
