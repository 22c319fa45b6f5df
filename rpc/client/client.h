#ifndef SYNC_CLIENT_H
#define SYNC_CLIENT_H

/* libsyncclient: talks to a Sync server. Installed as <sync/client.h>; compile
 * and link with what `pkg-config --cflags --libs sync-client` says.
 *
 *     struct sync_client_options options = SYNC_CLIENT_OPTIONS_INIT;
 *     struct sync_job_request request = SYNC_JOB_REQUEST_INIT;
 *     struct sync_client *client;
 *     struct sync_job *job;
 *     struct sync_status status;
 *
 *     options.addresses = "127.0.0.1:9470";
 *     options.org = "acme";
 *     if (sync_client_open(&options, &client, &status) != SYNC_OK) ...
 *     request.name = "product-sync";
 *     request.type = "full";
 *     request.source = "demo";
 *     request.target = "local";
 *     if (sync_client_queue(client, &request, &job, &status) == SYNC_OK)
 *         printf("%s is %s\n", job->id, job->status);
 *     sync_client_job_free(job);
 *     sync_client_close(client);
 *
 * Structs    Those that you fill in begin with their size, so that a program goes
 *            on working with a newer library: begin with the ..._INIT of its kind.
 *            What is zero or NULL has its default.
 * Ownership  What you pass in is yours and needed only during the call, whichever
 *            kind of call it is. What comes out through `struct ... **` is yours to
 *            free with the function named there; after a failure it is NULL. What
 *            a callback is given is gone when it returns.
 * Threads    One client serves any number of threads at once. It runs a thread of
 *            its own, on which the callbacks of the ..._start() functions run: they
 *            must not block, and of this header's functions they may only call
 *            those that end in _start or _stop (others answer FAILED_PRECONDITION).
 *            A client does not survive fork().
 * Errors     Functions return a code, SYNC_OK is 0, and say more in *status, which
 *            may be NULL. The server's own words come through as they are.
 *            Nothing is printed, no signal is raised or taken, errno means nothing.
 * Units      Times are milliseconds since 1970 UTC (..._at_ms), spans milliseconds
 *            (..._ms). Text is UTF-8.
 * Repeats    What fails because a server cannot be reached or went away is tried
 *            again up to `attempts_max` times within the timeout, where that cannot
 *            do harm: everything here but sync_client_retry(), and sync_client_call()
 *            of what is not marked idempotent. A job is queued once, however often it
 *            takes to say so: each request has an id. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define SYNC_CLIENT_API __attribute__((visibility("default")))
#else
#define SYNC_CLIENT_API
#endif

/* Zero, but for its size. */
#ifdef __cplusplus
#define SYNC_CLIENT_INIT(type)                                                                     \
    {                                                                                              \
        sizeof(type)                                                                               \
    }
#else
#define SYNC_CLIENT_INIT(type)                                                                     \
    {                                                                                              \
        .size = sizeof(type)                                                                       \
    }
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Outcomes. ---- */

/* gRPC's status codes. */
enum sync_code {
    SYNC_OK = 0,
    SYNC_CANCELLED = 1,         /* by the client's closing */
    SYNC_UNKNOWN = 2,           /* it may have happened: look before you repeat it */
    SYNC_INVALID_ARGUMENT = 3,  /* see status.field */
    SYNC_DEADLINE_EXCEEDED = 4, /* it may have happened */
    SYNC_NOT_FOUND = 5,
    SYNC_ALREADY_EXISTS = 6,
    SYNC_PERMISSION_DENIED = 7,
    SYNC_RESOURCE_EXHAUSTED = 8,  /* see status.retry_after_ms */
    SYNC_FAILED_PRECONDITION = 9, /* the present state does not allow it */
    SYNC_ABORTED = 10,            /* a lease that is not yours any more */
    SYNC_OUT_OF_RANGE = 11,
    SYNC_UNIMPLEMENTED = 12,
    SYNC_INTERNAL = 13,
    SYNC_UNAVAILABLE = 14, /* nothing was changed, or the server was not reached */
    SYNC_DATA_LOSS = 15,
    SYNC_UNAUTHENTICATED = 16
};

