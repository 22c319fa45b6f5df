#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include "core/board.h"
#include "core/queue.h"
#include "core/view.h"
#include "core/watch.h"
#include "tests/sim/faulty_store.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_store.h"

/* A long random life of one queue, decided by one number.
 *
 * sim_world.c   the machine: clock, disk, queue; turns, crashes, faults
 * sim_client.c  clients: random requests, several to a turn
 * sim_worker.c  workers: leases, heartbeats, reports
 * sim_model.c   what is believed of jobs and names; takes in a turn's answers
 * sim_answers.c what clients were told, request by request, and the rules
 * sim_reports.c the same for workers
 * sim_duplicate.c  the same for second requests of a name, and repeated ones
 * sim_lease.c   the same for leases: who holds what until when
 * sim_turn.c    whose turn it is to be handed out
 * sim_kept.c    how long ended jobs are kept
 * sim_wait.c    why a job waits, and what is said of when it will begin and end
 * sim_survey.c  looks at all that lists show, and compares
 *
 * The model knows only what clients were told: answers, and what the lists
 * show. It never looks into the queue. */

enum {
    ORGS = 3,
    WORKERS = 4,
    JOBS_MAX = 4096,
    LINES_MAX = 1024,
    MARKS_MAX = 8,
    CHECKPOINTS_MAX = 8,
    NAME_TEXT_SIZE = 24,
    CALLERS = 2, /* who have idempotency keys */
    KEYS = 4,    /* of each */
};

/* What clients believe of a lease. */
struct held {
    bool held, acknowledged, pausing, cancelling;
    int worker;                  /* -1: whoever it was, nobody was told */
    int64_t ttl_ms, deadline_ms; /* monotonic */
    int64_t grace_ms;            /* not renewed beyond; 0: no such end */
    bool push_is_due;            /* its worker must have been told in this turn, */
    enum directive pushed;       /* and this is what it was told last */
};

struct line;

/* What clients believe of a run. */
struct job {
    run_id id;
    struct line *line;
    enum run_priority priority;
    const char *source, *target;
    bool retry_on_fail;
    uint32_t retries_max;
    uint64_t order;       /* of acceptance; 0: waits for its time */
    enum run_state ended; /* RUN_NONE: it lives */
    bool may_have_ended;  /* its lease expired: perhaps for the last time */
    bool purged;
    int64_t ended_at_ms;   /* wall clock; 0: nobody was told */
    unsigned done_as;      /* the how manieth of its line that was completed or cancelled */
    bool may_be_gone;      /* it was kept as long as was promised */
    bool to_be_purged; /* a purge with a filter, in this turn, has asked for it */
    bool paused, revived;
    bool goes_first; /* it was resumed or released */
    bool queued;     /* for sure, if its line lets it */
    uint32_t epoch, generation, failures;
    int32_t progress;
    struct held lease;
    char checkpoints[CHECKPOINTS_MAX][16]; /* the one it goes on from is one of them */
    unsigned checkpoint_count;
    int64_t nominal_ms;
    bool fired;
    bool seen;              /* by this survey, which showed */
    enum run_state shown;   /* this, */
    enum wait_reason wait;  /* and that it waits for this */
    enum run_state watched; /* as watchers were told last; NONE: nothing since they listed */
};

struct mark {
    char entity[16];
    int64_t value_ms;
};

/* What clients believe of a name. */
struct line {
    int org;
    char name[NAME_TEXT_SIZE];
    bool exists, paused;
    bool scheduled_ever; /* so there may be runs nobody was told of */
    bool cancels_other;  /* so a run may be cancelled by the clock */
    bool mark_was_reset;
    bool pause_may_be_over; /* cancelled by name: the list will tell */
    run_id schedule;        /* the run that set it last, */
    uint32_t runs_max;      /* and how often it may fire; 0: no end */
    struct mark marks[MARKS_MAX];
    unsigned mark_count;
    unsigned done_count; /* runs that were completed or cancelled */
};

/* What clients believe of an idempotency key. */
struct kept {
    bool exists;
    bool unsure; /* whether it is in force, and what for */
    uint8_t digest;
    run_id id;
    bool duplicate;
    enum run_state state;
    int64_t queued_at_ms, at_ms;
};

struct org_belief {
    bool exists, was_purged; /* since the last survey */
    uint32_t max_active;
    uint64_t max_queued;
    uint32_t weight_most; /* that it ever had */
    uint64_t completed, failed, cancelled; /* lifetime, as last shown; completed: as told */
    int64_t last_sync_ms;                  /* when that was the last time; 0: never */
};

/* Of an organisation in a class, since the queue's memory began. */
struct org_turns {
    uint64_t last;            /* the how manieth lease of all; 0: none */
    unsigned passed_by[ORGS]; /* since then, leases that others got while it waited */
};

/* Of a class: leases of higher ones since its last. */
struct passed_over {
    unsigned at_most, at_least;
};

enum op_state { OP_POSTED, OP_ACCEPTED, OP_ANSWERED };

