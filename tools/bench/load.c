#include "tools/bench/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A run in three phases: produce until the time or the number is reached, let
 * the workers finish what is open, let them go. */

enum { TICK_MS = 500 };

int64_t load_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

void load_write_payload(char *text, unsigned bytes, uint64_t job)
{
    int head = snprintf(text, bytes + 1, "{\"n\":%llu,\"payload\":\"", (unsigned long long)job);

    memset(text + head, 'x', bytes - (unsigned)head - 2);
    memcpy(text + bytes - 2, "\"}", 3);
}

bool load_read_payload(const char *text, uint64_t *job)
{
    const char *number = strstr(text, "\"n\":"); /* behind what the server put in front */
    char *end;

    if (number == NULL)
        return false;
    *job = strtoull(number + 4, &end, 10);
    return *end == ',';
}

void load_fail(struct load *load, const struct rpc_status *status)
{
    struct load_result *result = load->result;

    if (result->calls_failed++ == 0)
        snprintf(result->first_error, sizeof result->first_error, "%s: %s",
                 rpc_code_name(status->code), status->message);
}

/* Everything acknowledged is completed: let the workers go. */
static void finish_if_done(struct load *load)
{
    if (load->draining || load->producing || !producers_are_idle(load->producers) ||
        ledger_open(load->ledger) > 0)
        return;
    load->draining = true;
    loop_timer_stop(load->loop, &load->end);
    workers_stop(load->workers);
}

void load_acknowledge(struct load *load, uint32_t job)
{
    ledger_acknowledge(load->ledger, job, load_now_us());
    if (load->options.on_acknowledged != NULL)
        load->options.on_acknowledged(job, load->options.ctx);
}

void load_complete(struct load *load, uint32_t job)
{
    if (job == LOAD_FOREIGN) {
        load->result->foreign_completed++;
        return;
    }
    load->last_us = load_now_us();
    ledger_complete(load->ledger, job, load->last_us);
    producers_continue(load->producers);
    finish_if_done(load);
}

void load_produced(struct load *load)
{
    load->producing = false;
    finish_if_done(load);
}

void load_idle(struct load *load)
{
    loop_timer_stop(load->loop, &load->tick);
    loop_stop(load->loop);
}

/* First the time for producing, then that for what is open. */
static void on_end(struct loop_timer *timer)
{
    struct load *load = container_of(timer, struct load, end);
    bool was_producing = load->producing;

    load->producing = false;
    finish_if_done(load);
    if (load->draining)
        return;
    if (was_producing) {
        loop_timer_start(load->loop, timer, load->options.drain_ms_max);
    } else {
        load->draining = true; /* what is still open now is lost */
        workers_stop(load->workers);
    }
}

static void on_tick(struct loop_timer *timer)
{
    struct load *load = container_of(timer, struct load, tick);

    load->options.on_tick(load->ledger, (load_now_us() - load->start_us) / 1000, load->options.ctx);
    loop_timer_start(load->loop, timer, TICK_MS);
}

static void on_lead(struct loop_timer *timer)
{
    producers_start(container_of(timer, struct load, lead)->producers);
}

static void run(struct load *load)
{
    random_seeded_init(&load->random, 1);
    load->producing = true;
    load->start_us = load->last_us = load_now_us();
    load->lead.fire = on_lead;
    load->end.fire = on_end;
    load->tick.fire = on_tick;
    loop_timer_start(load->loop, &load->lead, load->options.lead_ms);
    loop_timer_start(load->loop, &load->end, load->options.lead_ms + load->options.run_ms);
    if (load->options.on_tick != NULL)
        loop_timer_start(load->loop, &load->tick, TICK_MS);
    workers_start(load->workers);
    loop_run(load->loop);
}

enum err load_run(const struct load_options *options, struct load_result *result, struct why *why)
{
    struct load load = { .options = *options, .result = result, .ledger = &result->ledger };
    enum err e = OK;

    *result = (struct load_result){ .elapsed_us = 0 };
    load.loop = loop_new();
    if (load.loop == NULL)
        return err_because(why, ERR_UNAVAILABLE, "out of memory");
    e = producers_open(&load, &load.producers, why);
    if (e == OK)
        e = workers_open(&load, &load.workers, why);
    if (e == OK)
        run(&load);
    producers_close(load.producers);
    workers_close(load.workers);
    loop_free(load.loop);
    result->elapsed_us = load.last_us - load.start_us;
    return e;
}
