#include "gateway/exchange_parts.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/base/list.h"
#include "gateway/limits.h"
#include "gateway/json/transcode.h"
#include "sync/v1/sync.pb-c.h"

/* The answer begins with the first message, so that a call that is refused is
 * a plain error; or after a moment without one, because a watch that goes on
 * from somewhere may have nothing to say, and its client waits for the head. */

enum { CALM_MS = 250, RETRY_MS = 2000, RETRY_AFTER_MS = 5000 };

static void begin_answer(struct exchange *stream)
{
    static const struct http_header unbuffered = { "X-Accel-Buffering", "no" };
    struct http_answer answer = { .status = 200,
                                  .headers = &unbuffered,
                                  .header_count = 1,
                                  .content_type = "text/event-stream" };
    char retry[32];
    int size;

    if (stream->has_message)
        return;
    stream->has_message = true;
    loop_timer_stop(channel_loop(stream->all->channel), &stream->calm);
    http_answer_begin(stream->http, &answer);
    size = snprintf(retry, sizeof retry, "retry: %d\n\n", RETRY_MS);
    http_answer_write(stream->http, &(struct bytes){ (const uint8_t *)retry, (size_t)size }, 1);
}

static void on_calm(struct loop_timer *timer)
{
    begin_answer(container_of(timer, struct exchange, calm));
}

/* To be resumed in on_writable(). */
static void write_parts(struct exchange *stream, const struct bytes *parts, size_t count)
{
    if (!http_answer_write(stream->http, parts, count))
        client_call_pause_reading(&stream->call);
}

/* Lines are this format's frames, and a job's `data` comes as its caller wrote
 * it. Line ends cannot stand inside a JSON text's strings. */
static void join_lines(struct json_writer *data)
{
    for (size_t i = 0; i < data->size; i++)
        if (data->text[i] == '\n' || data->text[i] == '\r')
            data->text[i] = ' ';
}

static int write_id(char *text, size_t room, uint64_t sequence)
{
    if (sequence == 0)
        return 0; /* of the opening list: there is no place yet to resume from */
    return snprintf(text, room, "id: %" PRIu64 "\n", sequence);
}

static void write_event(struct exchange *stream, uint64_t sequence, const char *event,
                        const ProtobufCMessage *message)
{
    struct json_writer data = { .size_max = ANSWER_BYTES_MAX };
    char head[96];
    int size;

    transcode_write_object(&data, message);
    if (data.failed) {
        json_writer_free(&data);
        client_call_cancel(&stream->call); /* out of memory; the client comes back */
        return;
    }
    join_lines(&data);
    size = write_id(head, sizeof head, sequence);
    size += snprintf(head + size, sizeof head - (size_t)size, "event: %s\ndata: ", event);
    write_parts(stream,
                (const struct bytes[]){ bytes_of(head, (size_t)size),
                                        bytes_of(data.text, data.size), bytes_of("\n\n", 2) },
                3);
    json_writer_free(&data);
}

/* An id without data moves the place to resume from, and is no event. */
static void write_heartbeat(struct exchange *stream, uint64_t sequence)
{
    char text[64] = ": heartbeat\n";
    size_t size = strlen(text);

    size += (size_t)write_id(text + size, sizeof text - size, sequence);
    write_parts(stream, (const struct bytes[]){ bytes_of(text, size), bytes_of("\n", 1) }, 2);
}

static void on_message(struct client_call *call, const ProtobufCMessage *message)
{
    struct exchange *stream = container_of(call, struct exchange, call);
    const Sync__V1__WatchJobsResponse *event = (const Sync__V1__WatchJobsResponse *)message;

    begin_answer(stream);
    switch (event->event_case) {
    case SYNC__V1__WATCH_JOBS_RESPONSE__EVENT_JOB:
        write_event(stream, event->sequence, "job", &event->job->base);
        break;
    case SYNC__V1__WATCH_JOBS_RESPONSE__EVENT_SYNCED:
        write_event(stream, event->sequence, "synced", &event->synced->base);
        break;
    case SYNC__V1__WATCH_JOBS_RESPONSE__EVENT_RELIST:
        write_event(stream, event->sequence, "relist", &event->relist->base);
        break;
    case SYNC__V1__WATCH_JOBS_RESPONSE__EVENT_HEARTBEAT:
    case SYNC__V1__WATCH_JOBS_RESPONSE__EVENT__NOT_SET: /* newer than this program */
    case _SYNC__V1__WATCH_JOBS_RESPONSE__EVENT__CASE_IS_INT_SIZE:
    default:
        write_heartbeat(stream, event->sequence);
        break;
    }
}

/* Why it ends, for whoever looks; the format has no other place for it. */
static void end_answer(struct exchange *stream, const struct rpc_status *status)
{
    char text[64];
    int size = snprintf(text, sizeof text, ": %s\n\n", rpc_code_name(status->code));

    if (status->code != RPC_OK)
        http_answer_write(stream->http, &(struct bytes){ (const uint8_t *)text, (size_t)size }, 1);
    answer_log(stream->http, 200);
    http_answer_end(stream->http);
}

static void on_done(struct client_call *call, const struct rpc_status *status)
{
    struct exchange *stream = container_of(call, struct exchange, call);
    struct rpc_status shown = *status;

    loop_timer_stop(channel_loop(stream->all->channel), &stream->calm);
    stream->all->streams--;
    if (stream->is_stopped)
        rpc_status_set(&shown, RPC_UNAVAILABLE, "the service is stopping: watch again later");
    if (shown.code == RPC_OK)
        begin_answer(stream);
    exchange_count(stream, stream->has_message ? 200 : answer_status_code(&shown));
    if (stream->has_message)
        end_answer(stream, &shown);
    else
        answer_status(stream->http, &shown);
}

static void on_stop(struct http_request *http)
{
    struct exchange *stream = http->tag;

    stream->is_stopped = true;
    client_call_cancel(&stream->call);
}

static void on_writable(struct http_request *http)
{
    struct exchange *stream = http->tag;

    client_call_resume_reading(&stream->call);
}

static void refuse(struct exchange *stream)
{
    struct error_answer error = { .status = 503,
                                  .message = "The service has too many open watches",
                                  .retry_after_ms = RETRY_AFTER_MS };

    exchange_count(stream, error.status);
    answer_error(stream->http, &error);
}

void event_stream_begin(struct exchange *stream)
{
    if (stream->all->streams >= stream->all->streams_max) {
        refuse(stream);
        return;
    }
    stream->all->streams++;
    stream->calm.fire = on_calm;
    stream->http->on_stop = on_stop;
    stream->http->on_writable = on_writable;
    loop_timer_start(channel_loop(stream->all->channel), &stream->calm, CALM_MS);
    exchange_start_call(stream, 0, on_message, on_done);
}