/* A request under way. */
struct op {
    struct link link; /* in sim->ops or ops_behind, in the order of posting */
    union {
        struct request base;
        struct submit_request submit;
        struct control_request control;
        struct purge_request purge;
        struct put_org_request put_org;
        struct delete_schedule_request delete_schedule;
        struct reset_watermark_request reset_watermark;
        struct worker_request worker;
        struct lease_request lease;
        struct lease_stop_request lease_stop;
        struct heartbeat_request heartbeat;
        struct report_request report;
        struct service_info_request service_info;
        struct drain_request drain;
    } u;
    struct sim *sim;
    struct arena *mem;
    enum op_state state;
    enum err result;
    uint64_t answered_as; /* the how manieth answer of all */
    int64_t posted_mono_ms, handled_mono_ms; /* the latter: 0 until it was accepted */
    bool must_be_invalid, stopped;
    bool spent;      /* its answer was taken in; kept for its LEASE_STOP */
    int org, worker; /* index; -1: none */
    char name[NAME_TEXT_SIZE], text[NAME_TEXT_SIZE], org_id[NAME_TEXT_SIZE];
    int key, caller; /* of an idempotency key, from 1; 0: none */
    char key_text[16];
    struct lease_name leases[8];
    struct entity_progress entities[3];
};

struct sim_worker {
    struct worker worker;
    struct sim *sim;
    char id[16];
    bool busy;   /* its JOIN or LEAVE is under way */
    bool joined; /* may lease: JOIN was posted, LEAVE was not */
    bool in;     /* JOIN was answered, LEAVE was not */
    int64_t remembered_until_ms; /* monotonic: if it leases call by call */
};

struct sim {
    /* How it began. */
    uint64_t seed, steps;
    bool trace, on_rocksdb;
    /* The machine. */
    uint64_t step;
    struct random_seeded dice, queue_dice;
    struct random_seeded moods; /* of what was added later: does not change older lives */
    struct fake_clock clock;
    struct fake_store fake;
    struct faulty_store store;
    char directory[64]; /* of RocksDB */
    struct board *board;
    struct watch_hub *hub;
    struct watch *watches[ORGS];
    struct queue_options options;
    struct queue *queue;
    bool draining;
    int64_t greatest_now_ms;                /* that any turn has seen */
    int64_t next_due_ms;                    /* as the last turn said */
    bool clock_went_back;
    int64_t turned_at_ms;                   /* its time of day; 0: it did not work */
    struct sim_worker workers[WORKERS + 1]; /* the last one can do everything */
    struct link ops;
    struct link ops_behind; /* of the turn that is computed before this one is stored */
    bool posts_behind;
    uint64_t answers;
    bool closing, posting;
    /* The model. */
    struct org_belief orgs[ORGS];
    struct kept kept[ORGS][CALLERS][KEYS];
    struct line lines[LINES_MAX];
    unsigned line_count;
    struct job jobs[JOBS_MAX];
    unsigned job_count;
    struct passed_over passed_over[RUN_PRIORITY_COUNT];
    struct org_turns turns[RUN_PRIORITY_COUNT][ORGS];
    uint64_t leases; /* that were handed out */
    unsigned habits; /* a bit for each thing that clients of this life don't do */
    bool floods;     /* clients queue many at a time */
    bool weighs;     /* organisations have weights */
    bool overlaps;   /* a turn is computed while the one before is being stored */
    run_id newest;
    struct arena *mem; /* of a survey */
};

extern const char *const sim_orgs[ORGS];

