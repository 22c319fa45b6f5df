#ifndef WORKER_CLIENT_PARTS_H
#define WORKER_CLIENT_PARTS_H

#include "tools/worker/attempt.h"
#include "tools/worker/client.h"

#include "core/base/list.h"

#include <pthread.h>

/* Inside of the client: client.c keeps the stream, client_jobs.c what runs here,
 * client_reports.c the way of the attempts' reports. All of it on the loop's
 * thread, unless it says otherwise. */

struct client {
    struct report_port port;
    const struct client_settings *settings;
    struct attempt_settings attempt_settings;
    struct connection_names sources, targets;

    /* the loop's */
    struct channel *channel;
    struct client_call call;
    bool open;                   /* a call was started and is not done */
    bool welcome;                /* the server has answered the hello */
    bool draining, gave_up;
    int64_t backoff_ms;
    int64_t heartbeat_ms;
    struct loop_timer retry, heartbeat, drain_end;
    uint64_t next_id;
    uint64_t heartbeat_id;       /* 0: none is unanswered */
    int64_t heartbeat_sent_ms;
    struct link jobs;            /* struct job */
    unsigned job_count;
    unsigned owed;               /* credit that a job used up which could not be started */
    struct link reports;         /* struct report that are not answered, in order */
    struct loop_task start_task, drain_task, close_task;

    /* shared with client_start() and client_drain() */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool started, drained;
    enum err start_err;
    struct why start_why;
};

struct job {
    struct link link;
    struct client *client;
    struct attempt *attempt;
    pthread_t thread;
    int64_t ttl_ms;
    struct loop_task ended;
};

/* One report on its way; lies on the stack of the attempt's thread. */
struct report {
    struct link link;
    struct loop_task task;
    struct client *client;
    struct attempt *attempt;
    Sync__V1__WorkRequest *request;
    struct report_result *result;
    int64_t sent_ms;
    pthread_mutex_t lock;
    pthread_cond_t answered;
    bool done;
};

/* client.c */
void client_send(struct client *client, Sync__V1__WorkRequest *request);
/* Tells the server that it may push so many jobs more. */
void client_grant(struct client *client, unsigned slots);
/* Lets go of the stream when the worker ends and nothing runs any more. */
void client_end_if_drained(struct client *client);
int64_t client_duration_ms(const Google__Protobuf__Duration *duration, int64_t otherwise_ms);

/* client_jobs.c */
void jobs_take(struct client *client, const Sync__V1__WorkAssignments *message);
void jobs_direct(struct client *client, const Sync__V1__LeaseDirective *message);
void jobs_send_heartbeat(struct client *client);
/* The answer to the last heartbeat (`renews`), or news that came by itself. */
void jobs_take_heartbeat(struct client *client, const Sync__V1__HeartbeatResponse *message,
                         bool renews);
/* How long the attempt's lease is; 0 if it is not one of ours. */
int64_t jobs_lease_ttl_ms(struct client *client, const struct attempt *attempt);

/* client_reports.c */
/* The report_port's: on an attempt's thread. */
void reports_carry(struct report_port *port, struct attempt *attempt,
                   Sync__V1__WorkRequest *request, struct report_result *result);
void reports_take_result(struct client *client, uint64_t id, const Sync__V1__WorkResult *message);
/* All that wait for an answer, after a new stream has begun. */
void reports_send_again(struct client *client);
/* Answers those of one attempt, or of all (NULL), without the server. */
void reports_drop(struct client *client, const struct attempt *attempt, enum rpc_code code,
                  const char *message);

#endif
