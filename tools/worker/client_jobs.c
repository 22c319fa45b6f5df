#include "tools/worker/client_parts.h"

#include <stdlib.h>

/* Each job that was pushed here has a thread for its attempt, until that ends
 * or its lease turns out to be somebody else's. */

static const Sync__V1__Lease *lease_of(const struct job *job)
{
    return attempt_assignment(job->attempt)->lease;
}

static struct job *find_job(struct client *client, const Sync__V1__Lease *lease)
{
    list_each(link, &client->jobs) {
        struct job *job = container_of(link, struct job, link);

        if (lease_of(job)->epoch == lease->epoch &&
            strcmp(lease_of(job)->job_id, lease->job_id) == 0)
            return job;
    }
    return NULL;
}

int64_t jobs_lease_ttl_ms(struct client *client, const struct attempt *attempt)
{
    list_each(link, &client->jobs) {
        struct job *job = container_of(link, struct job, link);

        if (job->attempt == attempt)
            return job->ttl_ms;
    }
    return 0;
}

/* Their lease is somebody else's: nobody will answer these. */
static void lose_job(struct client *client, struct job *job)
{
    attempt_lose(job->attempt);
    reports_drop(client, job->attempt, RPC_ABORTED, "the lease is lost");
}

static void *run_job(void *context)
{
    struct job *job = context;

    attempt_run(job->attempt);
    loop_post(job->client->settings->loop, &job->ended);
    return NULL;
}

static void job_free(struct job *job)
{
    attempt_free(job->attempt);
    free(job);
}

static void end_job(struct loop_task *task)
{
    struct job *job = container_of(task, struct job, ended);
    struct client *client = job->client;

    pthread_join(job->thread, NULL);
    list_remove(&job->link);
    client->job_count--;
    job_free(job);
    client_grant(client, 1);
    client_end_if_drained(client);
}

/* The stream lends its messages; an attempt needs its assignment for long. */
static Sync__V1__JobAssignment *copy_assignment(const Sync__V1__JobAssignment *assignment)
{
    size_t size = sync__v1__job_assignment__get_packed_size(assignment);
    uint8_t *packed = malloc(size + 1);
    Sync__V1__JobAssignment *copy = NULL;

    if (packed != NULL) {
        sync__v1__job_assignment__pack(assignment, packed);
        copy = sync__v1__job_assignment__unpack(NULL, size, packed);
    }
    free(packed);
    return copy;
}

/* Earlier leases of the same job that still work here have lost it. */
static void lose_earlier(struct client *client, const Sync__V1__Lease *lease)
{
    list_each_safe(link, &client->jobs) {
        struct job *job = container_of(link, struct job, link);

        if (strcmp(lease_of(job)->job_id, lease->job_id) == 0 &&
            lease_of(job)->epoch < lease->epoch)
            lose_job(client, job);
    }
}

static bool start_job(struct client *client, const Sync__V1__JobAssignment *assignment)
{
    Sync__V1__JobAssignment *copy = copy_assignment(assignment);
    struct job *job = calloc(1, sizeof *job);

    if (copy == NULL || job == NULL) {
        if (copy != NULL)
            sync__v1__job_assignment__free_unpacked(copy, NULL);
        free(job);
        return false;
    }
    *job = (struct job){ .client = client,
                         .ended.run = end_job,
                         .ttl_ms = client_duration_ms(copy->lease_ttl, 3 * client->heartbeat_ms) };
    job->attempt = attempt_new(&client->attempt_settings, copy, loop_mono_ms() + job->ttl_ms);
    if (job->attempt == NULL || pthread_create(&job->thread, NULL, run_job, job) != 0) {
        job_free(job);
        return false;
    }
    list_append(&client->jobs, &job->link);
    client->job_count++;
    return true;
}

/* True if it is to be acknowledged: it works here now, or did before. */
static bool take_assignment(struct client *client, const Sync__V1__JobAssignment *assignment)
{
    if (client->draining || assignment->lease == NULL || assignment->data == NULL)
        return false;
    if (find_job(client, assignment->lease) != NULL)
        return true;
    lose_earlier(client, assignment->lease);
    if (client->job_count < client->settings->slots && start_job(client, assignment))
        return true;
    client->owed++;
    return false;
}

/* Those that are not acknowledged go back by themselves, and cost nothing. */
void jobs_take(struct client *client, const Sync__V1__WorkAssignments *message)
{
    Sync__V1__WorkRequest request = SYNC__V1__WORK_REQUEST__INIT;
    Sync__V1__WorkAck ack = SYNC__V1__WORK_ACK__INIT;
    Sync__V1__Lease **leases = calloc(message->n_jobs + 1, sizeof(Sync__V1__Lease *));

    for (size_t i = 0; leases != NULL && i < message->n_jobs; i++)
        if (take_assignment(client, message->jobs[i]))
            leases[ack.n_leases++] = message->jobs[i]->lease;
    if (ack.n_leases > 0) {
        ack.leases = leases;
        request.message_case = SYNC__V1__WORK_REQUEST__MESSAGE_ACK;
        request.ack = &ack;
        client_send(client, &request);
    }
    free(leases);
}

void jobs_direct(struct client *client, const Sync__V1__LeaseDirective *message)
{
    list_each(link, &client->jobs) {
        struct job *job = container_of(link, struct job, link);

        if (message->lease == NULL || find_job(client, message->lease) == job)
            attempt_direct(job->attempt, message->directive);
    }
}

void jobs_take_heartbeat(struct client *client, const Sync__V1__HeartbeatResponse *message,
                         bool renews)
{
    for (size_t i = 0; i < message->n_lost; i++) {
        struct job *job = find_job(client, message->lost[i]);

        if (job != NULL)
            lose_job(client, job);
    }
    for (size_t i = 0; i < message->n_directives; i++) {
        const Sync__V1__LeaseDirective *directive = message->directives[i];
        struct job *job = directive->lease != NULL ? find_job(client, directive->lease) : NULL;

        if (job == NULL)
            continue;
        if (renews)
            attempt_renew(job->attempt, client->heartbeat_sent_ms + job->ttl_ms);
        attempt_direct(job->attempt, directive->directive);
    }
}

void jobs_send_heartbeat(struct client *client)
{
    Sync__V1__WorkRequest request = SYNC__V1__WORK_REQUEST__INIT;
    Sync__V1__HeartbeatRequest heartbeat = SYNC__V1__HEARTBEAT_REQUEST__INIT;
    Sync__V1__Lease **leases = calloc(client->job_count + 1, sizeof(Sync__V1__Lease *));

    if (leases != NULL && client->job_count > 0) {
        list_each(link, &client->jobs) {
            struct job *job = container_of(link, struct job, link);

            leases[heartbeat.n_leases++] = (Sync__V1__Lease *)(uintptr_t)lease_of(job);
        }
        heartbeat.leases = leases;
        request.id = client->heartbeat_id = ++client->next_id;
        request.message_case = SYNC__V1__WORK_REQUEST__MESSAGE_HEARTBEAT;
        request.heartbeat = &heartbeat;
        client->heartbeat_sent_ms = loop_mono_ms();
        client_send(client, &request);
    }
    free(leases);
}
