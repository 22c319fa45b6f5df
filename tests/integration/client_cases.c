#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rpc/client/client.h"
#include "sync/v1/sync.pb-c.h"

#include <dirent.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Everything that client.h promises, against a server and a worker that
 * client_library_test.py has started. SYNC_ADDRESS says where; SYNC_TLS_FOLDER,
 * where the authority's certificate lies, if it speaks TLS. */

enum { PATIENCE_MS = 60 * 1000 };

static const char *address(void)
{
    return getenv("SYNC_ADDRESS");
}

/* The certificates that the server's are of; NULL: it speaks plain text. */
static const char *tls_folder(void)
{
    return getenv("SYNC_TLS_FOLDER");
}

static const char *tls_file(const char *name)
{
    static char path[256];

    snprintf(path, sizeof path, "%s/%s", tls_folder(), name);
    return path;
}

static struct sync_client *open_with(struct sync_client_options options)
{
    struct sync_client *client = NULL;
    struct sync_status status;

    options.size = sizeof options;
    if (tls_folder() != NULL) {
        options.tls = true;
        options.tls_ca_file = tls_file("ca.pem");
    }
    if (options.addresses == NULL)
        options.addresses = address();
    if (options.org == NULL)
        options.org = "library";
    if (sync_client_open(&options, &client, &status) != SYNC_OK)
        print_error("%s\n", status.message);
    assert_non_null(client);
    return client;
}

static int setup(void **state)
{
    *state = open_with((struct sync_client_options){ 0 });
    return 0;
}

static int teardown(void **state)
{
    sync_client_close(*state);
    return 0;
}

static struct sync_job_request request_for(const char *name)
{
    return (struct sync_job_request){ .size = sizeof(struct sync_job_request),
                                      .name = name,
                                      .type = "full",
                                      .source = "demo",
                                      .target = "local",
                                      .data_json = "{\"demo\":{\"size\":100}}" };
}

/* One that nobody will run: no worker has that source. */
static struct sync_job_request waiting_request(const char *name)
{
    struct sync_job_request request = request_for(name);

    request.source = "nowhere";
    request.data_json = NULL;
    return request;
}

static struct sync_job *queue(struct sync_client *client, const struct sync_job_request *request)
{
    struct sync_job *job;
    struct sync_status status;

    if (sync_client_queue(client, request, &job, &status) != SYNC_OK)
        print_error("%s\n", status.message);
    assert_non_null(job);
    return job;
}

/* ---- Waited for. ---- */

static void a_job_is_queued_and_followed_to_its_end(void **state)
{
    struct sync_job_request request = request_for("to-its-end");
    struct sync_job *job = queue(*state, &request), *ended;
    struct sync_status status;

    assert_string_equal(job->name, "to-its-end");
    assert_true(job->queued_at_ms > 1700000000000);
    assert_false(job->is_over);
    assert_int_equal(sync_client_wait(*state, job->id, PATIENCE_MS, NULL, NULL, &ended, &status),
                     SYNC_OK);
    assert_string_equal(ended->id, job->id);
    assert_string_equal(ended->status, "completed");
    assert_string_equal(ended->type, "full");
    assert_string_equal(ended->source, "demo");
    assert_string_equal(ended->org, "library");
    assert_int_equal(ended->progress, 100);
    assert_true(ended->is_over && ended->records_done > 0 && ended->ended_at_ms > 0);
    sync_client_job_free(ended);
    /* One that is over already is told at once. */
    assert_int_equal(sync_client_wait(*state, job->id, PATIENCE_MS, NULL, NULL, &ended, NULL),
                     SYNC_OK);
    sync_client_job_free(ended);
    sync_client_job_free(job);
}

