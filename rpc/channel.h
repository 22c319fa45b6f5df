#ifndef RPC_CHANNEL_H
#define RPC_CHANNEL_H

#include "core/base/random.h"
#include "rpc/loop.h"
#include "rpc/service.h"

/* The client's door to a server: over HTTP/2, or into the same process without
 * a socket. Gateway, command line, worker and benchmark use nothing else.
 *
 * Threads     A channel lives on one loop; everything here happens on that
 *             loop's thread, except channel_call_wait().
 * Calls       The caller owns struct client_call and keeps it until on_done(),
 *             which comes exactly once, never inside client_call_start() (nor
 *             inside client_call_cancel()). Messages that on_message() lends
 *             are gone when it returns. */

struct channel;
struct client_end;
struct tls_client_options; /* see rpc/tls.h */

enum channel_policy {
    CHANNEL_PICK_FIRST,  /* the first address that answers, until it is lost */
    CHANNEL_ROUND_ROBIN, /* all that answer, in turn */
};

/* How a channel stands, as gRPC defines it (doc/connectivity-semantics-and-api). */
enum channel_state {
    CHANNEL_IDLE,       /* not connected; the next call connects */
    CHANNEL_CONNECTING, /* an attempt is under way; calls wait for it */
    CHANNEL_READY,
    CHANNEL_FAILING,   /* the last attempt failed; calls fail until the next one */
    CHANNEL_SHUT_DOWN, /* closed */
};

#define RPC_CODE_BIT(code) (UINT32_C(1) << (code))

/* What is done about calls that fail before any of their answer has come. What
 * the server has certainly not seen (the connection was lost before anything was
 * sent, GOAWAY, REFUSED_STREAM) is always sent again; the rest is up to this, as
 * gRPC has it (proposal A6): zeroed, it is off.
 *
 * A server may say when to come back (`grpc-retry-pushback-ms`, RetryInfo), or not
 * to. A throttle stops repeating while more than about one call in ten fails. */
struct channel_retry {
    unsigned attempts_max; /* of a call, with the first; 0 or 1: off; at most 5 */
    /* Between attempts, with a jitter of a fifth: 0: 50, then twice as long each
     * time, up to 2,000. */
    int64_t backoff_ms, backoff_max_ms;
    uint32_t codes;          /* RPC_CODE_BIT() of those that are tried again; 0: UNAVAILABLE */
    size_t buffer_bytes_max; /* kept of a request; longer ones are sent once; 0: 256 KiB */
    /* Hedging instead: the next attempt begins after so long without an answer,
     * and the first to answer counts. For idempotent calls with one message and a
     * single answer: a stream may well be silent for long. */
    int64_t hedge_ms; /* 0: off */
};

struct channel_options {
    /* "127.0.0.1:9470", "localhost:9470", "[::1]:9470", or several of them with
     * commas between; a name may have several addresses. They are tried in order, the
     * first 32. */
    const char *address;
    const struct tls_client_options *tls; /* lent for channel_open(); NULL: plain text */
    enum channel_policy policy;
    size_t message_bytes_max;   /* of an answer; 0: 4 MiB */
    int64_t connect_timeout_ms; /* for each address, until it speaks HTTP/2; 0: 10,000 */
    /* Pings a connection that is silent; one whose server says ENHANCE_YOUR_CALM half
     * as often from then on. */
    int64_t keepalive_ms;         /* 0: 30,000 */
    int64_t keepalive_timeout_ms; /* 0: connect_timeout_ms; without an answer it is lost */
    bool keepalive_without_calls; /* otherwise only while calls are open */
    /* Between attempts at an address, with a jitter of a fifth: 0: 50, then 1.6
     * times as long each time, up to 5,000. */
    int64_t backoff_ms, backoff_max_ms;
    int64_t stagger_ms; /* before the next address is tried beside a slow one; 0: 250 */
    /* An address counts only while its grpc.health.v1.Health says that this
     * service is SERVING. "": the server as a whole; NULL: it is not asked. */
    const char *health_service;
    struct channel_retry retry;
    struct random *random; /* borrowed; NULL: the kernel's */
};

/* Gives a channel that connects at its first call, and again (with backoff)
 * after the connection is lost; calls that were on it end UNAVAILABLE. Names are
 * resolved then, and again after something was lost. */
MUST_USE enum err channel_open(struct loop *loop, const struct channel_options *options,
                               struct channel **channel, struct why *why);

/* Gives a channel to services in this process. Each call runs on `loop`, too:
 * methods see it as their call's loop. */
MUST_USE enum err channel_open_local(struct loop *loop, const struct rpc_registry *registry,
                                     struct channel **channel);

/* Ends every call CANCELLED, then closes. On the loop's thread, or when the
 * loop does not run. NULL is fine. */
void channel_close(struct channel *channel);

