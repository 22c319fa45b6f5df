#include "tests/fuzz/turned_engine.h"

#include "core/board.h"
#include "core/watch.h"

#include <assert.h>
#include <stdlib.h>

struct engine {
    struct queue_deps deps;
    struct queue *queue;
    struct link requests, reads;
};

enum err engine_open(const struct queue_deps *deps, struct engine **out, struct why *why)
{
    struct engine *engine = calloc(1, sizeof *engine);

    engine->deps = *deps;
    engine->deps.board = board_new(deps->clock);
    engine->deps.watch = watch_hub_new(deps->clock, 0);
    link_init(&engine->requests);
    link_init(&engine->reads);
    *out = engine;
    return queue_open(&engine->deps, &engine->queue, why);
}

void engine_post(struct engine *engine, struct request *request)
{
    link_init(&request->link);
    list_append(&engine->requests, &request->link);
}

void engine_read(struct engine *engine, struct read_request *request)
{
    link_init(&request->link);
    list_append(&engine->reads, &request->link);
}

static void post_all(struct engine *engine)
{
    while (link_is_linked(&engine->requests)) {
        struct link *link = engine->requests.next;

        list_remove(link);
        queue_post(engine->queue, container_of(link, struct request, link));
    }
}

static void read_all(struct engine *engine)
{
    struct store *store = engine->deps.store;
    struct store_reader *snapshot = NULL;
    enum err e = store->ops->snapshot(store, &snapshot, NULL);

    assert(e == OK);
    while (link_is_linked(&engine->reads)) {
        struct read_request *request =
            container_of(engine->reads.next, struct read_request, link);

        list_remove(&request->link);
        request->done(request, request->read(request, snapshot, &request->why));
    }
    snapshot->ops->close(snapshot);
}

bool turned_engine_turn(struct engine *engine)
{
    enum { TURNS_MAX = 10000 };
    bool any = link_is_linked(&engine->requests) || link_is_linked(&engine->reads);
    int turns = 0;

    post_all(engine);
    while (queue_turn(engine->queue) == 0) /* there is more to do */
        assert(++turns < TURNS_MAX);
    if (link_is_linked(&engine->reads))
        read_all(engine);
    return any;
}

static void refuse_all(struct engine *engine)
{
    while (link_is_linked(&engine->requests)) {
        struct request *request = container_of(engine->requests.next, struct request, link);

        list_remove(&request->link);
        request->done(request, err_because(&request->why, ERR_UNAVAILABLE, "stopping"));
    }
}

void engine_close(struct engine *engine)
{
    queue_close(engine->queue);
    refuse_all(engine);
    assert(!link_is_linked(&engine->reads));
    board_free(engine->deps.board);
    watch_hub_free(engine->deps.watch);
    free(engine);
}

struct queue *turned_engine_queue(struct engine *engine)
{
    return engine->queue;
}

bool engine_has_failed(struct engine *engine)
{
    return engine->deps.store->ops->stats(engine->deps.store).uncertain;
}

struct board *engine_board(struct engine *engine)
{
    return engine->deps.board;
}

struct watch_hub *engine_watch(struct engine *engine)
{
    return engine->deps.watch;
}

struct clock *engine_clock(struct engine *engine)
{
    return engine->deps.clock;
}

struct store *engine_store(struct engine *engine)
{
    return engine->deps.store;
}