static void a_job_is_paused_resumed_cancelled_and_retried(void **state)
{
    struct sync_job_request request = waiting_request("controlled");
    struct sync_job *job = queue(*state, &request), *changed;
    struct sync_control control = SYNC_CONTROL_INIT;

    control.name = "controlled";
    control.reason = "to see it";
    assert_int_equal(sync_client_pause(*state, &control, &changed, NULL), SYNC_OK);
    assert_string_equal(changed->status, "paused");
    sync_client_job_free(changed);
    assert_int_equal(sync_client_resume(*state, &control, &changed, NULL), SYNC_OK);
    assert_string_equal(changed->status, "queued");
    sync_client_job_free(changed);
    control = (struct sync_control){ .size = sizeof control, .id = job->id, .wait_ms = 1000 };
    assert_int_equal(sync_client_cancel(*state, &control, &changed, NULL), SYNC_OK);
    assert_string_equal(changed->status, "cancelled");
    sync_client_job_free(changed);
    assert_int_equal(sync_client_retry(*state, &control, &changed, NULL), SYNC_OK);
    assert_string_equal(changed->id, job->id);
    sync_client_job_free(changed);
    assert_int_equal(sync_client_get(*state, job->id, &changed, NULL), SYNC_OK);
    assert_string_equal(changed->status, "queued");
    sync_client_job_free(changed);
    sync_client_job_free(job);
}

static void one_request_id_is_one_job(void **state)
{
    struct sync_job_request request = waiting_request("only-once");
    struct sync_job *first, *second, *other;

    request.request_id = "the-same";
    first = queue(*state, &request);
    second = queue(*state, &request);
    request.request_id = NULL;
    other = queue(*state, &request);
    assert_string_equal(first->id, second->id);
    assert_string_not_equal(first->id, other->id);
    sync_client_job_free(first);
    sync_client_job_free(second);
    sync_client_job_free(other);
}

static void all_that_a_request_can_say_arrives(void **state)
{
    static const char *const collections[] = { "summer", "winter" };
    struct sync_schedule schedule = SYNC_SCHEDULE_INIT;
    struct sync_job_request request = waiting_request("scheduled");
    struct sync_job *job, *again;

    schedule.cron = "30 2 * * mon-fri";
    schedule.timezone = "Europe/Berlin";
    schedule.jitter_ms = 90500;
    schedule.overlap = "skip";
    schedule.max_runs = 3;
    request.type = "scheduled";
    request.mode = "incremental";
    request.priority = "high";
    request.schedule = &schedule;
    request.updated_since_ms = 1700000000500;
    request.collections = collections;
    request.collection_count = 2;
    request.concurrency = 5;
    request.max_retries = 7;
    request.on_duplicate = "coalesce";
    job = queue(*state, &request);
    assert_string_equal(job->status, "scheduled");
    assert_int_equal(sync_client_get(*state, job->id, &again, NULL), SYNC_OK);
    assert_string_equal(again->type, "scheduled");
    assert_string_equal(again->priority, "high");
    assert_true(again->scheduled_for_ms > again->queued_at_ms);
    sync_client_job_free(again);
    sync_client_job_free(job);
}

/* ---- What is wrong is said. ---- */

static void a_wrong_field_is_named(void **state)
{
    struct sync_job_request request = request_for("no such name!");
    struct sync_status status;
    struct sync_job *job;

    assert_int_equal(sync_client_queue(*state, &request, &job, &status), SYNC_INVALID_ARGUMENT);
    assert_null(job);
    assert_string_equal(status.field, "name");
    assert_true(strlen(status.field_reason) > 0 && strlen(status.message) > 0);
    request = request_for("sideways");
    request.type = "sideways";
    assert_int_equal(sync_client_queue(*state, &request, &job, &status), SYNC_INVALID_ARGUMENT);
    assert_string_equal(status.field, "type");
    assert_non_null(strstr(status.message, "incremental"));
    request = request_for("priority");
    request.priority = "urgent";
    assert_int_equal(sync_client_queue(*state, &request, &job, NULL), SYNC_INVALID_ARGUMENT);
}

static void what_is_not_there_is_not_found(void **state)
{
    struct sync_control control = SYNC_CONTROL_INIT;
    struct sync_status status;
    struct sync_job *job;

    assert_int_equal(sync_client_get(*state, "job_0000000000000", &job, &status), SYNC_NOT_FOUND);
    assert_int_equal(
        sync_client_wait(*state, "job_0000000000000", PATIENCE_MS, NULL, NULL, &job, &status),
        SYNC_NOT_FOUND);
    assert_null(job);
    control.name = "nobody-knows-it";
    assert_int_equal(sync_client_pause(*state, &control, &job, &status), SYNC_NOT_FOUND);
    assert_string_equal(sync_client_code_name(status.code), "NOT_FOUND");
}