/* queue_sim.c */
void require(const struct sim *sim, bool holds, const char *rule);
void trace(const struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline uint64_t pick(struct sim *sim, uint64_t below)
{
    return random_below(&sim->dice.base, below);
}
static inline uint64_t mood(struct sim *sim, uint64_t below)
{
    return random_below(&sim->moods.base, below);
}
static inline bool chance(struct sim *sim, unsigned percent)
{
    return pick(sim, 100) < percent;
}

/* sim_world.c */
void world_open(struct sim *sim);
void world_close(struct sim *sim);
void world_turn(struct sim *sim);        /* and what follows from its answers */
void world_two_turns(struct sim *sim);   /* the second is computed on top of the first */
void world_crash(struct sim *sim);       /* drops the memory; may reboot the machine */
void world_shake(struct sim *sim);       /* clock, faults, crashes */
struct view world_look(struct sim *sim); /* opens a snapshot */
void world_look_away(struct view *view);

/* sim_watch.c */
void watch_begin(struct sim *sim);
void watch_end(struct sim *sim);
void watch_events(struct sim *sim); /* takes in what watchers were told */
void watch_lists(struct sim *sim);  /* they list: events may have been missed */

/* sim_client.c */
struct op *op_new(struct sim *sim, enum queue_verb verb);
void op_post(struct op *op);
struct op *op_posted_last(struct sim *sim);
void op_free(struct op *op);
void client_acts(struct sim *sim); /* posts something */
struct job *some_job(struct sim *sim);
void client_controls(struct sim *sim, enum control_verb verb, const struct line *line, run_id id);
void client_deletes_schedule(struct sim *sim, const struct line *line);
void client_limits(struct sim *sim, int org, const struct org_limits *limits);

/* sim_worker.c */
void worker_comes_or_goes(struct sim *sim);
void worker_leases(struct sim *sim);
void worker_stops_waiting(struct sim *sim);
void worker_beats(struct sim *sim);
void worker_reports(struct sim *sim);
void client_joins(struct sim *sim, int worker);
void client_leases(struct sim *sim, int worker, uint32_t jobs_max);
void client_completes(struct sim *sim, const struct job *job);

/* sim_model.c */
void model_turn_worked(struct sim *sim); /* takes in what this turn answered */
void model_turn_failed(struct sim *sim); /* and this one, which did nothing */
struct job *model_find(struct sim *sim, run_id id);
struct line *model_line(struct sim *sim, int org, const char *name); /* NULL: too many */
/* A run that was first heard of now. */
struct job *model_meet(struct sim *sim, const struct run_info *info);
/* It may have ended with the time: what the list shows decides. */
void model_look_after(struct sim *sim, struct job *job);
void model_end(struct sim *sim, struct job *job, enum run_state state);
void model_set_checkpoint(struct job *job, struct bytes checkpoint);
bool view_job(struct view *view, const struct job *job, struct run_info *info);

void model_specify(struct job *job, const struct run_spec *spec);
void model_cancel(struct sim *sim, struct job *job);
bool model_lives(const struct job *job); /* as far as clients can know */
/* Firings come with the time: which of the line's there were, is there to see. */
void model_learn_firings(struct sim *sim, const struct line *line);
void model_end_waiting_for_time(struct sim *sim, const struct line *line);
/* Of the texts that jobs are queued with: lasts for ever. */
const char *model_text(struct bytes text);

/* sim_duplicate.c */
void client_says_more(struct sim *sim, struct op *op); /* of a SUBMIT */
/* Whether the answer is that there is no new job. */
bool duplicate_settles(struct sim *sim, const struct op *op);
void duplicate_accepted(struct sim *sim, const struct op *op); /* before its job is met */
void duplicate_keep(struct sim *sim, const struct op *op);
void duplicate_uncertain(struct sim *sim, const struct op *op);
void duplicate_time_passes(struct sim *sim);

/* sim_answers.c */
void answer_to_submit(struct sim *sim, struct op *op);
void answer_to_control(struct sim *sim, struct op *op);
void answer_to_late_control(struct sim *sim, const struct op *op); /* it had waited */
void answer_to_purge(struct sim *sim, const struct op *op);
void answer_to_filtered_purge(struct sim *sim, const struct op *op);
bool purge_has_filter(const struct purge_request *req);
void answer_to_schedule_deletion(struct sim *sim, const struct op *op);
void answer_to_put_org(struct sim *sim, const struct op *op);

/* sim_reports.c */
void answer_to_beats(struct sim *sim, const struct op *op);
void answer_to_report(struct sim *sim, const struct op *op);
void answer_to_service_info(struct sim *sim, const struct op *op);

/* sim_lease.c */
void lease_fresh_terms(struct sim *sim); /* the queue has rebuilt its memory */
void lease_time_passes(struct sim *sim); /* what has expired by now */
void lease_renewed(struct sim *sim, struct job *job);
void lease_directed(struct sim *sim, struct job *job);     /* pausing or cancelling changed */
void lease_taken(struct sim *sim, struct op *op);          /* a LEASE was answered */
void lease_waits_on(struct sim *sim, const struct op *op); /* and this one was not */
bool lease_is_held(const struct sim *sim, const struct lease_name *name);
enum directive lease_directive(const struct sim *sim, const struct job *job);
void lease_pushed(struct worker *worker, run_id run, uint32_t epoch, enum directive directive);

/* sim_turn.c */
void turn_taken(struct sim *sim, const struct job *job, int worker); /* it is being leased */
void turn_forgotten(struct sim *sim); /* the queue has rebuilt its memory */
bool turn_worker_can(const struct sim *sim, int worker, const struct job *job);
/* Nothing that clients know of holds it back, and nothing else can. */
bool turn_is_ready(const struct sim *sim, const struct job *job);

/* sim_kept.c */
void kept_choose(struct sim *sim);            /* of the options */
void kept_ended(struct sim *sim, struct job *job);
void kept_time_passes(struct sim *sim);
void kept_shown(struct sim *sim, struct job *job, const struct run *run);
void kept_compare(const struct sim *sim);     /* when all that is listed was noted */
/* Whether a job that nobody purged may be missing. */
bool kept_no_longer(const struct sim *sim, const struct job *job);

/* sim_wait.c */
void wait_note(const struct sim *sim, struct job *job, const struct run_info *info);
void wait_compare(const struct sim *sim); /* when all that is listed was noted */

/* sim_survey.c */
void survey(struct sim *sim);       /* compares */
void survey_adopt(struct sim *sim); /* believes what is shown */

#endif
