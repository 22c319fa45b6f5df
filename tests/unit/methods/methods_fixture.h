#ifndef TESTS_UNIT_METHODS_FIXTURE_H
#define TESTS_UNIT_METHODS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/engine.h"
#include "rpc/channel.h"
#include "rpc/methods/methods.h"
#include "sync/v1/admin.pb-c.h"
#include "sync/v1/sync.pb-c.h"
#include "sync/v1/worker.pb-c.h"
#include "tests/support/fake_store.h"

#include <pthread.h>

/* The three services over a real engine on a store in memory, and a client in
 * the same process. The loop has its own thread; tests call from outside. What
 * is given to a test lives until the fixture goes. */

enum { KEPT_MAX = 4096 };

struct methods_fixture {
    struct fake_store store;
    struct engine *engine;
    struct methods *methods;
    struct rpc_registry *registry;
    struct loop *loop;
    struct channel *channel;
    struct rpc_status status;            /* of the last ask() */
    ProtobufCMessage *kept[KEPT_MAX];
    size_t kept_count;
};

struct peer;

int methods_setup(void **state);
int methods_teardown(void **state);

/* A unary call for an organisation (NULL: none is named). NULL if it failed:
 * see f->status. */
void *ask_as(struct methods_fixture *f, const char *org, const char *path,
             const ProtobufCMessageDescriptor *response, const ProtobufCMessage *request);

#define SYNC_PATH   "/sync.v1.SyncService/"
#define WORKER_PATH "/sync.v1.WorkerService/"
#define ADMIN_PATH  "/sync.v1.AdminService/"
#define ORG         "acme"

/* ask(f, SYNC_PATH, GetJob, get_job, &request) */
#define ask(f, service, Method, message, request)                                     \
    ((void *)ask_as((f), ORG, service #Method, &sync__v1__##message##_response__descriptor, \
                    &(request)->base))

void assert_failed(struct methods_fixture *f, enum rpc_code code, const char *field);

/* Queues a job of ORG: full, from "demo" to "local". */
Sync__V1__Job *queue_job(struct methods_fixture *f, const char *name);
Sync__V1__Job *get_job(struct methods_fixture *f, const char *id);
/* QueueJob as a call that nobody waits for yet. */
void open_queue_job(struct methods_fixture *f, struct peer *peer, const char *name);
/* Waits until the job has that status. */
Sync__V1__Job *await_status(struct methods_fixture *f, const char *id, Sync__V1__JobStatus status);
Sync__V1__Job *pause_job(struct methods_fixture *f, const char *name);

/* Leases up to max jobs by the unary method, as a worker for everything. */
Sync__V1__LeaseJobsResponse *lease_jobs(struct methods_fixture *f, uint32_t max);
void complete_lease(struct methods_fixture *f, Sync__V1__Lease *lease);

/* Between the two no turn of the queue can end: the store stands still. */
void hold_store(struct methods_fixture *f);
void let_store_go(struct methods_fixture *f);

/* The client's end of a stream. Messages are copied, and wait for the test. */
struct peer {
    struct methods_fixture *fixture;
    struct client_call call;
    struct client_metadata org;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    ProtobufCMessage *messages[KEPT_MAX];
    size_t count, taken;
    bool done;
    struct rpc_status status;
};

/* request: NULL for a stream of them. */
void peer_open(struct methods_fixture *f, struct peer *peer, const char *path,
               const ProtobufCMessageDescriptor *response, const ProtobufCMessage *request);
void peer_send(struct peer *peer, const ProtobufCMessage *message);
void peer_half_close(struct peer *peer);
void peer_cancel(struct peer *peer);
void peer_pause_reading(struct peer *peer);
void peer_resume_reading(struct peer *peer);
/* The next message; waits for it. Fails the test if the stream ends first. */
void *peer_next(struct peer *peer);
/* Waits for the end. */
enum rpc_code peer_end(struct peer *peer);
void peer_close(struct peer *peer);      /* after its end */

#endif