struct sync_status {
    enum sync_code code;
    char message[256];      /* for a person */
    char field[64];         /* of the request, that is to blame: "data.entity"; or "" */
    char field_reason[240]; /* what is wrong with it; or "" */
    int64_t retry_after_ms; /* when the server wants to be asked again; 0: not said */
};

SYNC_CLIENT_API const char *sync_client_code_name(enum sync_code code); /* "NOT_FOUND" */
SYNC_CLIENT_API const char *sync_client_version(void);                  /* "0.1.0" */

/* ---- A client. ---- */

struct sync_client;

struct sync_metadata {
    const char *name; /* lower case; a name that ends in "-bin" has any bytes */
    const void *value;
    size_t size;
};

struct sync_client_options {
    size_t size;
    /* HOST:PORT, or several with commas between; a name may have several addresses.
     * They are tried in order. NULL: 127.0.0.1:9470. */
    const char *addresses;
    const char *org;                      /* the organisation that calls are for */
    const char *token;                    /* sent as `authorization: Bearer TOKEN` */
    const struct sync_metadata *metadata; /* sent with each call */
    size_t metadata_count;

    bool tls;                /* plain text, unless this or one of the following is set */
    const char *tls_ca_file; /* PEM; NULL: whom the system trusts */
    const char *tls_cert_file, *tls_key_file; /* to show to the server */
    const char *tls_server_name;              /* NULL: the address's host */

    int64_t timeout_ms;         /* of a call with all its attempts; 0: 30,000; below 0: none */
    int64_t connect_timeout_ms; /* of each address; 0: 10,000 */
    bool wait_for_ready;        /* calls wait for a server instead of failing without one */

    unsigned attempts_max;              /* of a call; 0: 4; 1: none is repeated; at most 5 */
    int64_t backoff_ms, backoff_max_ms; /* between them; 0: 50, up to 2,000 */
    int64_t hedge_ms; /* ask again beside a call, not a watch, that takes so long; 0: never */

    int64_t keepalive_ms;         /* ping a silent connection; 0: 30,000 */
    int64_t keepalive_timeout_ms; /* for the answer; 0: connect_timeout_ms */
    bool keepalive_without_calls;

    bool round_robin;           /* use all addresses in turn, not the first that answers */
    const char *health_service; /* leave out servers that say that this service, or with ""
                                   they as a whole, is not SERVING; NULL: do not ask */
    size_t message_bytes_max;   /* of an answer; 0: 4 MiB */
};
#define SYNC_CLIENT_OPTIONS_INIT SYNC_CLIENT_INIT(struct sync_client_options)

/* Connects with the first call. INVALID_ARGUMENT names the wrong option, as which also
 * counts what HTTP cannot carry: org, token and metadata are printable ASCII without
 * spaces around, an empty token is none, and gRPC keeps some names of metadata (`grpc-`,
 * `te`, `content-type`) to itself. */
SYNC_CLIENT_API enum sync_code sync_client_open(const struct sync_client_options *options,
                                                struct sync_client **client,
                                                struct sync_status *status);

/* Ends what is under way as CANCELLED, and returns when the last callback has. No
 * other thread may use the client any more; what a callback starts is not begun. NULL
 * is fine. Not from a callback. */
SYNC_CLIENT_API void sync_client_close(struct sync_client *client);

enum sync_state {
    SYNC_IDLE,       /* not connected; the next call connects */
    SYNC_CONNECTING, /* calls wait */
    SYNC_READY,
    SYNC_FAILING /* the last attempt failed; it is tried again after a while */
};

