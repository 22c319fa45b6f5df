#include "tools/bench/history.h"

enum { PROBES_MIN = 20, PROBES_MAX = 500 };

struct history {
    const struct history_options *options;
    struct process server;
    uint64_t passed;
    unsigned probes;            /* leases behind each part */
};

static unsigned probes_of(const struct history_options *options)
{
    uint64_t some = options->jobs / options->parts / 10;

    if (some < PROBES_MIN)
        return PROBES_MIN;
    return some < PROBES_MAX ? (unsigned)some : PROBES_MAX;
}

/* Each leased and completed by itself; they are the only ones. */
static enum err lease_all(struct client *client, unsigned count, struct histogram *lease_us,
                          struct why *why)
{
    enum err e = OK;

    while (e == OK && count-- > 0) {
        struct client_lease lease;
        int64_t start_us = load_now_us();

        e = client_lease(client, &lease, why);
        if (e == OK) {
            histogram_add(lease_us, load_now_us() - start_us);
            e = client_complete(client, &lease, why);
        }
    }
    return e;
}

static enum err queue_probes(const struct history *history, struct client *client, struct why *why)
{
    struct batch batch = { .count = 0 };
    enum err e = batch_new(&batch, history->probes, history->options->load.payload_bytes, why);

    if (e == OK)
        e = client_queue(client, history->options->load.org, &batch, 0, history->probes, why);
    batch_free(&batch);
    return e;
}

static enum err probe(const struct history *history, struct history_part *part, struct why *why)
{
    struct client client = { .loop = NULL };
    enum err e = client_open(&client, history->server.address, why);

    if (e == OK)
        e = queue_probes(history, &client, why);
    if (e == OK)
        e = lease_all(&client, history->probes, &part->lease_us, why);
    client_close(&client);
    return e;
}

static void on_load_tick(const struct ledger *ledger, int64_t elapsed_ms, void *ctx)
{
    const struct history *history = ctx;

    (void)elapsed_ms;
    if (history->options->on_tick != NULL)
        history->options->on_tick(history->passed + ledger->completed, history->options->jobs);
}

/* Numbers go on from part to part: what an earlier one has completed would be
 * strange to a later one. */
static enum err pass(struct history *history, uint64_t goal, struct history_part *part,
                     struct why *why)
{
    static struct load_result loaded;
    struct load_options load = history->options->load;
    struct process_usage before = process_usage(&history->server), after;
    int64_t own_cpu_ms = process_own_cpu_ms();
    enum err e;

    load.address = history->server.address;
    load.first = history->passed;
    load.jobs_max = goal - history->passed;
    load.on_tick = on_load_tick;
    load.ctx = history;
    e = load_run(&load, &loaded, why);
    after = process_usage(&history->server);
    if (e == OK) {
        measurement_take(&part->measurement, &loaded);
        part->measurement.own_server = true;
        part->measurement.memory_bytes = after.memory_bytes;
        part->measurement.server_cpu_ms = after.cpu_ms - before.cpu_ms;
        part->measurement.own_cpu_ms = process_own_cpu_ms() - own_cpu_ms;
    }
    ledger_free(&loaded.ledger);
    history->passed = part->passed = goal;
    return e;
}

static enum err run_parts(struct history *history, struct why *why)
{
    const struct history_options *options = history->options;
    enum err e = OK;

    for (unsigned i = 1; e == OK && i <= options->parts; i++) {
        struct history_part part = { .passed = 0 };

        e = pass(history, options->jobs * i / options->parts, &part, why);
        if (e == OK)
            e = probe(history, &part, why);
        if (e == OK)
            options->on_part(&part, i, options->ctx);
    }
    return e;
}

static enum err run(struct history *history, struct restart *restart, struct why *why)
{
    struct client client = { .loop = NULL };
    enum err e = run_parts(history, why);

    if (e == OK)
        e = client_open(&client, history->server.address, why);
    if (e == OK)
        e = queue_probes(history, &client, why);
    client_close(&client);
    if (e == OK)
        e = restart_run(&history->server, history->options->program, restart, why);
    return e;
}

enum err history_run(const struct history_options *options, struct restart *restart,
                     struct why *why)
{
    struct history history = { .options = options, .probes = probes_of(options) };
    enum err e = process_prepare(&history.server, options->parent, why);

    if (e != OK)
        return e;
    e = process_start(&history.server, options->program, why);
    if (e == OK)
        e = run(&history, restart, why);
    process_stop(&history.server);
    process_clean(&history.server);
    return e;
}
