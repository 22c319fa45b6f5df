#include "tests/unit/worker/folder.h"
#include "tools/worker/attempt.h"

#include "core/base/clock.h"
#include "core/base/list.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <sqlite3.h>

/* Whole attempts from the demo shop to a database, with a server that is a few
 * lines of this file. */

struct fixture {
    char dir[FOLDER_PATH_SIZE];
    struct report_port port;
    struct attempt_settings settings;
    const char *data;
    const char *entity;
    unsigned epoch, concurrency;
    int64_t low_s;

    /* what the server answers */
    Sync__V1__Directive directive;
    unsigned after; /* so many reports */
    enum rpc_code code;

    /* what it was told */
    unsigned reports, completes, fails, releases;
    Sync__V1__FailureClass failure_class;
    char message[512];
    char checkpoint[4096];
    uint64_t done, total, deleted;
    bool all_complete;
};

static void see_entities(struct fixture *f, Sync__V1__EntityProgress **entities, size_t count)
{
    f->done = f->total = f->deleted = 0;
    f->all_complete = true;
    for (size_t i = 0; i < count; i++) {
        f->done += entities[i]->done;
        f->total += entities[i]->total;
        f->deleted += entities[i]->deleted;
        f->all_complete = f->all_complete && entities[i]->complete;
        assert_true(entities[i]->total_set_case == 0 || entities[i]->done <= entities[i]->total);
    }
}

static void see_checkpoint(struct fixture *f, ProtobufCBinaryData checkpoint)
{
    assert_true(checkpoint.len < sizeof f->checkpoint);
    memcpy(f->checkpoint, checkpoint.data, checkpoint.len);
    f->checkpoint[checkpoint.len] = '\0';
}

static void on_report(struct report_port *port, struct attempt *attempt,
                      Sync__V1__WorkRequest *request, struct report_result *result)
{
    struct fixture *f = container_of(port, struct fixture, port);

    (void)attempt;
    f->reports++;
    *result = (struct report_result){ .code = f->code, .directive = f->directive };
    switch ((int)request->message_case) {
    case SYNC__V1__WORK_REQUEST__MESSAGE_CHECKPOINT:
        see_entities(f, request->checkpoint->entities, request->checkpoint->n_entities);
        see_checkpoint(f, request->checkpoint->checkpoint);
        break;
    case SYNC__V1__WORK_REQUEST__MESSAGE_PROGRESS:
        see_entities(f, request->progress->entities, request->progress->n_entities);
        break;
    case SYNC__V1__WORK_REQUEST__MESSAGE_COMPLETE:
        f->completes++;
        see_entities(f, request->complete->entities, request->complete->n_entities);
        break;
    case SYNC__V1__WORK_REQUEST__MESSAGE_FAIL:
        f->fails++;
        f->failure_class = request->fail->failure_class;
        snprintf(f->message, sizeof f->message, "%s", request->fail->message);
        break;
    case SYNC__V1__WORK_REQUEST__MESSAGE_RELEASE:
        f->releases++;
        see_entities(f, request->release->entities, request->release->n_entities);
        see_checkpoint(f, request->release->checkpoint);
        break;
    default:
        fail_msg("an attempt makes no report of kind %d", (int)request->message_case);
    }
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    *f = (struct fixture){ .data = "{\"demo\":{\"size\":3000,\"now\":\"2025-03-01T10:00:00Z\"}}",
                           .entity = "",
                           .concurrency = 2,
                           .directive = SYNC__V1__DIRECTIVE__DIRECTIVE_CONTINUE,
                           .port.report = on_report };
    folder_make(f->dir);
    f->settings = (struct attempt_settings){ .data_dir = f->dir, .port = &f->port };
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    folder_remove(f->dir);
    free(f);
    return 0;
}