SYNC_CLIENT_API enum sync_state sync_client_state(const struct sync_client *client);
/* Connects; waits until it is READY. DEADLINE_EXCEEDED if it is not in time. */
SYNC_CLIENT_API enum sync_code sync_client_connect(struct sync_client *client, int64_t timeout_ms,
                                                   struct sync_status *status);

/* ---- Jobs. ---- */

/* Of a job that was queued, paused, resumed, cancelled or retried only id, name, status,
 * state, wait_reason, progress, the times and is_duplicate are told; the rest is "" or 0
 * until it is read with sync_client_get(), listed or watched.
 * Words are those of the JSON API: status "queued", "scheduled", "active",
 * "paused", "completed", "failed", "cancelled". Text is never NULL: what there is
 * none of is "", and a time 0. */
struct sync_job {
    const char *id, *name, *org;
    const char *status;
    const char *state;       /* what it is about to become: "pausing", "cancelling" */
    const char *wait_reason; /* why a queued one waits: "no_worker" */
    const char *type, *priority;
    const char *source, *target, *entity, *data_json;
    int progress;                         /* whole percent; -1: not known */
    uint64_t records_done, records_total; /* of all entities; total 0: not known */
    int64_t queued_at_ms, started_at_ms, ended_at_ms;
    int64_t scheduled_for_ms; /* when a schedule lets it begin */
    int64_t not_before_ms;    /* when the next attempt may begin, after one that failed */
    int64_t estimated_start_ms, estimated_completion_ms;
    unsigned attempts;
    const char *worker_id;
    const char *error, *error_class; /* of the last failed attempt */
    bool is_over;                    /* completed, failed or cancelled */
    bool is_duplicate;               /* queueing found this one waiting */
};

/* NULL is fine. */
SYNC_CLIENT_API void sync_client_job_free(struct sync_job *job);

struct sync_schedule {
    size_t size;
    const char *repeat, *time; /* "daily", "02:30"; or */
    const char *cron;          /* "30 2 * * mon-fri"; or */
    const char *interval;      /* "PT15M" */
    const char *timezone;      /* "Europe/Berlin"; NULL: UTC */
    int64_t start_at_ms, end_at_ms;
    int64_t jitter_ms, catch_up_ms;
    unsigned max_runs;
    const char *overlap; /* "skip", "bufferOne", "cancelOther" */
};
#define SYNC_SCHEDULE_INIT SYNC_CLIENT_INIT(struct sync_schedule)

struct sync_job_request {
    size_t size;
    const char *name;
    const char *type;     /* "full", "incremental", "entity", "scheduled" */
    const char *priority; /* "low", "normal", "high", "critical"; NULL: normal */
    const char *source, *target;
    const char *entity; /* for type "entity" */
    const char *mode;   /* scheduled: "full" or "incremental" */
    /* `data` as a JSON object, handed to the worker: members of its connectors' own. What
     * the fields here say need not be in it; it must not say anything else. NULL: none. */
    const char *data_json;
    int64_t updated_since_ms;
    const char *const *collections;
    size_t collection_count;
    bool allow_mass_delete;
    unsigned concurrency; /* 0: 1 */
    unsigned max_retries; /* 0: 3 */
    bool never_retry;
    const struct sync_schedule *schedule;
    const char *on_duplicate; /* "queue", "coalesce", "reject", "replace"; NULL: queue */
    /* Under one id a job is queued once in 24 hours. NULL: a random one. */
    const char *request_id;
};
#define SYNC_JOB_REQUEST_INIT SYNC_CLIENT_INIT(struct sync_job_request)

/* Names a job by its id, or a sync by its name. sync_client_retry() goes by id alone,
 * and only pausing and cancelling wait: the others do not look at it. */
struct sync_control {
    size_t size;
    const char *id, *name;
    const char *reason;
    int64_t wait_ms; /* pause, cancel: answer when the worker has let go; at most 60,000 */
    bool from_start; /* resume: forget the checkpoint */
};
#define SYNC_CONTROL_INIT SYNC_CLIENT_INIT(struct sync_control)

