#include "rpc/channel/stream_pair.h"

#include "core/base/arena.h"

#include <assert.h>
#include <stdlib.h>

enum {
    WINDOW_BYTES = 64 << 10, /* delivered and not consumed */
    PIECE_BYTES = 16 << 10,
    HEADERS_BYTES_MAX = 1 << 20,
};

enum side { CLIENT, SERVER };

struct half {
    struct stream base;
    struct stream_pair *pair;
    /* What its user sends. */
    struct stream_header *headers; /* in the pair's arena; delivered once */
    size_t header_count;
    bool headers_wait, headers_end;
    bool may_pull, ended;
    /* What its user receives. */
    size_t unconsumed;
};

struct stream_pair {
    struct half halves[2];
    struct loop *loop;
    struct loop_task task;
    bool task_is_posted;
    bool left; /* one user went early */
    enum stream_error error;
    struct arena *arena; /* header blocks under way */
};

static void deliver(struct loop_task *task);

static struct half *half_of(struct stream *stream)
{
    return container_of(stream, struct half, base);
}

static struct half *other(struct half *half)
{
    return half == &half->pair->halves[CLIENT] ? &half->pair->halves[SERVER]
                                               : &half->pair->halves[CLIENT];
}

static void post(struct stream_pair *pair)
{
    if (pair->task_is_posted)
        return;
    pair->task_is_posted = true;
    loop_post(pair->loop, &pair->task);
}

static bool copy(struct arena *arena, struct bytes *bytes)
{
    bytes->data = arena_copy(arena, bytes->data, bytes->size);
    return bytes->data != NULL;
}

static struct stream_header *copy_headers(struct arena *arena, const struct stream_header *headers,
                                          size_t count)
{
    struct stream_header *copies = arena_copy(arena, headers, count * sizeof *headers);

    for (size_t i = 0; copies != NULL && i < count; i++)
        if (!copy(arena, &copies[i].name) || !copy(arena, &copies[i].value))
            return NULL;
    return copies;
}

static void send_headers(struct stream *stream, const struct stream_header *headers, size_t count,
                         bool end)
{
    struct half *half = half_of(stream);
    struct stream_pair *pair = half->pair;

    assert(half->headers == NULL);
    half->headers = copy_headers(pair->arena, headers, count);
    half->header_count = count;
    half->headers_wait = true;
    half->headers_end = end;
    half->may_pull = !end;
    if (half->headers == NULL) { /* too many: as good as broken */
        pair->left = true;
        pair->error = STREAM_INTERNAL_ERROR;
    }
    post(pair);
}

static void wake(struct stream *stream)
{
    half_of(stream)->may_pull = true;
    post(half_of(stream)->pair);
}

static void consume(struct stream *stream, size_t size)
{
    struct half *half = half_of(stream);

    assert(size <= half->unconsumed);
    half->unconsumed -= size;
    if (other(half)->may_pull)
        post(half->pair);
}

/* Inside a process nobody hoards: whoever is slow is so at the other end. */
static void hold(struct stream *stream, size_t size)
{
    (void)stream;
    (void)size;
}

static size_t headers_max(const struct stream *stream)
{
    (void)stream;
    return HEADERS_BYTES_MAX / 4; /* both sides' two blocks are in the arena together */
}

static void leave(struct stream *stream, enum stream_error error)
{
    struct stream_pair *pair = half_of(stream)->pair;

    if (!pair->left) {
        pair->left = true;
        pair->error = error;
    }
    post(pair);
}

static const struct stream_ops pair_ops = {
    .send_headers = send_headers,
    .wake = wake,
    .consume = consume,
    .hold = hold,
    .headers_max = headers_max,
    .leave = leave,
};

struct stream_pair *stream_pair_new(struct loop *loop)
{
    struct stream_pair *pair = calloc(1, sizeof *pair);

