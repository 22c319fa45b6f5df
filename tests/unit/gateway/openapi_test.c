#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "gateway/json/field.h"
#include "core/base/json_scan.h"
#include "gateway/openapi/openapi.h"
#include "gateway/openapi/openapi_text.h"
#include "gateway/route.h"
#include "gateway/json/transcode_value.h"
#include "gateway/json/word_list.h"
#include "rpc/methods/methods.h"

/* What the description says besides what it is made of. */

static void the_document_is_json(void **state)
{
    struct json_writer writer = { .size_max = 1 << 20 };

    (void)state;
    openapi_write(&writer);
    assert_false(writer.failed);
    assert_int_equal(json_scan(bytes_of(writer.text, writer.size), 64, NULL), OK);
    json_writer_free(&writer);
}

static void every_route_says_what_it_is_for(void **state)
{
    size_t count;
    const struct route *routes = route_table(&count);

    (void)state;
    for (size_t i = 0; i < count; i++)
        if (routes[i].form != FORM_FILE && api_operation_of(routes[i].pattern) == NULL)
            fail_msg("%s lacks a row of operations[] in openapi_text.c", routes[i].pattern);
}

static const char *right_of(enum rpc_right right)
{
    switch (right) {
    case RPC_RIGHT_READ:
        return "content.read";
    case RPC_RIGHT_UPDATE:
        return "content.update";
    case RPC_RIGHT_DELETE:
        return "content.delete";
    case RPC_RIGHT_WORKER:
        return "worker";
    case RPC_RIGHT_ADMIN:
        return "admin";
    case RPC_RIGHT_NONE:
    default:
        return "none";
    }
}

static void every_route_names_the_right_that_its_method_needs(void **state)
{
    const struct methods_options options = { .version = "1" };
    struct methods *methods = methods_new(&options);
    struct rpc_registry *registry = rpc_registry_new();
    const struct rpc_service *service;
    size_t count;
    const struct route *routes = route_table(&count);

    (void)state;
    methods_register(methods, registry);
    for (size_t i = 0; i < count; i++) {
        const struct rpc_method *method = NULL;
        const char *right;

        if (routes[i].form == FORM_FILE)
            continue;
        right = api_operation_of(routes[i].pattern)->right;
        if (routes[i].rpc != NULL)
            method = rpc_registry_find(registry, bytes_of_text(routes[i].rpc), &service);
        assert_string_equal(right != NULL ? right : "none",
                            right_of(method != NULL ? method->right : RPC_RIGHT_NONE));
    }
    rpc_registry_free(registry);
    methods_free(methods);
}

static void assert_field_is_described(const ProtobufCMessageDescriptor *type,
                                      const ProtobufCFieldDescriptor *field);

static void assert_message_is_described(const ProtobufCMessageDescriptor *type)
{
    for (unsigned i = 0; i < type->n_fields; i++)
        assert_field_is_described(type, &type->fields[i]);
}

static void assert_field_is_described(const ProtobufCMessageDescriptor *type,
                                      const ProtobufCFieldDescriptor *field)
{
    char name[FIELD_NAME_MAX];

    field_json_name(field->name, name);
    if (strcmp(type->short_name, "JobData") == 0 && strcmp(name, "json") == 0)
        return; /* the object itself */
    if (api_field_of(type->short_name, name) == NULL)
        fail_msg("%s.%s lacks a row of fields[] in openapi_text.c", type->short_name, name);
    if (field->type == PROTOBUF_C_TYPE_MESSAGE && !is_timestamp(field) && !is_duration(field))
        assert_message_is_described(field->descriptor);
}

static void every_field_of_an_answer_says_what_it_means(void **state)
{
    size_t count;
    const struct route *routes = route_table(&count);

    (void)state;
    for (size_t i = 0; i < count; i++)
        if (routes[i].rpc != NULL && routes[i].form == FORM_JSON)
            assert_message_is_described(routes[i].response);
}

static void every_field_that_may_be_sent_says_what_it_means(void **state)
{
    size_t count;
    const struct route *routes = route_table(&count);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        const ProtobufCMessageDescriptor *type = routes[i].request;
        char name[FIELD_NAME_MAX];

        for (unsigned f = 0; type != NULL && f < type->n_fields; f++) {
            field_json_name(type->fields[f].name, name);
            if (word_list_has(routes[i].query, name) || word_list_has(routes[i].body, name))
                assert_field_is_described(type, &type->fields[f]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_document_is_json),
        cmocka_unit_test(every_route_says_what_it_is_for),
        cmocka_unit_test(every_route_names_the_right_that_its_method_needs),
        cmocka_unit_test(every_field_of_an_answer_says_what_it_means),
        cmocka_unit_test(every_field_that_may_be_sent_says_what_it_means),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
