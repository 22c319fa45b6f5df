#ifndef RPC_METHODS_RUN_PAGES_H
#define RPC_METHODS_RUN_PAGES_H

#include "core/view.h"

/* Walks an organisation's runs, newest first, in bounded memory: a job may
 * carry a megabyte of data, so a thousand of them are never held at once. */
struct run_pages {
    struct store_reader *reader;         /* in */
    struct board *board;                 /* in */
    struct bytes org;                    /* in */
    struct run_filter filter;            /* in: filter.before is where to begin */
    uint32_t max;                        /* in */
    /* in: one run, lent for the call. False: this was the last one wanted. */
    bool (*visit)(struct run_pages *pages, const struct run_info *info);
    run_id next;                         /* out: what follows is older; 0: the end */
    uint32_t count;                      /* out: visited */
};

/* May end before `max` though `next` is not 0, as view_runs(). An organisation
 * that does not exist has no runs. */
MUST_USE enum err run_pages_walk(struct run_pages *pages, struct why *why);

#endif