/* Else it would be any job of the organisation that is waited for. */
static void waiting_needs_an_id(void **state)
{
    struct sync_status status;
    struct sync_job *job;

    assert_int_equal(sync_client_wait(*state, NULL, PATIENCE_MS, NULL, NULL, &job, &status),
                     SYNC_INVALID_ARGUMENT);
    assert_null(job);
    assert_string_equal(status.field, "id");
    assert_string_equal(status.field_reason, "is missing");
    assert_int_equal(sync_client_wait(*state, "", PATIENCE_MS, NULL, NULL, &job, &status),
                     SYNC_INVALID_ARGUMENT);
    assert_null(job);
}

static void structs_without_their_size_are_refused(void **state)
{
    struct sync_job_request request = request_for("no-size");
    struct sync_client_options options = { .addresses = address() };
    struct sync_client *client;
    struct sync_status status;
    struct sync_job *job;

    request.size = 0;
    assert_int_equal(sync_client_queue(*state, &request, &job, &status), SYNC_INVALID_ARGUMENT);
    assert_int_equal(sync_client_queue(*state, NULL, &job, &status), SYNC_INVALID_ARGUMENT);
    assert_int_equal(sync_client_open(&options, &client, &status), SYNC_INVALID_ARGUMENT);
    assert_null(client);
    assert_null(sync_client_watch_start(*state, NULL, NULL, NULL, NULL));
}

/* A program that was built when the struct ended behind the target. */
static void a_shorter_struct_of_an_older_program_does(void **state)
{
    struct sync_job_request request = waiting_request("older");
    struct sync_job *job;

    request.size = offsetof(struct sync_job_request, entity);
    request.priority = NULL;
    request.on_duplicate = "what lies behind is not looked at";
    job = queue(*state, &request);
    sync_client_job_free(job);
}

static void wrong_options_are_named(void **state)
{
    struct sync_client_options options = SYNC_CLIENT_OPTIONS_INIT;
    struct sync_client *client;
    struct sync_status status;

    (void)state;
    options.addresses = "127.0.0.1";
    assert_int_equal(sync_client_open(&options, &client, &status), SYNC_INVALID_ARGUMENT);
    assert_non_null(strstr(status.message, "127.0.0.1"));
    options.addresses = "127.0.0.1:1";
    options.tls = true;
    options.tls_ca_file = "/no/such/file";
    assert_int_equal(sync_client_open(&options, &client, &status), SYNC_INVALID_ARGUMENT);
    assert_non_null(strstr(status.message, "/no/such/file"));
}

static void assert_refused(struct sync_client_options options, const char *option)
{
    struct sync_client *client;
    struct sync_status status;

    options.size = sizeof options;
    assert_int_equal(sync_client_open(&options, &client, &status), SYNC_INVALID_ARGUMENT);
    assert_null(client);
    assert_string_equal(status.field, option);
    assert_non_null(strstr(status.message, option));
}

static void options_that_cannot_be_kept_to_are_refused(void **state)
{
    typedef struct sync_client_options options;

    (void)state;
    assert_refused((options){ .attempts_max = 6 }, "attempts_max");
    assert_refused((options){ .hedge_ms = -1 }, "hedge_ms");
    assert_refused((options){ .keepalive_ms = -1 }, "keepalive_ms");
    assert_refused((options){ .token = "secret\n" }, "token");
    assert_refused((options){ .token = "" }, "token");
    assert_refused((options){ .org = "a\nb" }, "org");
    assert_refused((options){ .org = " acme" }, "org");
}

