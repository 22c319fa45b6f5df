#ifndef CORE_QUEUE_STATE_H
#define CORE_QUEUE_STATE_H

#include "core/base/heap.h"
#include "core/board.h"
#include "core/store/key.h"
#include "core/queue.h"
#include "core/store/record.h"
#include "core/store/txn.h"
#include "core/watch.h"
#include "core/zones.h"

#include <uthash.h>

/* The inside of the queue, shared by the queue_*.c files and nobody else.
 *
 * The store is the only truth. What stands here is a cache of it (organisations
 * with their counters, the heads of the ready order, leases, the next timer),
 * which queue_load.c builds and rebuilds, and the requests under way.
 * Whatever changes goes through `txn`; nothing is answered, pushed or published
 * before txn_commit() has returned. */

enum {
    LANE_WINDOW = 64,
    PASSED_OVER_MAX = 16,    /* so one lease in 17 goes to a lower class: none starves */
};

/* One ready order: the runs of an organisation and a priority that read the
 * same source and write the same target. `window` caches its first entries;
 * `complete` says that there are no others in the store. No entry of the store
 * that is not in the window lies below (from_head, from_order). */
struct lane_entry {
    bool head;
    uint64_t order;
    run_id run;
};

struct lane {
    struct org *org;
    enum run_priority priority;
    uint32_t hash;                       /* key_lane() of its names; */
    uint32_t number;                     /* in its keys: that, or the next one that was free */
    char *source, *target;
    struct lane_entry window[LANE_WINDOW];
    uint32_t first, count;               /* of a ring */
    bool complete;
    bool from_head;
    uint64_t from_order;
    struct link link;                    /* in the organisation's class */
};

struct org_class {
    struct link lanes;
    struct link turn;                    /* in queue->turns[priority] while it has lanes */
    struct org *org;
    uint32_t credit;                     /* leases left of its turn: deficit round robin */
    uint64_t turn_ended;                 /* as the how manieth of all; 0: it had none yet */
};

struct org {
    char *id, *name;
    struct org_place place;
    uint64_t place_number;               /* the same as one number, to find it by */
    struct org_record record;            /* its name points to `name` */
    struct counters counters;
    struct link dirty_link;              /* counters changed in this turn */
    struct link sweep_link;              /* a purge has left something on the disk, */
    struct swept {                       /* and the sweep goes on behind these; size 0: */
        uint8_t data[25];                /* at the beginning */
        uint8_t size;
    } swept_ended, swept_endings, swept_answers;
    struct endings {                     /* of this turn, in the queue's mem */
        uint64_t ticket;
        struct ending *items;
        uint32_t count, room;
        struct link link;                /* in queue->ended_orgs */
    } endings;
    struct retained {                    /* the oldest ends of a kind */
        struct org *org;
        struct heap_item due;            /* when to look at them; wall clock */
        uint64_t ticket;                 /* of the record that is being worked off, */
        uint32_t next;                   /* from there on */
    } retained[ENDING_KIND_COUNT];
    struct org_class classes[RUN_PRIORITY_COUNT];
    uint32_t lane_count;
    int64_t tokens_milli, tokens_mono_ms;   /* requests it may make at once, and since when */
    uint64_t replacing_turn;             /* in this one a REPLACE could not be finished */
    uint32_t idempotency_period;         /* whose sweep is sure to have its timer; 0: none */
    UT_hash_handle by_id, by_place;
};

/* Bytes of one's own; NULL: none yet. */
struct owned {
    uint8_t *data;
    size_t size;
};

struct lease {
    run_id run;
    struct org *org;
    uint32_t epoch;
    bool acknowledged;
    struct worker *worker;               /* NULL: not connected (any more) */
    uint64_t worker_hash;                /* of its id: who comes back gets its leases back */
    struct link of_worker;               /* in worker->leases, or in queue->orphans */
    int64_t ttl_ms;
    int64_t grace_mono_ms;               /* not renewed beyond this; 0: no such end */
    struct heap_item deadline;           /* monotonic */
    struct heap_item flush;              /* when `reported` is due to be written */
    int64_t flushed_mono_ms;
    struct arena *reported;              /* progress that is not in the store yet */
    struct entity_progress *entities;
    uint32_t entity_count;
    enum directive directive;            /* what its state asks of the worker */
    struct owned record, spec;           /* as stored; spec without its data: not read again at each report */
    UT_hash_handle by_run;
};