/* True if every call is done and, where the services are in this process, no
 * method holds one any more. Methods answer to the loop, so it must run until
 * then: stop it only when this is true. Loop's thread. */
bool channel_is_quiet(const struct channel *channel);

/* Any thread. */
enum channel_state channel_state(const struct channel *channel);
const char *channel_state_name(enum channel_state state); /* "ready" */

/* Connects, if it is idle and it is time. Loop's thread. */
void channel_connect(struct channel *channel);

/* Who watches wants a connection: it is made, and after a failure made again,
 * without calls. on_state() comes from the loop, with the latest state: of
 * changes that follow each other quickly some may be left out. Loop's thread. */
struct channel_watch {
    void (*on_state)(struct channel_watch *watch, enum channel_state state);
    enum channel_state told; /* channel's */
    struct link link;
};

void channel_watch(struct channel *channel, struct channel_watch *watch);
/* Fine from on_state(), and after the channel was closed. */
void channel_unwatch(struct channel_watch *watch);

/* Any thread. */
struct loop *channel_loop(const struct channel *channel);

struct client_metadata {
    const char *name; /* lower case; "-bin": value is sent base64 */
    struct bytes value;
};

/* Why it would be left out: "must be printable ASCII ..."; NULL: it will be sent. */
const char *client_metadata_flaw(const struct client_metadata *metadata);

struct client_call {
    /* in: kept alive by the caller until on_done(), except the request, which
     * is packed at once */
    const char *path;                           /* "/sync.v1.SyncService/GetJob" */
    const ProtobufCMessageDescriptor *response; /* type of the answers */
    const ProtobufCMessage *request; /* first message; NULL for streams that begin later */
    bool streaming_request;          /* more follows: client_call_send() */
    const struct client_metadata *metadata;
    size_t metadata_count;
    int64_t timeout_ms;  /* 0: none; sent as grpc-timeout */
    bool wait_for_ready; /* where there is no connection, waits for one as long as it takes */
    bool idempotent;     /* may be carried out twice: see struct channel_retry */
    /* The answer is one message: if it is OK without, or brings several, the
     * call is UNIMPLEMENTED (doc/statuscodes). */
    bool single_answer;
    /* ALWAYS sends the messages as gzip; see client_call_compress(). */
    enum rpc_compress compress;
    const char *peer; /* local channel: who the caller is, for call_actor() */
    void (*on_message)(struct client_call *call, const ProtobufCMessage *message);
    void (*on_writable)(struct client_call *call); /* may be NULL */
    void (*on_done)(struct client_call *call, const struct rpc_status *status);
    /* channel's */
    struct client_end *end;
    struct client_end *answer; /* for client_call_metadata() */
    struct hedge *hedge;       /* its attempts, if there may be several at once */
    void (*on_answer)(struct client_call *call);
};

void client_call_start(struct channel *channel, struct client_call *call);
/* Streams: false once more than 256 KiB wait unsent: go on in on_writable. */
bool client_call_send(struct client_call *call, const ProtobufCMessage *message);
/* For the messages sent from now on. Only a call that was started with ALWAYS
 * may compress: then each message as it is chosen; ALWAYS any, AUTO those above
 * 1 KiB that get smaller by it. */
void client_call_compress(struct client_call *call, enum rpc_compress compress);
void client_call_half_close(struct client_call *call);
/* Resets the stream; on_done() follows with CANCELLED. A call that is over is fine. */
void client_call_cancel(struct client_call *call);
/* Reading back-pressure for streams: on_message() stops until resumed, and the
 * server's sending stalls. */
void client_call_pause_reading(struct client_call *call);
void client_call_resume_reading(struct client_call *call);
/* First value of the answer's initial metadata or trailers; NULL if absent.
 * In on_message() and on_done() only. */
const char *client_call_metadata(struct client_call *call, const char *name, size_t *size);
/* The same for a header that came several times, or a "-bin" one with several
 * values joined by commas: 0 is the first. */
const char *client_call_metadata_at(struct client_call *call, const char *name, size_t index,
                                    size_t *size);
/* The status' text, however long (that in struct rpc_status is cut). In
 * on_done() only. */
struct bytes client_call_status_text(struct client_call *call);
/* Whether the message that on_message() lends was sent compressed. */
bool client_call_message_was_compressed(struct client_call *call);

/* A unary call from a thread that is not the loop's: waits for the outcome.
 * Gives the answer (free with protobuf_c_message_free_unpacked(m, NULL)), NULL
 * unless the status is OK. */
ProtobufCMessage *channel_call_wait(struct channel *channel, const char *path,
                                    const ProtobufCMessageDescriptor *response,
                                    const ProtobufCMessage *request,
                                    const struct client_metadata *metadata, size_t metadata_count,
                                    int64_t timeout_ms, struct rpc_status *status);

#endif