static void metadata_that_cannot_be_sent_is_refused(void **state)
{
    static const struct sync_metadata wrong[] = {
        { "Upper", "v", 1 }, { "a b", "v", 1 },   { "", "v", 1 },
        { NULL, "v", 1 },    { ":path", "v", 1 }, { "grpc-timeout", "1S", 2 },
        { "te", "x", 1 },    { "x", "a\nb", 3 },  { "x", " a", 2 },
        { "x", NULL, 1 },
    };
    static const struct sync_metadata right[] = { { "x", NULL, 0 }, { "x-bin", "\0\n", 2 } };
    struct sync_call call = { .size = sizeof call, .method = "/a.B/C", .metadata_count = 1 };
    Sync__V1__GetServiceInfoRequest request = SYNC__V1__GET_SERVICE_INFO_REQUEST__INIT;
    struct sync_status status;
    ProtobufCMessage *answer;

    call.request = &request.base;
    call.answer_type = &sync__v1__get_service_info_response__descriptor;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_refused((struct sync_client_options){ .metadata = &wrong[i], .metadata_count = 1 },
                       "metadata");
        call.metadata = &wrong[i];
        assert_int_equal(sync_client_call(*state, &call, &answer, &status), SYNC_INVALID_ARGUMENT);
        assert_string_equal(status.field, "metadata");
    }
    sync_client_close(
        open_with((struct sync_client_options){ .metadata = right, .metadata_count = 2 }));
}

/* A token must not travel in plain text because one setting of several is missing. */
static void what_is_set_of_tls_means_tls(void **state)
{
    struct sync_client_options options = SYNC_CLIENT_OPTIONS_INIT;
    struct sync_client *client;
    struct sync_status status;
    struct sync_job *job;

    (void)state;
    assert_refused((struct sync_client_options){ .tls_cert_file = "a.pem" }, "tls_key_file");
    options.tls_ca_file = "/no/such/file";
    assert_int_equal(sync_client_open(&options, &client, &status), SYNC_INVALID_ARGUMENT);
    assert_non_null(strstr(status.message, "/no/such/file"));
    options.tls_ca_file = NULL;
    options.tls_server_name = "elsewhere.example";
    options.addresses = address();
    assert_int_equal(sync_client_open(&options, &client, &status), SYNC_OK);
    assert_int_equal(sync_client_get(client, "job_0000000000000", &job, &status), SYNC_UNAVAILABLE);
    sync_client_close(client);
}

static void without_a_server_calls_fail_and_say_why(void **state)
{
    struct sync_client *client = open_with((struct sync_client_options){
        .addresses = "127.0.0.1:1", .backoff_ms = 1, .backoff_max_ms = 1 });
    struct sync_status status;
    struct sync_job *job;

    (void)state;
    assert_int_equal(sync_client_get(client, "x", &job, &status), SYNC_UNAVAILABLE);
    assert_non_null(strstr(status.message, "127.0.0.1:1"));
    assert_int_equal(sync_client_connect(client, 50, &status), SYNC_DEADLINE_EXCEEDED);
    assert_int_not_equal(sync_client_state(client), SYNC_READY);
    sync_client_close(client);
}

static void a_server_that_is_not_trusted_is_not_spoken_to(void **state)
{
    struct sync_client_options options = SYNC_CLIENT_OPTIONS_INIT;
    struct sync_client *client;
    struct sync_status status;
    struct sync_job *job;

    (void)state;
    if (tls_folder() == NULL)
        skip();
    options.addresses = address();
    options.tls = true; /* trusts whom the system trusts */
    assert_int_equal(sync_client_open(&options, &client, &status), SYNC_OK);
    assert_int_equal(sync_client_get(client, "x", &job, &status), SYNC_UNAVAILABLE);
    assert_non_null(strstr(status.message, "certificate"));
    sync_client_close(client);
}

static void a_dead_address_before_a_live_one_is_passed_over(void **state)
{
    char list[128];
    struct sync_client *client;
    struct sync_status status;

    (void)state;
    snprintf(list, sizeof list, "127.0.0.1:1,%s", address());
    client = open_with((struct sync_client_options){ .addresses = list, .health_service = "" });
    assert_int_equal(sync_client_connect(client, PATIENCE_MS, &status), SYNC_OK);
    assert_int_equal(sync_client_state(client), SYNC_READY);
    sync_client_close(client);
}

/* ---- Lists. ---- */