/* What happens after the commit, besides the answers. */
enum effect_kind { EFFECT_CHANGED, EFFECT_PUSH, EFFECT_LEASED, EFFECT_UNLEASED, EFFECT_COMPLETED,
                   EFFECT_STARTED };

struct effect {
    enum effect_kind kind;
    struct run_info *info;               /* CHANGED */
    struct worker *worker;               /* PUSH */
    run_id run;
    uint32_t epoch;
    enum directive directive;
    int64_t deadline_mono_ms;            /* LEASED */
    struct bytes org;                    /* COMPLETED, STARTED */
    int64_t worked_ms;
    struct bytes source, target;         /* STARTED */
    int64_t typical_ms;
    struct effect *next;
};

/* A turn that is closed and on its way to the disk. */
struct sealed {
    uint64_t turn;                       /* its number; 0: there is none */
    struct arena *mem;
    struct effect *effects;
    bool changed_unseen;
    struct link answers;
};

struct queue {
    struct queue_deps deps;
    struct queue_options options;
    struct txn *txn;
    struct sealed sealed;
    uint64_t turn, stored_turn;          /* the open one's number; the last one that is durable */
    struct arena *mem;                   /* of the open turn */
    struct zones *zones;
    int64_t now_ms, mono_ms;
    int64_t opened_mono_ms;
    bool draining;
    bool watched, changed_unseen;        /* somebody follows events; some were not put together */
    bool loaded;                         /* the caches agree with the store */
    bool broken;                         /* they cannot until it is opened anew */
    bool failing;                        /* a turn has failed, and nothing was stored since */

    struct meta meta;
    bool meta_dirty;
    uint64_t ticket;                     /* the last one given out, without its slot */

    struct org *orgs_by_id, *orgs_by_place;
    uint32_t org_count;
    struct counters totals;              /* over all organisations */
    struct link dirty_orgs, sweep_orgs, ended_orgs;
    struct heap retention;               /* of the organisations' retained ends */
    struct link purges;                  /* purge_orders */
    unsigned purge_count;                /* of them */
    struct link purge_waits;             /* purge_requests whose order is not in memory just now */
    int64_t audit_due_ms;                /* when the oldest entries should go; INT64_MAX: none */
    uint64_t audit_from;                 /* no entry lies below */

    struct link turns[RUN_PRIORITY_COUNT];   /* org_classes that have ready runs, by turn_ended */
    uint64_t turns_ended;
    uint32_t passed_over[RUN_PRIORITY_COUNT];   /* leases of higher classes while it waited */
    uint64_t leases_given;
    struct lease *leases;
    struct heap deadlines, flushes;

    int64_t slot_due_ms[256];            /* the first timer of each slot; INT64_MAX: none */
    int64_t timer_due_ms;                /* the least of them */

    struct link workers, orphans;
    struct link posted, answers;
    struct link postponed;               /* to the next turn, before what is posted */
    bool unfinished;                     /* the turn was full before its work was done */
    enum err turn_error;                 /* the turn cannot be committed, and why */
    struct why turn_why;
    struct link lease_waits;             /* lease_requests that wait for work */
    struct link control_waits;           /* control_requests that wait for a worker to let go */
    struct link late_answers;            /* controls to be filled when leases were matched */
    struct effect *effects, **effects_end;
};

/* A run with all that a change of it needs. */
struct loaded_run {
    struct org *org;
    run_id id;
    struct run run;
    struct run_spec spec;
    enum run_state stored;               /* as the store has it; RUN_NONE: new */
    bool stored_ready;                   /* it has an entry in the ready order, */
    struct lane_entry stored_entry;      /* this one */
};

/* queue.c */
/* Says that this turn must not be committed. Every error that is not the
 * caller's fault goes through here: what a handler had already written is
 * dropped with the whole turn. */
void queue_fail_turn(struct queue *queue, enum err e, const struct why *why);
void answer(struct queue *queue, struct request *request, enum err e);
void answer_list(struct link *list, enum err e, const char *text);
void queue_handle_posted(struct queue *queue);
/* queue_turn.c */
MUST_USE enum err queue_begin(struct queue *queue, struct why *why);
/* Who waits for a worker to let go is told what is: the control itself is done. */
void answer_stored_controls(struct queue *queue);
/* queue_timer.c */
void queue_fire_timers(struct queue *queue);
/* queue.c */
/* Whether this turn has used so much memory that the rest must wait for the
 * next one, which then comes at once. */
