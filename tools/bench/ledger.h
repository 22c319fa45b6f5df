#ifndef TOOLS_BENCH_LEDGER_H
#define TOOLS_BENCH_LEDGER_H

#include "tools/bench/histogram.h"

#include <stdbool.h>
#include <stddef.h>

/* What was asked for, what was acknowledged, what was completed: the proof that
 * each acknowledged job was completed exactly once. A job is known by the
 * number in its payload. One thread. */

struct ledger {
    struct ledger_job *jobs;
    uint32_t count, room;
    uint64_t acknowledged, refused, completed, redelivered, strange;
    struct histogram queue_us, cycle_us;
};

struct ledger_verdict {
    uint64_t lost;          /* acknowledged and never completed */
    uint64_t repeated;      /* completed more than once */
    uint64_t strange;       /* assigned though nobody had asked for it */
};

void ledger_free(struct ledger *ledger);

/* Opens an account: the job's number. Out of memory ends the program. */
uint32_t ledger_ask(struct ledger *ledger, int64_t now_us);
void ledger_acknowledge(struct ledger *ledger, uint32_t job, int64_t now_us);
/* The server did not take a job that was asked for. */
void ledger_refuse(struct ledger *ledger);
/* False if no such job was ever asked for. */
bool ledger_assign(struct ledger *ledger, uint64_t job);
/* The server has confirmed the completion. */
void ledger_complete(struct ledger *ledger, uint32_t job, int64_t now_us);

/* Acknowledged and not yet completed. */
uint64_t ledger_open(const struct ledger *ledger);
struct ledger_verdict ledger_judge(const struct ledger *ledger);

#endif
