#ifndef TESTS_SUPPORT_QUEUE_FIXTURE_H
#define TESTS_SUPPORT_QUEUE_FIXTURE_H

#include "core/board.h"
#include "core/queue.h"
#include "core/view.h"
#include "core/watch.h"
#include "tests/support/fake_clock.h"
#include "tests/support/fake_random.h"
#include "tests/support/fake_store.h"

/* A queue with a clock, a disk and dice that the test controls. Each call posts
 * one request, takes a turn, and returns what the client would have seen.
 * Answers' text lies in `mem` until the fixture goes.
 *
 * The clock starts on 2026-01-01T00:00:00Z (a Thursday). */
struct queue_fixture {
    struct fake_clock clock;
    struct fake_store store;
    struct fake_random random;
    struct board *board;
    struct watch_hub *watch;
    struct queue_options options;
    struct queue *queue;
    struct arena *mem;
    struct worker worker;            /* joined; can do everything */
    struct bytes any;
    struct why why;                  /* of the last answer */
    unsigned pushes;
    run_id pushed_run;
    enum directive pushed;
};

#define FIXTURE_START_MS INT64_C(1767225600000)
#define ORG bytes_of_text("org123")

/* Any request: posted, a turn taken, answered. */
enum err ask(struct queue_fixture *f, struct request *request, enum queue_verb verb);
/* One that may have to wait. When is_answered() says so, its `result` is what
 * done() was told. ask_later() posts it and takes a turn. */
void post(struct queue_fixture *f, struct request *request, enum queue_verb verb);
void ask_later(struct queue_fixture *f, struct request *request, enum queue_verb verb);
bool is_answered(const struct request *request);

int queue_fixture_setup(void **state);
int queue_fixture_teardown(void **state);
void queue_fixture_init(struct queue_fixture *f);
void queue_fixture_free(struct queue_fixture *f);

/* Drops the memory, keeps the disk, opens again. The worker joins again. */
void crash(struct queue_fixture *f);
/* The same; what became of a commit that was not acknowledged is what
 * store.keep_uncertain says. */
void reopen(struct queue_fixture *f);
/* queue_check(), no fault in its way. pass(), crash() and the end of a test do it. */
void check(struct queue_fixture *f);
/* Time passes, and the queue takes a turn. */
void pass(struct queue_fixture *f, int64_t ms);

/* A full job from demo to local, priority normal. Change what you like. */
struct run_spec a_spec(const char *name);

enum err submit(struct queue_fixture *f, const struct run_spec *spec, struct run_info *info);
enum err submit_to(struct queue_fixture *f, const char *org, const struct run_spec *spec,
                   struct run_info *info);
/* Submits a_spec(name), which must succeed. */
run_id submitted(struct queue_fixture *f, const char *name);

/* The next job for the fixture's worker, without waiting. ERR_NOT_FOUND: none. */
enum err lease(struct queue_fixture *f, struct assignment *job);
/* The same for another worker that has joined, pushed (to be acknowledged) or not. */
enum err lease_for(struct queue_fixture *f, struct worker *worker, bool acknowledge,
                   struct assignment *job);
/* Leases a job, which there must be. */
struct lease_name leased(struct queue_fixture *f);

enum err join(struct queue_fixture *f, struct worker *worker);
enum err leave(struct queue_fixture *f, struct worker *worker);

/* DIRECTIVE_NONE: the lease is lost. */
enum directive heartbeat(struct queue_fixture *f, struct lease_name name);
enum err progress(struct queue_fixture *f, struct lease_name name, uint64_t done, uint64_t total);
enum err checkpoint(struct queue_fixture *f, struct lease_name name, const char *text);
enum err complete(struct queue_fixture *f, struct lease_name name);
/* The entity was covered wholly. */
enum err complete_entity(struct queue_fixture *f, struct lease_name name, const char *entity);
enum err fail_with(struct queue_fixture *f, struct lease_name name, enum failure_class failure,
                   bool *will_retry);
enum err release(struct queue_fixture *f, struct lease_name name);

enum err control(struct queue_fixture *f, enum control_verb verb, const char *name,
                 struct run_info *info);
enum err control_run(struct queue_fixture *f, enum control_verb verb, run_id id,
                     struct run_info *info);
enum err resume_from_nothing(struct queue_fixture *f, const char *name, struct run_info *info);
enum err purge(struct queue_fixture *f, uint64_t *completed, uint64_t *failed, uint64_t *cancelled);

enum err get_run(struct queue_fixture *f, run_id id, struct run_info *info);
/* The state as clients see it: "queued"; "gone" if there is no such run. */
const char *shown(struct queue_fixture *f, run_id id);
struct org_view org_of(struct queue_fixture *f);

#endif