bool queue_turn_is_full(struct queue *queue);
struct effect *effect_add(struct queue *queue, enum effect_kind kind);
uint64_t queue_ticket(struct queue *queue);           /* grows for ever */
run_id queue_new_run_id(struct queue *queue, const struct org *org);
void queue_timer_due(struct queue *queue, const struct timer *timer);

/* queue_load.c */
MUST_USE enum err queue_load(struct queue *queue, struct why *why);
void queue_forget(struct queue *queue);

/* queue_org.c */
/* Gives a NUL-terminated copy, to be freed. */
char *text_copy(struct bytes bytes);
/* 1 to NAME_SIZE_MAX of [A-Za-z0-9._-]. */
bool name_is_valid(struct bytes name);
MUST_USE enum err org_check_id(struct bytes id, struct why *why);
/* ERR_NOT_FOUND if nothing was ever queued for it. */
MUST_USE enum err org_find(struct queue *queue, struct bytes id, struct org **org, struct why *why);
MUST_USE enum err org_find_or_create(struct queue *queue, struct bytes id, struct org **org,
                                     struct why *why);
/* Takes one request, of those that change something, off the organisation's rate;
 * ERR_LIMIT, and when to come back, if it has none left. */
MUST_USE enum err org_admit(struct queue *queue, struct org *org, struct why *why);
struct org *org_at(struct queue *queue, struct org_place place);
struct org *org_add(struct queue *queue, struct bytes id, const struct org_record *record);
void org_free(struct queue *queue, struct org *org);
void org_set_name(struct org *org, struct bytes name);
void org_touch(struct queue *queue, struct org *org);       /* counters will be written */
void org_write_counters(struct queue *queue);
void org_write_record(struct queue *queue, struct org *org);
void org_count(struct queue *queue, struct org *org, enum run_state from, enum run_state to);
struct bytes org_id(const struct org *org);

/* queue_history.c */
/* The run ends in this turn; its record is written afterwards. */
MUST_USE enum err history_add(struct queue *queue, struct loaded_run *loaded,
                              struct sync_record *sync, struct why *why);
/* It is ended no more. */
void history_leave(struct loaded_run *loaded);
/* What has ended in this turn so far goes into the batch. */
void history_write(struct queue *queue, struct org *org);
void history_write_all(struct queue *queue);
void history_drop(struct org *org);                         /* it was purged in the same turn */
/* The run as it ended then. False: it is gone, or lives again. */
MUST_USE enum err history_load(struct queue *queue, struct org *org, run_id id, struct run *run,
                               bool *there, struct why *why);
void history_erase(struct queue *queue, struct org *org, run_id id, const struct run *run);
enum ending_kind ending_kind(enum run_state state);

/* queue_retention.c */
void retention_watch(struct queue *queue, struct org *org);  /* look at its ends at once */
void retention_ended(struct queue *queue, struct org *org, enum ending_kind kind);
void retention_forget(struct queue *queue, struct org *org);
void retention_sweep(struct queue *queue);                  /* a bounded piece of what is too old */
int64_t retention_due_ms(const struct queue *queue);        /* wall clock; INT64_MAX: never */
MUST_USE enum err retention_trim_name(struct queue *queue, struct loaded_run *loaded,
                                      struct sync_record *sync, struct why *why);

/* queue_purge.c */
void swept_note(struct swept *swept, struct bytes key);
void handle_purge(struct queue *queue, struct request *request);
void purge_sweep(struct queue *queue);                      /* a bounded piece of what purges left */
void purge_advance(struct queue *queue);                    /* a bounded piece of filtered ones */
void purge_answer(struct queue *queue, struct link *answers);                     /* the batch is on the disk */
void purge_failed(struct queue *queue);                     /* it is not: who began in it is to be answered */
MUST_USE enum err purge_load(struct queue *queue, struct why *why);
void purge_forget(struct queue *queue);
void purge_give_up(struct queue *queue, const char *text);  /* answers who waits */
bool purge_is_due(const struct queue *queue);
void purge_check(const struct queue *queue, uint32_t stored);

/* queue_check_past.c */
void queue_check_past(struct queue *queue);

/* queue_audit.c */
/* org NULL: the whole server. In the batch of what it tells of. */
void audit_add(struct queue *queue, const struct request *request, const struct org *org,
               const char *action, struct bytes actor, struct bytes subject, struct bytes reason);
MUST_USE enum err audit_check_reason(struct bytes reason, struct why *why);
MUST_USE enum err audit_load(struct queue *queue, struct why *why);
void audit_sweep(struct queue *queue);                      /* a bounded piece of what is too old */