static void lists_come_in_pages(void **state)
{
    struct sync_client *client = open_with((struct sync_client_options){ .org = "pages" });
    struct sync_list_request request = SYNC_LIST_REQUEST_INIT;
    struct sync_job_list *list;
    char token[512] = "";
    size_t seen = 0, pages = 0;

    (void)state;
    for (int i = 0; i < 5; i++) {
        char name[24];
        struct sync_job_request job;
        snprintf(name, sizeof name, "page-%d", i);
        job = waiting_request(name);
        sync_client_job_free(queue(client, &job));
    }
    request.page_size = 2;
    request.status = "queued";
    do {
        request.page_token = token;
        assert_int_equal(sync_client_list(client, &request, &list, NULL), SYNC_OK);
        for (size_t i = 0; i < list->count; i++)
            assert_memory_equal(list->jobs[i]->name, "page-", 5);
        seen += list->count;
        pages++;
        snprintf(token, sizeof token, "%s", list->next_page_token);
        sync_client_list_free(list);
    } while (token[0] != '\0');
    assert_int_equal(seen, 5);
    assert_int_equal(pages, 3);
    request.status = "lost";
    assert_int_equal(sync_client_list(client, &request, &list, NULL), SYNC_INVALID_ARGUMENT);
    assert_null(list);
    sync_client_close(client);
}

/* ---- With callbacks. ---- */

struct told {
    struct sync_client *client;
    sem_t done;
    struct sync_status status, inner;
    char text[64];
    size_t count;
};

static void told_init(struct told *told, struct sync_client *client)
{
    memset(told, 0, sizeof *told);
    told->client = client;
    sem_init(&told->done, 0, 0);
}

static void told_wait(struct told *told)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_MS / 1000;
    assert_int_equal(sem_timedwait(&told->done, &until), 0);
}

static void on_job(void *context, const struct sync_status *status, const struct sync_job *job)
{
    struct told *told = context;

    told->status = *status;
    snprintf(told->text, sizeof told->text, "%s", job != NULL ? job->name : "");
    sem_post(&told->done);
}

static void on_list(void *context, const struct sync_status *status,
                    const struct sync_job_list *list)
{
    struct told *told = context;

    told->status = *status;
    told->count = list != NULL ? list->count : 0;
    sem_post(&told->done);
}

static void on_answer(void *context, const struct sync_status *status,
                      const struct ProtobufCMessage *answer)
{
    struct told *told = context;

    told->status = *status;
    told->count = answer != NULL;
    sem_post(&told->done);
}

static void each_verb_has_a_callback_form(void **state)
{
    struct sync_job_request request = waiting_request("called-back");
    struct sync_control control = SYNC_CONTROL_INIT;
    struct sync_list_request listing = SYNC_LIST_REQUEST_INIT;
    struct told told;

    told_init(&told, *state);
    control.name = listing.name = "called-back";
    assert_true(sync_client_queue_start(*state, &request, on_job, &told));
    told_wait(&told);
    assert_string_equal(told.text, "called-back");
    assert_true(sync_client_pause_start(*state, &control, on_job, &told));
    told_wait(&told);
    assert_int_equal(told.status.code, SYNC_OK);
    assert_true(sync_client_resume_start(*state, &control, on_job, &told));
    told_wait(&told);
    assert_int_equal(told.status.code, SYNC_OK);
    assert_true(sync_client_list_start(*state, &listing, on_list, &told));
    told_wait(&told);
    assert_int_equal(told.count, 1);
    assert_true(sync_client_cancel_start(*state, &control, on_job, &told));
    told_wait(&told);
    assert_int_equal(told.status.code, SYNC_OK);
    assert_true(sync_client_get_start(*state, "job_0000000000000", on_job, &told));
    told_wait(&told);
    assert_int_equal(told.status.code, SYNC_NOT_FOUND);
    request.type = "sideways"; /* wrong before it is sent: told in the same way */
    assert_true(sync_client_queue_start(*state, &request, on_job, &told));
    told_wait(&told);
    assert_string_equal(told.status.field, "type");
    assert_true(sync_client_retry_start(*state, NULL, on_job, &told));
    told_wait(&told);
    assert_int_equal(told.status.code, SYNC_INVALID_ARGUMENT);
    sem_destroy(&told.done);
}

