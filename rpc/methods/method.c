#include "rpc/methods/method.h"

#include "rpc/methods/message_text.h"
#include "rpc/methods/org.h"

#include <assert.h>

/* method_run() and the list of open streams. */

enum { CALL_MEMORY_BYTES_MAX = 24 << 20 };

void method_fail_full(struct rpc_call *call)
{
    struct why why;

    call_fail_err(
        call, err_because(&why, ERR_LIMIT, "the answer is too large for the memory of one call"),
        &why);
}

enum err method_respond(struct method_call *m, const struct builder *builder, void *response)
{
    m->response = response;
    if (response == NULL || builder->full)
        return err_because(&m->why, ERR_LIMIT,
                           "the answer is too large for the memory of one call");
    return OK;
}

int64_t method_now_ms(const struct methods *methods)
{
    return clock_now_ms(engine_clock(methods->engine));
}

static void end(struct method_call *m)
{
    struct rpc_call *call = m->call;

    arena_free(m->mem);
    call_release(call); /* may free m, too */
}

static void answer(struct loop_task *task)
{
    struct method_call *m = container_of(task, struct method_call, answer);
    struct builder builder = { .mem = m->mem };

    if (m->result == OK && m->response == NULL)
        m->response = m->steps->reply(m, &builder);
    if (m->result != OK)
        call_fail_err(m->call, m->result, &m->why);
    else if (m->response == NULL || builder.full)
        method_fail_full(m->call);
    else
        call_reply(m->call, m->response);
    end(m);
}

static void post_answer(struct method_call *m, enum err e, const struct why *why)
{
    m->result = e;
    if (e != OK)
        m->why = *why;
    call_post(m->call, &m->answer);
}

static enum err read_snapshot(struct read_request *req, struct store_reader *snapshot,
                              struct why *why)
{
    struct method_call *m = container_of(req, struct method_call, read);
    struct view view = {
        .reader = snapshot,
        .board = engine_board(m->methods->engine),
        .mem = m->mem,
    };
    enum err e = m->steps->read(m, &view);

    if (e != OK)
        *why = m->why;
    return e;
}

static void read_done(struct read_request *req, enum err e)
{
    struct method_call *m = container_of(req, struct method_call, read);

    post_answer(m, e, &req->why);
}

static void post_read(struct method_call *m)
{
    m->read.read = read_snapshot;
    m->read.done = read_done;
    engine_read(m->methods->engine, &m->read);
}

static void core_done(struct request *req, enum err e)
{
    struct method_call *m = container_of(req, struct method_call, core.base);

    if (e == OK && m->steps->read != NULL)
        post_read(m);
    else
        post_answer(m, e, &req->why);
}

static void post_request(struct method_call *m)
{
    m->core.base.mem = m->mem;
    m->core.base.done = core_done;
    m->core.base.peer = bytes_of_text(call_peer(m->call));
    engine_post(m->methods->engine, &m->core.base);
}

static enum err prepare(struct method_call *m)
{
    enum err e = message_check_text(m->request, &m->why);

    if (e == OK && !m->steps->any_org)
        e = org_of_call(m->call, m->request, &m->org, &m->why);
    if (e == OK && m->steps->prepare != NULL)
        e = m->steps->prepare(m);
    return e;
}

static struct method_call *begin(struct rpc_call *call, void *context,
                                 const ProtobufCMessage *request, const struct method_steps *steps)
{
    struct method_call *m = arena_alloc(call_arena(call), sizeof *m);

    if (m == NULL)
        return NULL;
    m->mem = arena_new(CALL_MEMORY_BYTES_MAX);
    if (m->mem == NULL)
        return NULL;
    m->call = call_hold(call);
    m->methods = context;
    m->steps = steps;
    m->request = request;
    m->answer.run = answer;
    return m;
}

void method_run(struct rpc_call *call, void *context, const ProtobufCMessage *request,
                const struct method_steps *steps)
{
    struct method_call *m = begin(call, context, request, steps);
    enum err e;

    assert(steps->prepare != NULL || steps->read != NULL);
    if (m == NULL) {
        method_fail_full(call);
        return;
    }
    e = prepare(m);
    if (e != OK) {
        call_fail_err(call, e, &m->why);
        end(m);
    } else if (steps->prepare != NULL) {
        post_request(m);
    } else {
        post_read(m);
    }
}

static void drain_task(struct loop_task *task)
{
    struct open_stream *stream = container_of(task, struct open_stream, task);
    struct rpc_call *call = stream->call;

    stream->drain(stream);
    call_release(call);
}

void open_stream_drain(struct open_stream *stream)
{
    stream->task.run = drain_task;
    call_post(call_hold(stream->call), &stream->task);
}

void open_stream_add(struct methods *methods, struct open_stream *stream)
{
    pthread_mutex_lock(&methods->lock);
    list_append(&methods->streams, &stream->link);
    if (methods->draining)
        open_stream_drain(stream);
    pthread_mutex_unlock(&methods->lock);
}

void open_stream_remove(struct methods *methods, struct open_stream *stream)
{
    pthread_mutex_lock(&methods->lock);
    list_remove(&stream->link);
    pthread_mutex_unlock(&methods->lock);
}