/* queue_run.c */
MUST_USE enum err run_load(struct queue *queue, struct org *org, run_id id,
                           struct loaded_run *loaded, struct why *why);
/* Writes the state where its state belongs, moves the counters, keeps the
 * ready order and the effects in step. */
void run_save(struct queue *queue, struct loaded_run *loaded);
/* False: it was cut, without data and entities, to what the memory holds. */
bool run_fill_info(struct queue *queue, const struct loaded_run *loaded, struct arena *mem,
                   struct run_info *info);
/* What the board knows of it, and its schedule's next runs. */
MUST_USE enum err run_estimate(struct queue *queue, const struct loaded_run *loaded,
                               struct run_info *info, struct why *why);
MUST_USE enum err run_ended(struct queue *queue, struct loaded_run *loaded, struct why *why);
MUST_USE enum err run_put_back(struct queue *queue, struct loaded_run *loaded, struct why *why);
void run_set_action(struct queue *queue, struct run *run, struct bytes actor, struct bytes reason);
int32_t run_percent(const struct entity_progress *entities, uint32_t count);
void run_take_progress(struct loaded_run *loaded, const struct entity_progress *entities,
                       uint32_t count, struct arena *mem);
struct bytes bytes_copy(struct arena *mem, struct bytes bytes);

/* queue_sync.c */
MUST_USE enum err sync_load(struct queue *queue, struct org *org, struct bytes name,
                            struct sync_record *sync, struct why *why);   /* absent: zeroes */
void sync_save(struct queue *queue, struct org *org, struct bytes name,
               const struct sync_record *sync);
bool sync_exists(const struct sync_record *sync);
/* A pause holds back runs and firings: with none left there is no pause, so that
 * what is queued next under the name runs. */
void sync_settle(struct sync_record *sync);
/* The run joins its name's line: at its head, or behind. */
void sync_join(struct queue *queue, struct loaded_run *loaded, struct sync_record *sync);
/* The run leaves the line, wherever it stands; who is next comes to its head. */
MUST_USE enum err sync_leave(struct queue *queue, struct loaded_run *loaded,
                             struct sync_record *sync, struct why *why);
/* The first run behind the head; there must be one. */
MUST_USE enum err sync_load_next(struct queue *queue, const struct loaded_run *head,
                                 struct loaded_run *loaded, struct why *why);
/* Puts the head run into the ready order if nothing holds it back. */
void sync_make_ready(struct queue *queue, struct loaded_run *loaded,
                     const struct sync_record *sync);

/* queue_ready.c */
void ready_insert(struct queue *queue, const struct loaded_run *loaded);
void ready_remove(struct queue *queue, const struct loaded_run *loaded);
/* Whether there is room for one more lane; ERR_LIMIT otherwise. */
MUST_USE enum err ready_has_room(struct queue *queue, const struct org *org,
                                 const struct run_spec *spec, struct why *why);
MUST_USE enum err ready_load(struct queue *queue, struct org *org, struct why *why);
/* The lane whose first run this worker should get next; NULL if there is none. */
struct lane *ready_pick(struct queue *queue, const struct worker *worker, struct lane_entry *entry);
/* What was picked is being leased: whose turn it is next follows from that. */
void ready_served(struct queue *queue, struct org *org, enum run_priority priority);
void ready_free_lanes(struct queue *queue, struct org *org);

/* queue_lease.c */
void lease_take_reported(struct queue *queue, struct lease *lease, struct loaded_run *loaded);
struct lease *lease_find(struct queue *queue, run_id run);
struct lease *lease_add(struct queue *queue, struct org *org, run_id run, const struct run *state);
void lease_remember(struct lease *lease, struct bytes record);
void lease_remember_spec(struct queue *queue, struct lease *lease, const struct run_spec *spec);
void lease_drop(struct queue *queue, struct lease *lease);
void lease_renew(struct queue *queue, struct lease *lease);
void lease_free_all(struct queue *queue);
void lease_adopt_all(struct queue *queue);      /* connected workers get back what they hold */
void worker_gone(struct queue *queue, struct worker *worker);
void lease_set_directive(struct queue *queue, struct lease *lease, enum directive directive);
enum directive directive_of(const struct queue *queue, enum run_state state);
void lease_match(struct queue *queue);          /* gives waiting workers what is ready */
void lease_expire_due(struct queue *queue);
void lease_give_up_waits(struct queue *queue);  /* answers waits whose time is over */
void handle_join(struct queue *queue, struct request *request);
void handle_leave(struct queue *queue, struct request *request);
void handle_lease(struct queue *queue, struct request *request);
void handle_lease_stop(struct queue *queue, struct request *request);