/* Waiting on the thread that would have to bring the answer. */
static void wait_inside(void *context, const struct sync_status *status, const struct sync_job *job)
{
    struct told *told = context;
    struct sync_job *got;

    (void)status;
    (void)job;
    sync_client_get(told->client, "x", &got, &told->inner);
    assert_null(got);
    assert_true(sync_client_get_start(told->client, "y", on_job, told));
}

static void a_callback_may_start_but_not_wait(void **state)
{
    struct told told;

    told_init(&told, *state);
    assert_true(sync_client_get_start(*state, "x", wait_inside, &told));
    told_wait(&told);
    assert_int_equal(told.inner.code, SYNC_FAILED_PRECONDITION);
    sem_destroy(&told.done);
}

static void count_cancelled(void *context, const struct sync_status *status,
                            const struct sync_job *job)
{
    int *cancelled = context;

    (void)job;
    *cancelled += status->code == SYNC_CANCELLED;
}

/* The line of a thread's status that lists what signals it blocks; 0 if it is
 * another thread's. */
static unsigned long long blocked_by(const char *task)
{
    char path[64], line[128];
    unsigned long long blocked = 0;
    bool is_ours = false;
    FILE *file;

    snprintf(path, sizeof path, "/proc/self/task/%.20s/status", task);
    file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        is_ours |= strcmp(line, "Name:\tsync-client\n") == 0;
        sscanf(line, "SigBlk: %llx", &blocked);
    }
    if (file != NULL)
        fclose(file);
    return is_ours ? blocked : 0;
}

static void the_clients_thread_takes_no_signals(void **state)
{
    DIR *tasks = opendir("/proc/self/task");
    const struct dirent *task;
    unsigned long long blocked = 0;

    (void)state;
    while ((task = readdir(tasks)) != NULL)
        blocked |= blocked_by(task->d_name);
    closedir(tasks);
    assert_true((blocked >> (SIGUSR1 - 1) & 1) == 1 && (blocked >> (SIGTERM - 1) & 1) == 1);
}

static void closing_ends_what_is_under_way(void **state)
{
    struct sync_client *client = open_with((struct sync_client_options){
        .addresses = "127.0.0.1:1", .wait_for_ready = true, .timeout_ms = -1 });
    int cancelled = 0;

    (void)state;
    for (int i = 0; i < 10; i++)
        assert_true(sync_client_get_start(client, "x", count_cancelled, &cancelled));
    sync_client_close(client);
    assert_int_equal(cancelled, 10);
}

/* Begins all anew with each callback, as a program does that polls. */
struct restless {
    struct sync_client *client;
    int ended, begun_again;
};

static void begin_again(void *context, const struct sync_status *status, const struct sync_job *job)
{
    struct restless *restless = context;
    const struct sync_watch_request watching = SYNC_WATCH_REQUEST_INIT;
    struct sync_call no_call = SYNC_CALL_INIT;

    (void)job;
    assert_int_equal(status->code, SYNC_CANCELLED);
    restless->ended++;
    restless->begun_again +=
        sync_client_get_start(restless->client, "x", begin_again, restless) +
        sync_client_retry_start(restless->client, NULL, begin_again, restless) +
        sync_client_call_start(restless->client, &no_call, on_answer, restless) +
        (sync_client_watch_start(restless->client, &watching, NULL, NULL, NULL) != NULL);
}

static void what_closing_ends_cannot_begin_again(void **state)
{
    struct restless restless = { .client = open_with((struct sync_client_options){
                                     .addresses = "127.0.0.1:1", .wait_for_ready = true }) };

    (void)state;
    assert_true(sync_client_get_start(restless.client, "x", begin_again, &restless));
    sync_client_close(restless.client);
    assert_int_equal(restless.ended, 1);
    assert_int_equal(restless.begun_again, 0);
}

