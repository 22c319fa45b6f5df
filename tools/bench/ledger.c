#include "tools/bench/ledger.h"

#include <stdio.h>
#include <stdlib.h>

struct ledger_job {
    int64_t asked_us;
    bool acknowledged;
    uint8_t assigned, completed;
};

void ledger_free(struct ledger *ledger)
{
    free(ledger->jobs);
    *ledger = (struct ledger){ .jobs = NULL };
}

uint32_t ledger_ask(struct ledger *ledger, int64_t now_us)
{
    if (ledger->count == ledger->room) {
        uint32_t room = ledger->room * 2 + 65536;
        struct ledger_job *more = realloc(ledger->jobs, room * sizeof *more);

        if (more == NULL) {
            fputs("sync-bench: out of memory\n", stderr);
            exit(EXIT_FAILURE);
        }
        ledger->jobs = more;
        ledger->room = room;
    }
    ledger->jobs[ledger->count] = (struct ledger_job){ .asked_us = now_us };
    return ledger->count++;
}

void ledger_acknowledge(struct ledger *ledger, uint32_t job, int64_t now_us)
{
    ledger->jobs[job].acknowledged = true;
    ledger->acknowledged++;
    histogram_add(&ledger->queue_us, now_us - ledger->jobs[job].asked_us);
}

void ledger_refuse(struct ledger *ledger)
{
    ledger->refused++;
}

bool ledger_assign(struct ledger *ledger, uint64_t job)
{
    if (job >= ledger->count) {
        ledger->strange++;
        return false;
    }
    if (ledger->jobs[job].assigned++ > 0)
        ledger->redelivered++;
    return true;
}

void ledger_complete(struct ledger *ledger, uint32_t job, int64_t now_us)
{
    if (ledger->jobs[job].completed++ == 0) {
        ledger->completed++;
        histogram_add(&ledger->cycle_us, now_us - ledger->jobs[job].asked_us);
    }
}

uint64_t ledger_open(const struct ledger *ledger)
{
    return ledger->acknowledged > ledger->completed ? ledger->acknowledged - ledger->completed : 0;
}

struct ledger_verdict ledger_judge(const struct ledger *ledger)
{
    struct ledger_verdict verdict = { .strange = ledger->strange };

    for (uint32_t i = 0; i < ledger->count; i++) {
        if (ledger->jobs[i].acknowledged && ledger->jobs[i].completed == 0)
            verdict.lost++;
        if (ledger->jobs[i].completed > 1)
            verdict.repeated++;
    }
    return verdict;
}
