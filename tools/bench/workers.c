#include "tools/bench/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The completing half: as many workers of one kind as were asked for. */

struct workers {
    struct load *load;
    const struct worker_kind *kind;
    struct worker **workers;
    unsigned count, running;
};

static enum err open_one(struct workers *workers, unsigned number, struct why *why)
{
    struct channel_options options = { .address = workers->load->options.address,
                                       .tls = workers->load->options.tls };
    struct worker *worker = calloc(1, workers->kind->size);

    workers->workers[number] = worker;
    if (worker == NULL)
        return err_because(why, ERR_UNAVAILABLE, "out of memory");
    worker->load = workers->load;
    snprintf(worker->id, sizeof worker->id, "bench-%u", number);
    if (!workers->kind->open(worker))
        return err_because(why, ERR_UNAVAILABLE, "out of memory");
    return channel_open(workers->load->loop, &options, &worker->channel, why);
}

enum err workers_open(struct load *load, struct workers **opened, struct why *why)
{
    struct workers *workers = calloc(1, sizeof *workers);
    enum err e = OK;

    *opened = workers;
    if (workers == NULL)
        return err_because(why, ERR_UNAVAILABLE, "out of memory");
    workers->load = load;
    workers->kind = load->options.mode == LOAD_STREAM ? &stream_worker : &unary_worker;
    workers->workers = calloc(load->options.workers, sizeof(struct worker *));
    if (workers->workers == NULL)
        return err_because(why, ERR_UNAVAILABLE, "out of memory");
    while (e == OK && workers->count < load->options.workers)
        e = open_one(workers, workers->count++, why);
    return e;
}

void workers_start(struct workers *workers)
{
    workers->running = workers->count;
    for (unsigned i = 0; i < workers->count; i++)
        workers->kind->start(workers->workers[i]);
}

void workers_stop(struct workers *workers)
{
    for (unsigned i = 0; i < workers->count; i++) {
        workers->workers[i]->stopping = true;
        workers->kind->stop(workers->workers[i]);
    }
}

void worker_is_idle(struct worker *worker)
{
    if (--worker->load->workers->running == 0)
        load_idle(worker->load);
}

void workers_close(struct workers *workers)
{
    if (workers == NULL)
        return;
    for (unsigned i = 0; i < workers->count; i++) {
        if (workers->workers[i] == NULL)
            continue;
        channel_close(workers->workers[i]->channel);
        workers->kind->close(workers->workers[i]);
        free(workers->workers[i]);
    }
    free(workers->workers);
    free(workers);
}

void worker_fill_info(struct worker *worker, Sync__V1__WorkerInfo *info)
{
    static char any[] = "*";
    static char *anything[] = { any };

    sync__v1__worker_info__init(info);
    info->worker_id = worker->id;
    info->sources = info->targets = anything;
    info->n_sources = info->n_targets = 1;
    info->slots = worker->load->options.slots;
}

/* What was never asked for gets a number beyond the last one. */
static uint64_t number_of(const struct load *load, const Sync__V1__JobAssignment *assignment)
{
    uint64_t number;

    if (assignment->data == NULL || !load_read_payload(assignment->data->json, &number) ||
        number < load->options.first)
        return UINT64_MAX;
    return number - load->options.first;
}

bool worker_take(struct worker *worker, const Sync__V1__JobAssignment *assignment, uint32_t *job)
{
    const struct load *load = worker->load;
    uint64_t number;

    *job = LOAD_FOREIGN;
    if (strcmp(assignment->org_id, load->options.org) == 0) {
        number = number_of(load, assignment);
        if (!ledger_assign(load->ledger, number))
            return false;
        *job = (uint32_t)number;
    }
    if (load->options.on_assigned != NULL)
        load->options.on_assigned(*job, load->options.ctx);
    return true;
}
