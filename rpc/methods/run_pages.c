#include "rpc/methods/run_pages.h"

/* view_runs() in small steps, each in the same scratch memory. Where a step
 * does not fit, it is tried again with fewer runs. */

enum { SCRATCH_BYTES_MAX = 16 << 20, STEP_RUNS = 64, STEP_SHRINK = 8 };

/* The runs of one step. False: stop. */
static bool visit_all(struct run_pages *pages, const struct run_info *runs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        pages->count++;
        if (!pages->visit(pages, &runs[i])) {
            pages->next = runs[i].id;
            return false;
        }
    }
    return true;
}

/* *more: the next step may find further runs. */
static enum err step(struct run_pages *pages, struct arena *scratch, uint32_t *step_max, bool *more,
                     struct why *why)
{
    struct view view = { .reader = pages->reader, .board = pages->board, .mem = scratch };
    uint32_t left = pages->max - pages->count, max = left < *step_max ? left : *step_max;
    uint32_t count = 0;
    struct run_info *runs = NULL;
    enum err e;

    arena_reset(scratch);
    e = view_runs(&view, pages->org, &pages->filter, max, &runs, &count, &pages->next, why);
    if (e == ERR_LIMIT && *step_max > 1) {
        *step_max /= STEP_SHRINK;
        return OK;
    }
    if (e != OK)
        return e;
    *more = visit_all(pages, runs, count) && count == max && pages->next != 0;
    pages->filter.before = pages->next;
    return OK;
}

enum err run_pages_walk(struct run_pages *pages, struct why *why)
{
    struct arena *scratch = arena_new(SCRATCH_BYTES_MAX);
    uint32_t step_max = STEP_RUNS;
    bool more = true;
    enum err e = OK;

    if (scratch == NULL)
        return err_because(why, ERR_LIMIT, "out of memory");
    pages->next = pages->filter.before;
    while (e == OK && more && pages->count < pages->max)
        e = step(pages, scratch, &step_max, &more, why);
    arena_free(scratch);
    if (e != ERR_NOT_FOUND)
        return e;
    pages->next = 0;
    return OK;
}