/* Through the wire's form, so that all of it is allocated as an assignment is. */
static Sync__V1__JobAssignment *make_assignment(struct fixture *f, const char *source)
{
    Sync__V1__JobAssignment message = SYNC__V1__JOB_ASSIGNMENT__INIT, *copy;
    Sync__V1__Lease lease = SYNC__V1__LEASE__INIT;
    Sync__V1__JobData data = SYNC__V1__JOB_DATA__INIT;
    Sync__V1__JobOptions options = SYNC__V1__JOB_OPTIONS__INIT;
    Sync__V1__EntityWindow window = SYNC__V1__ENTITY_WINDOW__INIT, *windows = &window;
    Google__Protobuf__Timestamp low = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    uint8_t *packed;
    size_t size;

    lease.job_id = (char *)(uintptr_t) "job_1";
    lease.epoch = ++f->epoch;
    data.source = (char *)(uintptr_t)source;
    data.target = (char *)(uintptr_t) "local";
    data.entity = (char *)(uintptr_t)f->entity;
    data.json = (char *)(uintptr_t)f->data;
    options.concurrency_set_case = SYNC__V1__JOB_OPTIONS__CONCURRENCY_SET_CONCURRENCY;
    options.concurrency = f->concurrency;
    message.lease = &lease;
    message.org_id = (char *)(uintptr_t) "acme";
    message.name = (char *)(uintptr_t) "nightly";
    message.data = &data;
    message.options = &options;
    message.generation = 1;
    message.checkpoint = (ProtobufCBinaryData){ strlen(f->checkpoint), (uint8_t *)f->checkpoint };
    if (f->low_s > 0) {
        low.seconds = f->low_s;
        window.low = &low;
        message.windows = &windows;
        message.n_windows = 1;
    }
    size = sync__v1__job_assignment__get_packed_size(&message);
    packed = malloc(size);
    sync__v1__job_assignment__pack(&message, packed);
    copy = sync__v1__job_assignment__unpack(NULL, size, packed);
    free(packed);
    return copy;
}

static int64_t mono_ms(void)
{
    return clock_mono_ms(clock_real());
}

static struct attempt *make_attempt(struct fixture *f, const char *source)
{
    return attempt_new(&f->settings, make_assignment(f, source), mono_ms() + 60 * 1000);
}

static void run(struct fixture *f, const char *source)
{
    struct attempt *attempt = make_attempt(f, source);

    attempt_run(attempt);
    attempt_free(attempt);
}