static void *get_often(void *context)
{
    struct sync_client *client = context;
    size_t found = 0;

    for (int i = 0; i < 50; i++) {
        struct sync_job *job;
        found += sync_client_get(client, "job_0000000000000", &job, NULL) == SYNC_NOT_FOUND;
    }
    return (void *)found;
}

static void many_threads_share_a_client(void **state)
{
    enum { THREADS = 8 };
    pthread_t threads[THREADS];
    void *found;

    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, get_often, *state), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &found);
        assert_int_equal((size_t)found, 50);
    }
}

/* ---- Watching. ---- */

struct seen {
    struct sync_client *client;
    sem_t synced, ended;
    struct sync_status status;
    int jobs, events;
    bool is_synced, acts, stops;
};

static void seen_init(struct seen *seen, struct sync_client *client)
{
    memset(seen, 0, sizeof *seen);
    seen->client = client;
    sem_init(&seen->synced, 0, 0);
    sem_init(&seen->ended, 0, 0);
}

static bool see(void *context, const struct sync_event *event)
{
    struct seen *seen = context;
    struct sync_control control = SYNC_CONTROL_INIT;
    struct sync_job *job = NULL;

    seen->events++;
    if (event->kind == SYNC_EVENT_SYNCED) {
        seen->is_synced = true;
        sem_post(&seen->synced);
    }
    if (event->kind != SYNC_EVENT_JOB)
        return true;
    assert_true(event->sequence > 0 || !seen->is_synced);
    seen->jobs++;
    if (seen->acts && strcmp(event->job->status, "queued") == 0) {
        control.id = event->job->id;
        assert_int_equal(sync_client_cancel(seen->client, &control, &job, NULL), SYNC_OK);
        sync_client_job_free(job);
    }
    return !(seen->stops && event->job->is_over);
}

static void see_end(void *context, const struct sync_status *status)
{
    struct seen *seen = context;

    seen->status = *status;
    sem_post(&seen->ended);
}

/* The caller's own thread may do with the job what it likes. */
static void a_watch_that_is_waited_for_may_act(void **state)
{
    struct sync_watch_request watching = SYNC_WATCH_REQUEST_INIT;
    struct sync_job_request request = waiting_request("watched");
    struct seen seen;

    seen_init(&seen, *state);
    seen.acts = seen.stops = true;
    sync_client_job_free(queue(*state, &request));
    watching.name = "watched";
    assert_int_equal(sync_client_watch(*state, &watching, see, &seen, NULL), SYNC_OK);
    assert_true(seen.jobs >= 2);
}

static bool refuse(void *context, const struct sync_event *event)
{
    (void)context;
    (void)event;
    return false;
}

static void waiting_for_a_job_may_be_given_up(void **state)
{
    struct sync_job_request request = waiting_request("given-up");
    struct sync_job *job = queue(*state, &request), *ended;
    struct sync_status status;

    assert_int_equal(sync_client_wait(*state, job->id, 100, NULL, NULL, &ended, &status),
                     SYNC_DEADLINE_EXCEEDED);
    assert_null(ended);
    assert_int_equal(sync_client_wait(*state, job->id, 0, refuse, NULL, &ended, &status),
                     SYNC_CANCELLED);
    assert_null(ended);
    sync_client_job_free(job);
}

static void a_watch_with_callbacks_sees_changes_until_it_is_stopped(void **state)
{
    struct sync_watch_request watching = SYNC_WATCH_REQUEST_INIT;
    struct sync_watch *watch;
    struct seen seen;

    seen_init(&seen, *state);
    watch = sync_client_watch_start(*state, &watching, see, see_end, &seen);
    assert_non_null(watch);
    sem_wait(&seen.synced);
    assert_true(seen.is_synced && seen.jobs > 0);
    sync_client_watch_stop(watch);
    sem_wait(&seen.ended);
    assert_int_equal(seen.status.code, SYNC_OK);
}

static void closing_ends_a_watch(void **state)
{
    struct sync_client *client = open_with((struct sync_client_options){ 0 });
    struct sync_watch_request watching = SYNC_WATCH_REQUEST_INIT;
    struct sync_watch *watch;
    struct seen seen;

    (void)state;
    seen_init(&seen, client);
    watch = sync_client_watch_start(client, &watching, see, see_end, &seen);
    sem_wait(&seen.synced);
    sync_client_watch_stop(watch); /* may still be under way when the client goes */
    sync_client_close(client);
    assert_true(seen.status.code == SYNC_OK || seen.status.code == SYNC_CANCELLED);
    assert_int_equal(sem_trywait(&seen.ended), 0);
}