    if (pair == NULL)
        return NULL;
    pair->arena = arena_new(HEADERS_BYTES_MAX);
    if (pair->arena == NULL) {
        free(pair);
        return NULL;
    }
    pair->loop = loop;
    pair->task.run = deliver;
    for (int side = CLIENT; side <= SERVER; side++) {
        pair->halves[side].base.ops = &pair_ops;
        pair->halves[side].pair = pair;
    }
    return pair;
}

struct stream *stream_pair_client(struct stream_pair *pair)
{
    return &pair->halves[CLIENT].base;
}

struct stream *stream_pair_server(struct stream_pair *pair)
{
    return &pair->halves[SERVER].base;
}

static void hand_over_headers(struct half *to, const struct stream_header *headers, size_t count)
{
    struct stream_user *user = to->base.user;

    for (size_t i = 0; i < count && to->base.user != NULL; i++)
        user->ops->on_header(user, headers[i].name, headers[i].value);
    if (to->base.user != NULL)
        user->ops->on_headers_end(user);
}

static void end(struct half *from)
{
    struct stream_user *receiver = other(from)->base.user;

    from->ended = true;
    from->may_pull = false;
    if (receiver != NULL)
        receiver->ops->on_end(receiver);
}

static void hand_over_trailers(struct half *from)
{
    const struct stream_header *trailers;
    size_t count = from->base.user->ops->trailers(from->base.user, &trailers);

    if (count > 0)
        hand_over_headers(other(from), trailers, count);
    end(from);
}

/* One piece; false when there is nothing more to do for now. */
static bool hand_over_piece(struct half *from)
{
    struct half *to = other(from);
    uint8_t piece[PIECE_BYTES];
    bool is_last = false;
    size_t size;

    if (!from->may_pull || from->headers_wait || from->ended || to->unconsumed >= WINDOW_BYTES ||
        from->base.user == NULL || to->base.user == NULL)
        return false;
    size = from->base.user->ops->pull(from->base.user, piece, sizeof piece, &is_last);
    if (size == 0 && !is_last) {
        from->may_pull = false;
        return false;
    }
    if (size > 0) {
        to->unconsumed += size;
        to->base.user->ops->on_data(to->base.user, bytes_of(piece, size));
    }
    if (is_last && from->base.user != NULL)
        hand_over_trailers(from);
    return true;
}

static void hand_over(struct half *from)
{
    if (from->headers_wait && other(from)->base.user != NULL) {
        from->headers_wait = false;
        hand_over_headers(other(from), from->headers, from->header_count);
        if (from->headers_end)
            end(from);
    }
    while (hand_over_piece(from))
        ;
}

static void close_half(struct half *half, enum stream_error error)
{
    struct stream_user *user = half->base.user;

    if (user == NULL)
        return;
    half->base.user = NULL;
    user->stream = NULL;
    user->ops->on_close(user, error);
}

static void free_pair(struct stream_pair *pair)
{
    arena_free(pair->arena);
    free(pair);
}

/* The answer's end is the stream's end, whether or not the request has ended. */
static void deliver(struct loop_task *task)
{
    struct stream_pair *pair = container_of(task, struct stream_pair, task);
    struct half *client = &pair->halves[CLIENT], *server = &pair->halves[SERVER];

    if (!pair->left) {
        hand_over(client);
        hand_over(server);
    }
    /* Posted until here, so that nothing above posts a second time; what it
     * made possible is looked at again below. */
    pair->task_is_posted = false;
    if (pair->left || server->ended) {
        enum stream_error error = pair->left ? pair->error : STREAM_NO_ERROR;
        pair->task_is_posted = true; /* on_close() must not post a task to what is freed */
        close_half(client, error);
        close_half(server, error);
        free_pair(pair);
        return;
    }
    if ((client->may_pull && server->unconsumed < WINDOW_BYTES) ||
        (server->may_pull && client->unconsumed < WINDOW_BYTES) || server->headers_wait)
        post(pair);
}
