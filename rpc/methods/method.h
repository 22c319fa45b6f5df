#ifndef RPC_METHODS_METHOD_H
#define RPC_METHODS_METHOD_H

#include "rpc/call.h"
#include "rpc/methods/convert.h"
#include "rpc/methods/methods.h"

#include <pthread.h>

/* The one way a call that is answered once goes through core.
 *
 *   loop      method_run(): the call is held, prepare() fills the request
 *   engine    the request is done, or read() looks at a snapshot (or both)
 *   loop      reply() makes the answer; it is sent, the call released
 *
 * struct method_call lives in the call's arena. What core answers and what
 * read() builds lies in `mem`, which travels with the call from thread to
 * thread, so that nobody touches the call's arena but its loop. */

struct methods {
    struct engine *engine;
    const char *version;
    int64_t lease_ttl_ms, watch_heartbeat_ms;
    pthread_mutex_t lock;
    struct link streams;             /* under lock: every open Work and WatchJobs */
    bool draining;                   /* under lock */
};

struct method_call;

/* What is its own in a method. All run once at most, in this order; those that
 * are NULL are left out. A failure ends the call with m->why. */
struct method_steps {
    bool any_org;                    /* the call is for no one organisation */
    /* On the loop: fills m->core, sets core.base.verb. NULL: the method only reads. */
    enum err (*prepare)(struct method_call *m);
    /* On the reader's thread. May set m->response. */
    enum err (*read)(struct method_call *m, struct view *view);
    /* On the loop, unless read() has set m->response. Gives the answer. */
    void *(*reply)(struct method_call *m, struct builder *builder);
};

struct method_call {
    struct rpc_call *call;           /* held */
    struct methods *methods;
    const struct method_steps *steps;
    const void *request;             /* the message; in the call's arena */
    struct bytes org;
    struct arena *mem;
    void *response;
    struct why why;
    enum err result;
    struct loop_task answer;
    struct read_request read;
    union {
        struct request base;
        struct submit_request submit;
        struct control_request control;
        struct purge_request purge;
        struct put_org_request put_org;
        struct delete_schedule_request delete_schedule;
        struct reset_watermark_request reset_watermark;
        struct heartbeat_request heartbeat;
        struct report_request report;
        struct service_info_request service_info;
        struct drain_request drain;
    } core;
};

/* `context` is the struct methods. */
void method_run(struct rpc_call *call, void *context, const ProtobufCMessage *request,
                const struct method_steps *steps);

/* For read(): sets the response, or ERR_LIMIT. */
MUST_USE enum err method_respond(struct method_call *m, const struct builder *builder,
                                 void *response);

/* Ends the call RESOURCE_EXHAUSTED: its memory is used up. */
void method_fail_full(struct rpc_call *call);

int64_t method_now_ms(const struct methods *methods);

/* An open stream, so that methods_drain() finds it. Embedded in what belongs to
 * the stream, which must live as long as the call is held. */
struct open_stream {
    struct rpc_call *call;
    void (*drain)(struct open_stream *stream);     /* on the call's loop */
    struct loop_task task;
    struct link link;
};

/* Calls drain() soon if the service is draining already. On the call's loop. */
void open_stream_add(struct methods *methods, struct open_stream *stream);
/* A drain() that is on its way may still come while the call is held: it must
 * look at call_is_over(). */
void open_stream_remove(struct methods *methods, struct open_stream *stream);

/* Posts drain(). Once in a stream's life, under the lock. */
void open_stream_drain(struct open_stream *stream);

/* The start() of every method, for the tables. */
#define METHOD_START(name) \
    void method_##name(struct rpc_call *call, void *context, const ProtobufCMessage *request)

METHOD_START(queue_job);
METHOD_START(queue_jobs);
METHOD_START(get_service_info);
METHOD_START(get_org_info);
METHOD_START(get_job);
METHOD_START(list_jobs);
METHOD_START(pause_job);
METHOD_START(resume_job);
METHOD_START(cancel_job);
METHOD_START(retry_job);
METHOD_START(purge_jobs);
METHOD_START(list_syncs);
METHOD_START(get_sync);
METHOD_START(delete_schedule);
METHOD_START(reset_watermark);
METHOD_START(watch_jobs);

METHOD_START(work);
METHOD_START(lease_jobs);
METHOD_START(heartbeat);
METHOD_START(report_progress);
METHOD_START(save_checkpoint);
METHOD_START(complete_job);
METHOD_START(fail_job);
METHOD_START(release_job);

METHOD_START(put_org);
METHOD_START(get_org);
METHOD_START(list_orgs);
METHOD_START(backup);
METHOD_START(drain);
METHOD_START(list_audit);
/* Tokens. */
METHOD_START(not_built);

#endif
