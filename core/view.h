#ifndef CORE_VIEW_H
#define CORE_VIEW_H

#include "core/queue.h"
#include "core/schedule.h"

/* Reading what the store holds, on a snapshot: any thread, never in a turn.
 * Everything given lies in `mem`. Another organisation's run does not exist. */

struct view {
    struct store_reader *reader;
    struct board *board;         /* NULL: no estimates */
    struct arena *mem;
};

struct org_view {
    struct bytes id, name;
    int64_t created_at_ms, last_sync_ms;      /* 0: none */
    struct org_limits limits;
    uint64_t active, queued, scheduled, paused, completed, failed, cancelled;
};

/* ERR_NOT_FOUND if nothing was ever queued for it. */
MUST_USE enum err view_org(struct view *view, struct bytes org, struct org_view *out,
                           struct why *why);

/* Organisations in the order of their ids, those behind `after`. */
MUST_USE enum err view_orgs(struct view *view, struct bytes after, uint32_t max,
                            struct org_view **orgs, uint32_t *count, struct why *why);

MUST_USE enum err view_run(struct view *view, struct bytes org, run_id id,
                           struct run_info *info, struct why *why);

/* Adds to a run that an event told of (see watch.h) what it carries only in part
 * or not at all: the specification, and, as of now, what holds it back, the
 * estimates and its schedule's next runs. What was purged meanwhile stays as it
 * is. */
MUST_USE enum err view_complete(struct view *view, struct run_info *info, struct why *why);

/* Which runs a list shows. Zeroes match everything. */
struct run_filter {
    bool live, ended;            /* both false: both */
    const char *shown_as;        /* "paused"; NULL: any */
    struct bytes name;
    enum run_type type;
    int64_t since_ms, until_ms;  /* queued at or after; before */
    run_id before;               /* older than this id: the page token */
};

/* Newest first. `next` is the page token of what follows, 0 at the end. A page
 * may be shorter than max though more follows: a call looks at no more than
 * 10,000 runs. */
MUST_USE enum err view_runs(struct view *view, struct bytes org, const struct run_filter *filter,
                            uint32_t max, struct run_info **runs, uint32_t *count,
                            run_id *next, struct why *why);

struct watermark_change {
    int64_t value_ms, at_ms;
    run_id run;                  /* 0: a person */
};

struct watermark_view {
    struct bytes entity;
    struct watermark_change changes[10];   /* newest first; [0] is in force */
    uint32_t count;
};

struct sync_view {
    struct bytes name;
    bool paused, has_schedule;
    struct schedule_rule schedule;
    int64_t next_runs_ms[5];
    struct watermark_view *watermarks;
    uint32_t watermark_count;
    uint64_t completed, failed, cancelled, skipped;
    uint64_t skipped_by[SKIP_REASON_COUNT];
    int64_t mean_duration_ms, last_completed_at_ms;   /* 0: none */
    run_id live, latest;                              /* 0: none */
};

MUST_USE enum err view_sync(struct view *view, struct bytes org, struct bytes name,
                            struct sync_view *out, struct why *why);
/* By name, those behind `after`. */
MUST_USE enum err view_syncs(struct view *view, struct bytes org, struct bytes after,
                             uint32_t max, struct sync_view **syncs, uint32_t *count,
                             struct why *why);

/* Who did what. */
struct audit_entry {
    uint64_t ticket;             /* unique, in the order of the log */
    int64_t at_ms;
    struct bytes actor, action, org, subject, reason, peer;   /* org empty: the whole server */
};

struct audit_filter {
    int64_t since_ms, until_ms;  /* at or after; before; 0: any */
    uint64_t before;             /* older than this ticket: the page token; 0: the newest */
};

/* Newest first; org empty: of everybody. `next` is the page token of what
 * follows, 0 at the end. A call looks at no more than 10,000 entries. */
MUST_USE enum err view_audit(struct view *view, struct bytes org, const struct audit_filter *filter,
                             uint32_t max, struct audit_entry **entries, uint32_t *count,
                             uint64_t *next, struct why *why);

#endif