/* queue_report.c */
void handle_acknowledge(struct queue *queue, struct request *request);
void handle_heartbeat(struct queue *queue, struct request *request);
void handle_report(struct queue *queue, struct request *request);
void report_flush_due(struct queue *queue);
/* A failed attempt: another try after a while, or the end. */
MUST_USE enum err report_failed(struct queue *queue, struct loaded_run *loaded,
                                enum failure_class failure, struct bytes message,
                                int64_t retry_after_ms, struct why *why);

/* queue_duplicate.c */
enum duplicate_step { DUPLICATE_ADD, DUPLICATE_TAKE_OVER, DUPLICATE_CLEAR };
struct duplicate_plan {
    enum duplicate_step step;
    struct loaded_run waiting;           /* TAKE_OVER: this one */
    bool frees;                          /* CLEAR: it ends one that counts as queued */
};
/* What the request does; nothing is written. ERR_EXISTS: it is rejected. */
MUST_USE enum err duplicate_decide(struct queue *queue, const struct submit_request *req,
                                   struct org *org, struct duplicate_plan *plan, struct why *why);
/* The waiting run becomes what was asked for. */
MUST_USE enum err duplicate_take_over(struct queue *queue, struct submit_request *req,
                                      struct loaded_run *waiting);
/* Ends what is in line. Not `done`: there is more than this turn may take. */
MUST_USE enum err duplicate_clear(struct queue *queue, const struct submit_request *req,
                                  struct org *org, bool *done, struct why *why);

/* queue_idempotency.c */
/* The answer that the same request was given. ERR_NOT_FOUND: none, or it has no
 * key; ERR_INVALID, ERR_CONFLICT: it must not be accepted. */
MUST_USE enum err idempotency_replay(struct queue *queue, struct submit_request *req);
void idempotency_keep(struct queue *queue, struct org *org, const struct submit_request *req);
MUST_USE enum err idempotency_sweep(struct queue *queue, const struct timer *timer,
                                    struct why *why);

/* queue_submit.c, queue_control.c, queue_schedule.c, queue_watermark.c, queue_org.c */
void handle_submit(struct queue *queue, struct request *request);
void handle_control(struct queue *queue, struct request *request);
void control_fill(struct queue *queue, struct control_request *request);
/* Ends a live run, or tells its worker to. */
MUST_USE enum err control_cancel(struct queue *queue, struct loaded_run *loaded, struct why *why);
void control_released(struct queue *queue);     /* answers those whose worker has let go */
void handle_put_org(struct queue *queue, struct request *request);
void handle_delete_schedule(struct queue *queue, struct request *request);
void handle_reset_watermark(struct queue *queue, struct request *request);

MUST_USE enum err schedule_set(struct queue *queue, struct loaded_run *loaded,
                               struct sync_record *sync, struct why *why);
MUST_USE enum err schedule_fire(struct queue *queue, const struct timer *timer, struct why *why);
MUST_USE enum err schedule_load(struct queue *queue, struct org *org, struct bytes name,
                                struct schedule_record *schedule, struct why *why);
/* The firing that waits was ended by itself: the schedule goes on with the next. */
MUST_USE enum err schedule_pending_gone(struct queue *queue, const struct loaded_run *loaded,
                                        struct why *why);
/* A firing that was paused before its time waits for it again. */
MUST_USE enum err schedule_resumed(struct queue *queue, struct loaded_run *loaded,
                                   struct why *why);
MUST_USE enum err backoff_over(struct queue *queue, const struct timer *timer, struct why *why);

/* Ends the firing that waits and forgets the schedule. None is fine. */
MUST_USE enum err schedule_remove(struct queue *queue, struct org *org, struct bytes name,
                                  struct bytes actor, struct bytes reason, struct why *why);
void backoff_set_timer(struct queue *queue, const struct loaded_run *loaded);

/* What a first lease fixes: effective type, generation, window. */
MUST_USE enum err watermark_open_window(struct queue *queue, struct loaded_run *loaded,
                                        struct why *why);
/* A completed run moves its watermarks. */
MUST_USE enum err watermark_advance(struct queue *queue, const struct loaded_run *loaded,
                                    struct why *why);

#endif
