#ifndef TESTS_WORKER_WORK_SERVER_H
#define TESTS_WORKER_WORK_SERVER_H

#include "rpc/call.h"
#include "rpc/server.h"
#include "sync/v1/worker.pb-c.h"

#include <pthread.h>

/* A server that offers nothing but the Work stream, on a real port: it pushes
 * what a test gives it, answers reports as told, and counts what it sees. */

struct work_server {
    struct rpc_server *server;
    struct rpc_registry *registry;
    struct rpc_method method;
    struct rpc_service service;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* under the lock; the first group is the test's to set */
    const char *push_data;           /* of the next job to push; NULL: none */
    unsigned job_number;
    bool mute;                       /* answers no reports, only heartbeats */
    bool lose;                       /* heartbeats: every lease is lost */
    Sync__V1__Directive directive;
    struct rpc_call *call;           /* the open stream; held */
    unsigned hellos, acks, completes, releases, checkpoints, heartbeats, slots;
    char worker_id[64];
};

void work_server_open(struct work_server *server);
void work_server_close(struct work_server *server);

/* Pushes a job of these data as soon as there is credit. */
void work_server_push(struct work_server *server, const char *data);
/* Breaks the open stream, as a server that dies would. */
void work_server_break(struct work_server *server);
/* Waits until a counter of the server has reached a number; fails the test
 * after ten seconds. */
void work_server_wait(struct work_server *server, const unsigned *counter, unsigned number);

#endif
