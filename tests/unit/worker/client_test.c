#include "tests/unit/worker/folder.h"
#include "tests/unit/worker/work_server.h"
#include "tools/worker/client.h"
#include "tools/worker/connectors/connectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* The worker's end of the Work stream against a server that does as it is told. */

static const char quick[] = "{\"demo\":{\"size\":100,\"now\":\"2025-03-01T10:00:00Z\"}}";
static const char slow[] =
    "{\"demo\":{\"size\":10000,\"now\":\"2025-03-01T10:00:00Z\",\"pace\":200}}";

struct fixture {
    char dir[FOLDER_PATH_SIZE];
    char address[64];
    struct work_server server;
    struct client_settings settings;
    struct client *client;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct why why;

    folder_make(f->dir);
    work_server_open(&f->server);
    snprintf(f->address, sizeof f->address, "%s", rpc_server_address(f->server.server));
    f->settings = (struct client_settings){ .server = f->address,
                                            .worker_id = "tester",
                                            .data_dir = f->dir,
                                            .slots = 3,
                                            .loop = loop_new() };
    assert_int_equal(loop_start(f->settings.loop, "client"), OK);
    assert_int_equal(client_start(&f->settings, &f->client, &why), OK);
    *state = f;
    return 0;
}

static void end_client(struct fixture *f)
{
    if (f->client == NULL)
        return;
    client_drain(f->client);
    loop_join(f->settings.loop);
    client_free(f->client);
    loop_free(f->settings.loop);
    f->client = NULL;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    end_client(f);
    work_server_close(&f->server);
    connectors_close();
    folder_remove(f->dir);
    free(f);
    return 0;
}

static void the_free_slots_are_granted_after_the_hello(void **state)
{
    struct fixture *f = *state;

    work_server_wait(&f->server, &f->server.slots, 3);
    assert_int_equal(f->server.hellos, 1);
    assert_string_equal(f->server.worker_id, "tester");
}

static void a_job_is_acknowledged_done_and_its_slot_granted_again(void **state)
{
    struct fixture *f = *state;

    work_server_wait(&f->server, &f->server.slots, 3);
    for (unsigned i = 1; i <= 3; i++) {
        work_server_push(&f->server, quick);
        work_server_wait(&f->server, &f->server.acks, i);
        work_server_wait(&f->server, &f->server.completes, i);
        work_server_wait(&f->server, &f->server.slots, 3);
    }
}

static void a_report_without_an_answer_is_sent_again_on_the_next_stream(void **state)
{
    struct fixture *f = *state;

    work_server_wait(&f->server, &f->server.slots, 3);
    f->server.mute = true; /* nobody is at work yet */
    work_server_push(&f->server, quick);
    work_server_wait(&f->server, &f->server.completes, 1);
    pthread_mutex_lock(&f->server.lock);
    f->server.mute = false;
    pthread_mutex_unlock(&f->server.lock);
    work_server_break(&f->server);
    work_server_wait(&f->server, &f->server.hellos, 2);
    work_server_wait(&f->server, &f->server.completes, 2);
    work_server_wait(&f->server, &f->server.slots, 3);
}

static void a_job_outlives_the_stream_and_keeps_its_slot(void **state)
{
    struct fixture *f = *state;

    work_server_wait(&f->server, &f->server.slots, 3);
    work_server_push(&f->server, slow);
    work_server_wait(&f->server, &f->server.acks, 1);
    work_server_break(&f->server);
    work_server_wait(&f->server, &f->server.hellos, 2);
    work_server_wait(&f->server, &f->server.slots, 2);
    work_server_wait(&f->server, &f->server.checkpoints, 1);
    assert_int_equal(f->server.slots, 2);
}

static void a_lease_that_is_lost_ends_its_job_without_another_report(void **state)
{
    struct fixture *f = *state;

    work_server_wait(&f->server, &f->server.slots, 3);
    work_server_push(&f->server, slow);
    work_server_wait(&f->server, &f->server.heartbeats, 2);
    pthread_mutex_lock(&f->server.lock);
    f->server.lose = true;
    pthread_mutex_unlock(&f->server.lock);
    work_server_wait(&f->server, &f->server.slots, 3);
    assert_int_equal(f->server.completes + f->server.releases, 0);
}

static void a_directive_in_an_answer_is_followed(void **state)
{
    struct fixture *f = *state;

    work_server_wait(&f->server, &f->server.slots, 3);
    f->server.directive = SYNC__V1__DIRECTIVE__DIRECTIVE_PAUSE;
    work_server_push(&f->server, slow);
    work_server_wait(&f->server, &f->server.releases, 1);
    work_server_wait(&f->server, &f->server.slots, 3);
    assert_int_equal(f->server.completes, 0);
}

static void a_worker_that_ends_gives_its_jobs_back(void **state)
{
    struct fixture *f = *state;

    work_server_wait(&f->server, &f->server.slots, 3);
    work_server_push(&f->server, slow);
    work_server_wait(&f->server, &f->server.acks, 1);
    work_server_push(&f->server, slow);
    work_server_wait(&f->server, &f->server.acks, 2);
    end_client(f);
    assert_int_equal(f->server.releases, 2);
    assert_int_equal(f->server.completes, 0);
}

static void a_worker_without_a_server_ends_at_once(void **state)
{
    struct fixture *f = *state;

    work_server_wait(&f->server, &f->server.slots, 3);
    rpc_server_close(f->server.server, 0);
    f->server.server = NULL;
    end_client(f);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_free_slots_are_granted_after_the_hello),
        TEST(a_job_is_acknowledged_done_and_its_slot_granted_again),
        TEST(a_report_without_an_answer_is_sent_again_on_the_next_stream),
        TEST(a_job_outlives_the_stream_and_keeps_its_slot),
        TEST(a_lease_that_is_lost_ends_its_job_without_another_report),
        TEST(a_directive_in_an_answer_is_followed),
        TEST(a_worker_that_ends_gives_its_jobs_back),
        TEST(a_worker_without_a_server_ends_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
