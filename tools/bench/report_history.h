#ifndef TOOLS_BENCH_REPORT_HISTORY_H
#define TOOLS_BENCH_REPORT_HISTORY_H

#include "tools/bench/history.h"

/* A line for each part as it is done, then what became of the whole. */

struct history_summary {
    struct history_part first, last;
    uint64_t passed;
    bool sound;                         /* every part was, so far */
};

/* Takes the part in. */
void history_summary_add(struct history_summary *summary, const struct history_part *part,
                         unsigned number);

void report_history_part(const struct history_part *part, unsigned number);
void report_history_part_json(const struct history_part *part, unsigned number);
void report_history(const struct history_summary *summary, const struct restart *restart);
void report_history_json(const struct history_summary *summary, const struct restart *restart);

#endif