/* The answer means: it is on stable storage. */
SYNC_CLIENT_API enum sync_code sync_client_queue(struct sync_client *client,
                                                 const struct sync_job_request *request,
                                                 struct sync_job **job, struct sync_status *status);
SYNC_CLIENT_API enum sync_code sync_client_get(struct sync_client *client, const char *id,
                                               struct sync_job **job, struct sync_status *status);
SYNC_CLIENT_API enum sync_code sync_client_pause(struct sync_client *client,
                                                 const struct sync_control *control,
                                                 struct sync_job **job, struct sync_status *status);
SYNC_CLIENT_API enum sync_code sync_client_resume(struct sync_client *client,
                                                  const struct sync_control *control,
                                                  struct sync_job **job,
                                                  struct sync_status *status);
SYNC_CLIENT_API enum sync_code sync_client_cancel(struct sync_client *client,
                                                  const struct sync_control *control,
                                                  struct sync_job **job,
                                                  struct sync_status *status);
/* Queues a failed or cancelled job again, under its own id. */
SYNC_CLIENT_API enum sync_code sync_client_retry(struct sync_client *client,
                                                 const struct sync_control *control,
                                                 struct sync_job **job, struct sync_status *status);

/* The same without waiting: `done` is called once, on the client's thread, never
 * inside. `job` is lent, NULL unless status->code is OK. False if there is no memory,
 * or the client is being closed: then it is not called. */
typedef void (*sync_job_done)(void *context, const struct sync_status *status,
                              const struct sync_job *job);

SYNC_CLIENT_API bool sync_client_queue_start(struct sync_client *client,
                                             const struct sync_job_request *request,
                                             sync_job_done done, void *context);
SYNC_CLIENT_API bool sync_client_get_start(struct sync_client *client, const char *id,
                                           sync_job_done done, void *context);
SYNC_CLIENT_API bool sync_client_pause_start(struct sync_client *client,
                                             const struct sync_control *control, sync_job_done done,
                                             void *context);
SYNC_CLIENT_API bool sync_client_resume_start(struct sync_client *client,
                                              const struct sync_control *control,
                                              sync_job_done done, void *context);
SYNC_CLIENT_API bool sync_client_cancel_start(struct sync_client *client,
                                              const struct sync_control *control,
                                              sync_job_done done, void *context);
SYNC_CLIENT_API bool sync_client_retry_start(struct sync_client *client,
                                             const struct sync_control *control, sync_job_done done,
                                             void *context);

/* ---- Lists, newest first. ---- */

struct sync_list_request {
    size_t size;
    const char *status, *type, *name; /* NULL: any */
    int64_t since_ms, until_ms;       /* queued in that time */
    unsigned page_size;               /* 1 to 1,000; 0: 100 */
    const char *page_token;           /* of the page before; NULL: the first */
};
#define SYNC_LIST_REQUEST_INIT SYNC_CLIENT_INIT(struct sync_list_request)

struct sync_job_list {
    const struct sync_job *const *jobs;
    size_t count;
    const char *next_page_token; /* "": this was the last */
};

SYNC_CLIENT_API enum sync_code sync_client_list(struct sync_client *client,
                                                const struct sync_list_request *request,
                                                struct sync_job_list **list,
                                                struct sync_status *status);
SYNC_CLIENT_API void sync_client_list_free(struct sync_job_list *list);

typedef void (*sync_list_done)(void *context, const struct sync_status *status,
                               const struct sync_job_list *list);
SYNC_CLIENT_API bool sync_client_list_start(struct sync_client *client,
                                            const struct sync_list_request *request,
                                            sync_list_done done, void *context);

/* ---- Watching. ---- */

enum sync_event_kind {
    SYNC_EVENT_JOB, /* a job as it is now */
    /* The opening list is complete: from here on, changes. It has at most 1,000 jobs
     * that are not over, and the 50 newest that are; sync_client_list() has all. */
    SYNC_EVENT_SYNCED,
    SYNC_EVENT_LOST,  /* the server went away; it goes on where it was once it is back */
    SYNC_EVENT_RELIST /* changes were missed: the opening list begins anew */
};