/* ---- Any method. ---- */

static void any_method_can_be_called_with_messages(void **state)
{
    Sync__V1__GetServiceInfoRequest request = SYNC__V1__GET_SERVICE_INFO_REQUEST__INIT;
    const struct sync_metadata more = { "x-more", "value", 5 };
    struct sync_call call = SYNC_CALL_INIT;
    struct sync_status status;
    ProtobufCMessage *answer;

    call.method = "/sync.v1.SyncService/GetServiceInfo";
    call.request = &request.base;
    call.answer_type = &sync__v1__get_service_info_response__descriptor;
    call.idempotent = true;
    call.metadata = &more;
    call.metadata_count = 1;
    assert_int_equal(sync_client_call(*state, &call, &answer, &status), SYNC_OK);
    assert_string_equal(((Sync__V1__GetServiceInfoResponse *)answer)->status, "active");
    protobuf_c_message_free_unpacked(answer, NULL);
    call.method = "/sync.v1.SyncService/Nothing";
    assert_int_equal(sync_client_call(*state, &call, &answer, &status), SYNC_UNIMPLEMENTED);
    assert_null(answer);
    call.method = "GetServiceInfo";
    assert_int_equal(sync_client_call(*state, &call, &answer, &status), SYNC_INVALID_ARGUMENT);
}

static void any_method_can_be_called_with_a_callback(void **state)
{
    Sync__V1__GetServiceInfoRequest request = SYNC__V1__GET_SERVICE_INFO_REQUEST__INIT;
    const struct sync_metadata more = { "x-more", "value", 5 };
    struct sync_call call = SYNC_CALL_INIT;
    struct told told;

    told_init(&told, *state);
    call.method = "/sync.v1.SyncService/GetServiceInfo";
    call.request = &request.base;
    call.answer_type = &sync__v1__get_service_info_response__descriptor;
    call.metadata = &more;
    call.metadata_count = 1;
    assert_true(sync_client_call_start(*state, &call, on_answer, &told));
    told_wait(&told);
    assert_int_equal(told.status.code, SYNC_OK);
    assert_int_equal(told.count, 1);
    sem_destroy(&told.done);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_job_is_queued_and_followed_to_its_end),
        TEST(a_job_is_paused_resumed_cancelled_and_retried),
        TEST(one_request_id_is_one_job),
        TEST(all_that_a_request_can_say_arrives),
        TEST(a_wrong_field_is_named),
        TEST(what_is_not_there_is_not_found),
        TEST(waiting_needs_an_id),
        TEST(structs_without_their_size_are_refused),
        TEST(a_shorter_struct_of_an_older_program_does),
        TEST(wrong_options_are_named),
        TEST(options_that_cannot_be_kept_to_are_refused),
        TEST(metadata_that_cannot_be_sent_is_refused),
        TEST(what_is_set_of_tls_means_tls),
        TEST(without_a_server_calls_fail_and_say_why),
        TEST(a_server_that_is_not_trusted_is_not_spoken_to),
        TEST(a_dead_address_before_a_live_one_is_passed_over),
        TEST(lists_come_in_pages),
        TEST(each_verb_has_a_callback_form),
        TEST(a_callback_may_start_but_not_wait),
        TEST(the_clients_thread_takes_no_signals),
        TEST(closing_ends_what_is_under_way),
        TEST(what_closing_ends_cannot_begin_again),
        TEST(many_threads_share_a_client),
        TEST(a_watch_that_is_waited_for_may_act),
        TEST(waiting_for_a_job_may_be_given_up),
        TEST(a_watch_with_callbacks_sees_changes_until_it_is_stopped),
        TEST(closing_ends_a_watch),
        TEST(any_method_can_be_called_with_messages),
        TEST(any_method_can_be_called_with_a_callback),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
