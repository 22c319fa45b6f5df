#include "tools/worker/client_parts.h"

#include <stdio.h>

/* An attempt's thread hands its report over and sleeps until it is answered; so
 * a report can lie on that thread's stack. It stays in the list, and is sent
 * again after a stream broke, until its result is here. */

/* The last touch of the report: its thread may go on, and it is gone. */
static void answer_report(struct report *report)
{
    list_remove(&report->link);
    pthread_mutex_lock(&report->lock);
    report->done = true;
    pthread_cond_signal(&report->answered);
    pthread_mutex_unlock(&report->lock);
}

static void drop_report(struct report *report, enum rpc_code code, const char *message)
{
    report->result->code = code;
    snprintf(report->result->message, sizeof report->result->message, "%s", message);
    answer_report(report);
}

static void send_report(struct report *report)
{
    report->sent_ms = loop_mono_ms();
    client_send(report->client, report->request);
}

/* On the loop. */
static void take_report(struct loop_task *task)
{
    struct report *report = container_of(task, struct report, task);
    struct client *client = report->client;

    list_append(&client->reports, &report->link);
    report->request->id = ++client->next_id;
    if (attempt_is_lost(report->attempt))
        drop_report(report, RPC_ABORTED, "the lease is lost");
    else if (client->gave_up)
        drop_report(report, RPC_CANCELLED, "the worker ends");
    else if (client->welcome)
        send_report(report);
}

void reports_carry(struct report_port *port, struct attempt *attempt,
                   Sync__V1__WorkRequest *request, struct report_result *result)
{
    struct client *client = container_of(port, struct client, port);
    struct report report = { .task.run = take_report,
                             .client = client,
                             .attempt = attempt,
                             .request = request,
                             .result = result };

    link_init(&report.link);
    pthread_mutex_init(&report.lock, NULL);
    pthread_cond_init(&report.answered, NULL);
    loop_post(client->settings->loop, &report.task);
    pthread_mutex_lock(&report.lock);
    while (!report.done)
        pthread_cond_wait(&report.answered, &report.lock);
    pthread_mutex_unlock(&report.lock);
    pthread_cond_destroy(&report.answered);
    pthread_mutex_destroy(&report.lock);
}

void reports_take_result(struct client *client, uint64_t id, const Sync__V1__WorkResult *message)
{
    list_each_safe(link, &client->reports) {
        struct report *report = container_of(link, struct report, link);
        int64_t ttl_ms;

        if (report->request->id != id)
            continue;
        report->result->code = (enum rpc_code)message->code;
        report->result->directive = message->directive;
        snprintf(report->result->message, sizeof report->result->message, "%s", message->message);
        ttl_ms = jobs_lease_ttl_ms(client, report->attempt);
        if (message->code == RPC_OK && ttl_ms > 0)
            attempt_renew(report->attempt, report->sent_ms + ttl_ms);
        answer_report(report);
        return;
    }
}

void reports_send_again(struct client *client)
{
    list_each(link, &client->reports)
        send_report(container_of(link, struct report, link));
}

void reports_drop(struct client *client, const struct attempt *attempt, enum rpc_code code,
                  const char *message)
{
    list_each_safe(link, &client->reports) {
        struct report *report = container_of(link, struct report, link);

        if (attempt == NULL || report->attempt == attempt)
            drop_report(report, code, message);
    }
}
