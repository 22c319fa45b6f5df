#include "tools/bench/fairness.h"

#include <string.h>

enum { PASSED_MAX = 256, HOURS_24_MS = 24 * 3600 * 1000, DRAIN_MS = 60 * 1000, LEAD = 5 };

static const char LARGE[] = "large", SMALL[] = "small";

static void note(struct fairness_side *side, uint64_t passed, int64_t wait_us)
{
    histogram_add(&side->passed, (int64_t)passed);
    histogram_add(&side->wait_us, wait_us);
}

/* ---- idle ---- */

static enum err complete_all(struct client *client, const struct client_lease *leases,
                             unsigned count, struct why *why)
{
    enum err e = OK;

    for (unsigned i = 0; e == OK && i < count; i++)
        e = client_complete(client, &leases[i], why);
    return e;
}

/* Leases until the single job comes; then works off what it has. */
static enum err idle_round(struct client *client, struct fairness_side *side, struct why *why)
{
    struct client_lease leases[PASSED_MAX];
    int64_t start_us = load_now_us();
    unsigned count = 0;
    bool came = false;
    enum err e = OK;

    while (e == OK && !came && count < PASSED_MAX) {
        e = client_lease(client, &leases[count], why);
        came = e == OK && strcmp(leases[count].org, SMALL) == 0;
        count++;
    }
    if (e != OK)
        return e;
    if (!came)
        return err_because(why, ERR_TIMEOUT,
                           "a single job still waits after %d leases of the others", PASSED_MAX);
    note(side, count - 1, load_now_us() - start_us);
    side->completed += count - 1;
    return complete_all(client, leases, count, why);
}

static enum err measure_idle(const struct fairness_options *options, struct client *client,
                             struct fairness_result *result, struct why *why)
{
    struct batch batch = { .count = 0 };
    int64_t start_us = load_now_us();
    enum err e = batch_new(&batch, 1, options->load.payload_bytes, why);

    for (uint64_t i = 0; e == OK && i < options->rounds; i++) {
        e = client_queue(client, SMALL, &batch, i, 1, why);
        if (e == OK)
            e = idle_round(client, &result->idle, why);
        if (options->on_tick != NULL)
            options->on_tick(i + 1, options->rounds);
    }
    batch_free(&batch);
    result->idle.leases_per_s = (double)(result->idle.completed + options->rounds) * 1e6 /
                                (double)(load_now_us() - start_us);
    return e;
}

/* ---- busy ---- */

struct busy {
    const struct fairness_options *options;
    struct fairness_side *side;
    bool waiting;    /* the single job is queued, and nobody has it */
    bool came_early; /* it was handed out before it was acknowledged here */
    int64_t since_us;
    uint64_t passed;
};

static void on_acknowledged(uint32_t job, void *ctx)
{
    struct busy *busy = ctx;

    (void)job;
    if (busy->came_early)
        note(busy->side, 0, 0);
    busy->waiting = !busy->came_early;
    busy->came_early = false;
    busy->since_us = load_now_us();
    busy->passed = 0;
}

static void on_assigned(uint32_t job, void *ctx)
{
    struct busy *busy = ctx;

    if (job == LOAD_FOREIGN) {
        busy->passed++;
    } else if (busy->waiting) {
        note(busy->side, busy->passed, load_now_us() - busy->since_us);
        busy->waiting = false;
    } else {
        busy->came_early = true;
    }
}

static void on_load_tick(const struct ledger *ledger, int64_t elapsed_ms, void *ctx)
{
    const struct fairness_options *options = ((const struct busy *)ctx)->options;

    (void)elapsed_ms;
    if (options->on_tick != NULL)
        options->on_tick(ledger->completed, options->rounds);
}

static void take_load(struct fairness_result *result, const struct load_result *load)
{
    const struct ledger *ledger = &load->ledger;

    result->singles = ledger_judge(ledger);
    result->calls_failed = load->calls_failed;
    memcpy(result->first_error, load->first_error, sizeof result->first_error);
    result->busy.completed = load->foreign_completed;
    if (load->elapsed_us > 0)
        result->busy.leases_per_s =
            (double)(ledger->completed + load->foreign_completed) * 1e6 / (double)load->elapsed_us;
}

static enum err measure_busy(const struct fairness_options *options, const char *address,
                             struct fairness_result *result, struct why *why)
{
    static struct load_result loaded;
    struct busy busy = { .options = options, .side = &result->busy };
    struct load_options load = options->load;
    enum err e;

    load.address = address;
    load.org = SMALL;
    load.mode = LOAD_STREAM;
    load.producers = load.in_flight = load.ahead_max = 1;
    load.lead_ms = LEAD * load.hold_ms;     /* until slots come free one by one */
    load.run_ms = HOURS_24_MS;
    load.jobs_max = options->rounds;
    load.drain_ms_max = DRAIN_MS;
    load.on_tick = on_load_tick;
    load.on_acknowledged = on_acknowledged;
    load.on_assigned = on_assigned;
    load.ctx = &busy;
    e = load_run(&load, &loaded, why);
    if (e == OK)
        take_load(result, &loaded);
    ledger_free(&loaded.ledger);
    return e;
}

/* ---- both ---- */

static enum err measure(const struct fairness_options *options, const char *address,
                        struct fairness_result *result, struct why *why)
{
    struct client client = { .loop = NULL };
    enum err e = client_open(&client, address, why);

    if (e == OK)
        e = backlog_fill(&client, LARGE, &options->backlog, 0, options->backlog.jobs, why);
    if (e == OK)
        e = measure_idle(options, &client, result, why);
    if (e == OK)
        e = measure_busy(options, address, result, why);
    if (e == OK)
        e = client_count(&client, LARGE, &result->left, why);
    if (e == OK && result->left.queued == 0)
        e = err_because(why, ERR_INVALID,
                        "the backlog has run out before the last round: more of it, or fewer rounds");
    client_close(&client);
    return e;
}

enum err fairness_run(const struct fairness_options *options, struct fairness_result *result,
                      struct why *why)
{
    struct process server;
    enum err e = process_prepare(&server, options->backlog.parent, why);

    *result = (struct fairness_result){ .backlog = options->backlog.jobs };
    if (e != OK)
        return e;
    e = process_start(&server, options->backlog.program, why);
    if (e == OK)
        e = measure(options, server.address, result, why);
    process_stop(&server);
    process_clean(&server);
    return e;
}

bool fairness_is_sound(const struct fairness_result *result)
{
    const struct client_counts *left = &result->left;
    uint64_t completed = result->idle.completed + result->busy.completed;

    return result->singles.lost == 0 && result->singles.repeated == 0 &&
           result->singles.strange == 0 && result->calls_failed == 0 &&
           left->completed == completed &&
           left->queued + left->active + completed == result->backlog;
}
