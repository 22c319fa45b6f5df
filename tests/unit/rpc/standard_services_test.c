#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "grpc/health/v1/health.pb-c.h"
#include "grpc/reflection/v1/reflection.pb-c.h"
#include "rpc/channel.h"
#include "rpc/standard/descriptor_index.h"
#include "rpc/standard/health.h"
#include "rpc/standard/reflection.h"

#include <stdio.h>

/* Health and reflection, asked through the channel into the same process. */

struct fixture {
    struct loop *loop;
    struct rpc_registry *registry;
    struct rpc_health *health;
    struct rpc_reflection *reflection;
    struct channel *channel;
};

static int setup(void **state)
{
    static struct fixture f;

    *state = &f;
    f.loop = loop_new();
    f.registry = rpc_registry_new();
    f.health = rpc_health_new();
    f.reflection = rpc_reflection_new(f.registry, descriptor_set_built_in());
    if (f.reflection == NULL)
        return -1;
    rpc_registry_add(f.registry, rpc_health_service(f.health));
    rpc_reflection_register(f.reflection, f.registry);
    return channel_open_local(f.loop, f.registry, &f.channel) == OK ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    channel_close(f->channel);
    loop_free(f->loop);
    rpc_reflection_free(f->reflection);
    rpc_health_free(f->health);
    rpc_registry_free(f->registry);
    return 0;
}

struct question {
    struct client_call call;
    struct fixture *f;
    void (*look)(struct question *question, const ProtobufCMessage *message);
    int messages;
    bool done;
    struct rpc_status status;
    int last; /* what look() noted */
    char text[256];
};

static void on_message(struct client_call *call, const ProtobufCMessage *message)
{
    struct question *question = container_of(call, struct question, call);

    question->messages++;
    question->look(question, message);
    loop_stop(question->f->loop);
}

static void on_done(struct client_call *call, const struct rpc_status *status)
{
    struct question *question = container_of(call, struct question, call);

    question->done = true;
    question->status = *status;
    loop_stop(question->f->loop);
}

static void start(struct question *question, struct fixture *f, const char *path,
                  const ProtobufCMessageDescriptor *response, const ProtobufCMessage *request)
{
    question->f = f;
    question->call = (struct client_call){ .path = path,
                                           .response = response,
                                           .request = request,
                                           .timeout_ms = 10 * 1000,
                                           .on_message = on_message,
                                           .on_done = on_done };
    client_call_start(f->channel, &question->call);
}

static void wait_done(struct question *question)
{
    while (!question->done)
        loop_run(question->f->loop);
}

static void wait_messages(struct question *question, int count)
{
    while (question->messages < count && !question->done)
        loop_run(question->f->loop);
    assert_int_equal(question->messages, count);
}

/* ---- Health. ---- */

static void note_health(struct question *question, const ProtobufCMessage *message)
{
    question->last = (int)((const Grpc__Health__V1__HealthCheckResponse *)message)->status;
}

static void ask_health(struct question *question, struct fixture *f, const char *method,
                       const char *service)
{
    Grpc__Health__V1__HealthCheckRequest request = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;

    *question = (struct question){ .look = note_health };
    request.service = (char *)(uintptr_t)service;
    start(question, f, method, &grpc__health__v1__health_check_response__descriptor, &request.base);
}

#define CHECK "/grpc.health.v1.Health/Check"
#define WATCH "/grpc.health.v1.Health/Watch"

static void a_check_tells_what_was_set(void **state)
{
    struct fixture *f = *state;
    struct question question;

    rpc_health_set(f->health, "", true);
    rpc_health_set(f->health, "a.B", false);
    ask_health(&question, f, CHECK, "");
    wait_done(&question);
    assert_int_equal(question.status.code, RPC_OK);
    assert_int_equal(question.last, 1);
    ask_health(&question, f, CHECK, "a.B");
    wait_done(&question);
    assert_int_equal(question.last, 2);
    ask_health(&question, f, CHECK, "a.C");
    wait_done(&question);
    assert_int_equal(question.status.code, RPC_NOT_FOUND);
}

static void a_watch_is_told_of_changes(void **state)
{
    struct fixture *f = *state;
    struct question watch;

    ask_health(&watch, f, WATCH, "a.B");
    wait_messages(&watch, 1);
    assert_int_equal(watch.last, 3); /* SERVICE_UNKNOWN */
    rpc_health_set(f->health, "a.B", true);
    wait_messages(&watch, 2);
    assert_int_equal(watch.last, 1);
    rpc_health_set(f->health, "a.B", true);
    rpc_health_set(f->health, "a.B", false);
    wait_messages(&watch, 3);
    assert_int_equal(watch.last, 2);
    client_call_cancel(&watch.call);
    wait_done(&watch);
    assert_int_equal(watch.status.code, RPC_CANCELLED);
}

static void draining_tells_and_ends_all_watches(void **state)
{
    struct fixture *f = *state;
    struct question watch;

    rpc_health_set(f->health, "", true);
    ask_health(&watch, f, WATCH, "");
    wait_messages(&watch, 1);
    rpc_health_drain(f->health);
    wait_done(&watch);
    assert_int_equal(watch.status.code, RPC_OK);
    assert_int_equal(watch.messages, 2);
    assert_int_equal(watch.last, 2);
}