struct sync_event {
    enum sync_event_kind kind;
    const struct sync_job *job;       /* JOB; otherwise NULL */
    const struct sync_status *status; /* LOST: why; otherwise NULL */
    uint64_t sequence;                /* to resume behind; 0 in the opening list */
};

struct sync_watch_request {
    size_t size;
    const char *name, *id;   /* NULL: all jobs of the organisation */
    uint64_t after_sequence; /* 0: begin with a list */
};
#define SYNC_WATCH_REQUEST_INIT SYNC_CLIENT_INIT(struct sync_watch_request)

/* False ends the watch. */
typedef bool (*sync_on_event)(void *context, const struct sync_event *event);

/* Calls on_event() on your thread, for each change, until it returns false: then
 * the answer is OK. Any function may be called from it but sync_client_close(); a
 * slow one loses nothing, the server waits. */
SYNC_CLIENT_API enum sync_code sync_client_watch(struct sync_client *client,
                                                 const struct sync_watch_request *request,
                                                 sync_on_event on_event, void *context,
                                                 struct sync_status *status);

/* Follows one job to its end, up to timeout_ms (0: as long as it takes), and gives
 * it as it is then. Without an id: INVALID_ARGUMENT. on_event() may be NULL; false from it ends the
 * waiting as CANCELLED. */
SYNC_CLIENT_API enum sync_code sync_client_wait(struct sync_client *client, const char *id,
                                                int64_t timeout_ms, sync_on_event on_event,
                                                void *context, struct sync_job **job,
                                                struct sync_status *status);

/* The same without waiting: on_event() and, once, on_end() run on the client's
 * thread. NULL if there is no memory for it, the request is none, or the client is
 * being closed. */
struct sync_watch;
typedef void (*sync_on_end)(void *context, const struct sync_status *status);
SYNC_CLIENT_API struct sync_watch *sync_client_watch_start(struct sync_client *client,
                                                           const struct sync_watch_request *request,
                                                           sync_on_event on_event,
                                                           sync_on_end on_end, void *context);
/* To be called once for each watch, also for one that has ended, before the client
 * is closed: then the watch is gone. If it has not ended, on_end() follows, with OK. */
SYNC_CLIENT_API void sync_client_watch_stop(struct sync_watch *watch);

/* ---- Any method, with protobuf-c. ---- */

/* For what has no function here: make messages of the protos that are installed
 * (`pkg-config --variable=protodir sync-client`) with protoc-c. */

struct ProtobufCMessage;
struct ProtobufCMessageDescriptor;

struct sync_call {
    size_t size;
    const char *method; /* "/sync.v1.WorkerService/LeaseJobs"; no stream */
    const struct ProtobufCMessage *request;
    const struct ProtobufCMessageDescriptor *answer_type;
    bool idempotent;                      /* may be carried out twice: is tried again */
    int64_t timeout_ms;                   /* 0: the client's; below 0: none */
    const struct sync_metadata *metadata; /* beside the client's */
    size_t metadata_count;
};
#define SYNC_CALL_INIT SYNC_CLIENT_INIT(struct sync_call)

/* Free the answer with protobuf_c_message_free_unpacked(answer, NULL). */
SYNC_CLIENT_API enum sync_code sync_client_call(struct sync_client *client,
                                                const struct sync_call *call,
                                                struct ProtobufCMessage **answer,
                                                struct sync_status *status);

typedef void (*sync_call_done)(void *context, const struct sync_status *status,
                               const struct ProtobufCMessage *answer);
SYNC_CLIENT_API bool sync_client_call_start(struct sync_client *client,
                                            const struct sync_call *call, sync_call_done done,
                                            void *context);

#ifdef __cplusplus
}
#endif

#endif
