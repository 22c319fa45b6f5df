#include "tools/bench/backlog.h"

#include "tools/bench/load.h"

static enum err queue_until(struct client *client, const char *org, struct batch *batch,
                            const struct backlog_options *options, uint64_t queued, uint64_t goal,
                            struct why *why)
{
    enum err e = OK;

    while (e == OK && queued < goal) {
        unsigned count = goal - queued < batch->count ? (unsigned)(goal - queued) : batch->count;

        e = client_queue(client, org, batch, queued, count, why);
        queued += count;
        if (options->on_tick != NULL)
            options->on_tick(queued, options->jobs);
    }
    return e;
}

enum err backlog_fill(struct client *client, const char *org, const struct backlog_options *options,
                      uint64_t from, uint64_t goal, struct why *why)
{
    struct batch batch = { .count = 0 };
    enum err e = batch_new(&batch, options->batch, options->payload_bytes, why);

    if (e == OK)
        e = queue_until(client, org, &batch, options, from, goal, why);
    batch_free(&batch);
    return e;
}

static enum err fill(const struct backlog_options *options, const struct process *server,
                     struct backlog_result *result, struct why *why)
{
    struct client client = { .loop = NULL };
    int64_t start_us = load_now_us();
    enum err e = client_open(&client, server->address, why);

    if (e == OK)
        e = backlog_fill(&client, "bench", options, 0, options->small_jobs, why);
    result->small_bytes = process_usage(server).memory_bytes;
    if (e == OK)
        e = backlog_fill(&client, "bench", options, options->small_jobs, options->jobs, why);
    result->bytes = process_usage(server).memory_bytes;
    result->queueing_ms = (load_now_us() - start_us) / 1000;
    client_close(&client);
    return e;
}

enum err backlog_run(const struct backlog_options *options, struct backlog_result *result,
                     struct why *why)
{
    struct process server;
    enum err e = process_prepare(&server, options->parent, why);

    *result = (struct backlog_result){ .small_jobs = options->small_jobs, .jobs = options->jobs };
    if (e != OK)
        return e;
    e = process_start(&server, options->program, why);
    if (e == OK)
        e = fill(options, &server, result, why);
    if (e == OK)
        e = restart_run(&server, options->program, &result->restart, why);
    process_stop(&server);
    process_clean(&server);
    return e;
}