/* ---- Reflection. ---- */

typedef Grpc__Reflection__V1__ServerReflectionRequest reflection_request;
typedef Grpc__Reflection__V1__ServerReflectionResponse reflection_response;

static void note_reflection(struct question *question, const ProtobufCMessage *message)
{
    const reflection_response *response = (const reflection_response *)message;

    question->last = 0;
    question->text[0] = '\0';
    if (response->message_response_case ==
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE) {
        question->last = (int)response->list_services_response->n_service;
        snprintf(question->text, sizeof question->text, "%s",
                 response->list_services_response->service[0]->name);
    } else if (
        response->message_response_case ==
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE) {
        const Grpc__Reflection__V1__FileDescriptorResponse *files =
            response->file_descriptor_response;
        question->last = (int)files->n_file_descriptor_proto;
        /* A FileDescriptorProto begins with its name. */
        snprintf(question->text, sizeof question->text, "%.*s",
                 files->file_descriptor_proto[0].data[1],
                 (const char *)files->file_descriptor_proto[0].data + 2);
    } else if (response->message_response_case ==
               GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE) {
        question->last = -response->error_response->error_code;
    }
}

static void ask_reflection(struct question *question, struct fixture *f, const char *path,
                           const reflection_request *request)
{
    *question = (struct question){ .look = note_reflection };
    start(question, f, path, &grpc__reflection__v1__server_reflection_response__descriptor,
          &request->base);
    wait_done(question);
    assert_int_equal(question->status.code, RPC_OK);
    assert_int_equal(question->messages, 1);
}

#define REFLECT "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"

static void both_versions_list_the_services(void **state)
{
    reflection_request request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    struct question question;

    request.message_request_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES;
    request.list_services = "";
    ask_reflection(&question, *state, REFLECT, &request);
    assert_int_equal(question.last, 3);
    assert_string_equal(question.text, "grpc.health.v1.Health");
    ask_reflection(&question, *state,
                   "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &request);
    assert_int_equal(question.last, 3);
}

static void ask_symbol(struct question *question, struct fixture *f, const char *symbol)
{
    reflection_request request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;

    request.message_request_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL;
    request.file_containing_symbol = (char *)(uintptr_t)symbol;
    ask_reflection(question, f, REFLECT, &request);
}

static void symbols_of_every_kind_lead_to_their_file(void **state)
{
    const char *const symbols[] = {
        "grpc.health.v1.Health",
        "grpc.health.v1.Health.Check",
        "grpc.health.v1.HealthCheckRequest",
        "grpc.health.v1.HealthCheckRequest.service",
        "grpc.health.v1.HealthCheckResponse.ServingStatus",
        "grpc.health.v1.HealthCheckResponse.SERVING",
    };
    struct question question;

    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
        ask_symbol(&question, *state, symbols[i]);
        assert_int_equal(question.last, 1);
        assert_string_equal(question.text, "grpc/health/v1/health.proto");
    }
    ask_symbol(&question, *state, "grpc.health.v1.Nothing");
    assert_int_equal(question.last, -RPC_NOT_FOUND);
    ask_symbol(&question, *state, "sync.v1.SyncService.QueueJob");
    assert_string_equal(question.text, "sync/v1/sync.proto");
    assert_true(question.last > 1); /* with what it imports */
}

static void files_are_found_by_name(void **state)
{
    reflection_request request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    struct question question;

    request.message_request_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME;
    request.file_by_filename = "sync/v1/sync.proto";
    ask_reflection(&question, *state, REFLECT, &request);
    assert_string_equal(question.text, "sync/v1/sync.proto");
    request.file_by_filename = "../etc/passwd";
    ask_reflection(&question, *state, REFLECT, &request);
    assert_int_equal(question.last, -RPC_NOT_FOUND);
}

static void an_empty_question_is_refused(void **state)
{
    reflection_request request = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
    struct question question;

    ask_reflection(&question, *state, REFLECT, &request);
    assert_int_equal(question.last, -RPC_INVALID_ARGUMENT);
}

static void descriptors_that_do_not_parse_are_refused(void **state)
{
    struct bytes set = descriptor_set_built_in();
    const uint8_t garbage[] = { 0x0a, 0x05, 1, 2 };

    (void)state;
    assert_null(descriptor_index_new(bytes_of(garbage, sizeof garbage)));
    assert_null(descriptor_index_new(bytes_of(NULL, 0)));
    assert_null(descriptor_index_new(bytes_of(set.data, set.size - 1)));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_check_tells_what_was_set),
        TEST(a_watch_is_told_of_changes),
        TEST(draining_tells_and_ends_all_watches),
        TEST(both_versions_list_the_services),
        TEST(symbols_of_every_kind_lead_to_their_file),
        TEST(files_are_found_by_name),
        TEST(an_empty_question_is_refused),
        TEST(descriptors_that_do_not_parse_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