static int64_t count(struct fixture *f, const char *sql)
{
    char path[2 * FOLDER_PATH_SIZE];
    sqlite3_stmt *statement;
    sqlite3 *sqlite;
    int64_t number = -1;

    snprintf(path, sizeof path, "%s/acme.db", f->dir);
    assert_int_equal(sqlite3_open_v2(path, &sqlite, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    if (sqlite3_prepare_v2(sqlite, sql, -1, &statement, NULL) != SQLITE_OK)
        fail_msg("%s", sqlite3_errmsg(sqlite));
    if (sqlite3_step(statement) == SQLITE_ROW)
        number = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(sqlite);
    return number;
}

static const char all_rows[] =
    "SELECT (SELECT count(*) FROM products) + (SELECT count(*) FROM collections)"
    " + (SELECT count(*) FROM customers) + (SELECT count(*) FROM orders)";

static void a_full_read_stores_everything_and_completes(void **state)
{
    struct fixture *f = *state;

    run(f, "demo");
    assert_int_equal(f->completes, 1);
    assert_int_equal(f->fails + f->releases, 0);
    assert_int_equal(f->done, 3000);
    assert_int_equal(f->total, 3000);
    assert_true(f->all_complete);
    assert_int_equal(count(f, all_rows), 3000);
    assert_int_equal(count(f, "SELECT count(*) FROM sync_state WHERE phase = 'swept'"), 4);
}

static void one_entity_alone_is_read_if_the_job_says_so(void **state)
{
    struct fixture *f = *state;

    f->entity = "customers";
    run(f, "demo");
    assert_int_equal(f->completes, 1);
    assert_int_equal(f->done, count(f, "SELECT count(*) FROM customers"));
    assert_int_equal(count(f, "SELECT count(*) FROM sqlite_master WHERE name = 'orders'"), 0);
}

static void what_a_person_must_change_is_said(void **state)
{
    struct fixture *f = *state;

    run(f, "shopify");
    assert_int_equal(f->fails, 1);
    assert_int_equal(f->failure_class, SYNC__V1__FAILURE_CLASS__FAILURE_CLASS_CONFIG);
    assert_non_null(strstr(f->message, "shopify"));

    f->entity = "invoices";
    run(f, "demo");
    assert_int_equal(f->fails, 2);
    assert_non_null(strstr(f->message, "invoices"));

    f->entity = "";
    f->data = "{\"demo\":{\"sise\":1}}";
    run(f, "demo");
    assert_int_equal(f->fails, 3);
    assert_non_null(strstr(f->message, "sise"));
    assert_int_equal(f->completes + f->releases, 0);
}

/* Reads slowly, so that there is a middle. */
static const char slow[] = "{\"demo\":{\"size\":3000,\"now\":\"2025-03-01T10:00:00Z\","
                           "\"pace\":150}}";

static void a_pause_keeps_what_was_read_and_goes_on_there(void **state)
{
    struct fixture *f = *state;
    uint64_t kept;

    f->data = slow;
    f->directive = SYNC__V1__DIRECTIVE__DIRECTIVE_PAUSE;
    run(f, "demo");
    assert_int_equal(f->releases, 1);
    assert_int_equal(f->completes + f->fails, 0);
    kept = f->done;
    assert_in_range(kept, 1, 2999); /* on a busy machine the first batch comes late */
    assert_int_equal(count(f, "SELECT sum(done) FROM sync_state"), kept);
    assert_non_null(strstr(f->checkpoint, "\"products\""));

    f->data = "{\"demo\":{\"size\":3000,\"now\":\"2025-03-01T10:00:00Z\"}}";
    f->directive = SYNC__V1__DIRECTIVE__DIRECTIVE_CONTINUE;
    run(f, "demo");
    assert_int_equal(f->completes, 1);
    assert_int_equal(f->done, 3000);
    assert_int_equal(count(f, all_rows), 3000);
}

static void a_cancelled_attempt_lets_go(void **state)
{
    struct fixture *f = *state;

    f->data = slow;
    f->directive = SYNC__V1__DIRECTIVE__DIRECTIVE_CANCEL;
    run(f, "demo");
    assert_int_equal(f->releases, 1);
    assert_int_equal(f->completes + f->fails, 0);
}

static void a_lost_lease_stops_without_another_word(void **state)
{
    struct fixture *f = *state;

    f->data = slow;
    f->code = RPC_ABORTED;
    run(f, "demo");
    assert_int_equal(f->reports, 1);
    assert_int_equal(f->completes + f->fails + f->releases, 0);
}

static void *run_thread(void *context)
{
    attempt_run(context);
    return NULL;
}

static void nothing_is_written_while_the_lease_may_be_somebody_else_s(void **state)
{
    struct fixture *f = *state;
    struct attempt *attempt = attempt_new(&f->settings, make_assignment(f, "demo"), mono_ms());
    pthread_t thread;
    struct timespec moment = { .tv_nsec = 200 * 1000 * 1000 };

    assert_int_equal(pthread_create(&thread, NULL, run_thread, attempt), 0);
    nanosleep(&moment, NULL); /* nothing happens: nothing can be waited for */
    assert_int_equal(count(f, "SELECT count(*) FROM sync_state"), 0);
    attempt_renew(attempt, mono_ms() + 60 * 1000);
    pthread_join(thread, NULL);
    attempt_free(attempt);
    assert_int_equal(f->completes, 1);
    assert_int_equal(count(f, all_rows), 3000);
}

static void an_incremental_read_adds_changes_and_sweeps_nothing(void **state)
{
    struct fixture *f = *state;

    run(f, "demo");
    f->data = "{\"demo\":{\"size\":3000,\"now\":\"2025-03-01T16:00:00Z\"}}";
    f->low_s = 1740823200; /* 2025-03-01T10:00:00Z */
    f->checkpoint[0] = '\0';
    f->epoch = 0;
    f->entity = "orders";
    {
        Sync__V1__JobAssignment *assignment = make_assignment(f, "demo");
        struct attempt *attempt;

        free(assignment->lease->job_id);
        assignment->lease->job_id = strdup("job_2");
        attempt = attempt_new(&f->settings, assignment, mono_ms() + 60 * 1000);
        attempt_run(attempt);
        attempt_free(attempt);
    }
    assert_int_equal(f->completes, 2);
    assert_true(f->deleted > 0);
    assert_in_range(f->done, 100, 2999);
    assert_int_equal(count(f, "SELECT count(*) FROM orders WHERE deleted_at IS NULL"),
                     count(f, "SELECT count(*) FROM orders") - (int64_t)f->deleted);
    assert_int_equal(count(f, "SELECT count(*) FROM sync_state WHERE entity = 'orders'"
                              " AND phase = 'read'"),
                     1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_full_read_stores_everything_and_completes),
        TEST(one_entity_alone_is_read_if_the_job_says_so),
        TEST(what_a_person_must_change_is_said),
        TEST(a_pause_keeps_what_was_read_and_goes_on_there),
        TEST(a_cancelled_attempt_lets_go),
        TEST(a_lost_lease_stops_without_another_word),
        TEST(nothing_is_written_while_the_lease_may_be_somebody_else_s),
        TEST(an_incremental_read_adds_changes_and_sweeps_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
