#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "rpc/status.h"

static void every_error_has_its_code(void **state)
{
    static const struct {
        enum err e;
        enum rpc_code code;
    } cases[] = {
        { OK, RPC_OK },
        { ERR_INVALID, RPC_INVALID_ARGUMENT },
        { ERR_NOT_FOUND, RPC_NOT_FOUND },
        { ERR_EXISTS, RPC_ALREADY_EXISTS },
        { ERR_CONFLICT, RPC_FAILED_PRECONDITION },
        { ERR_STALE, RPC_ABORTED },
        { ERR_DENIED, RPC_PERMISSION_DENIED },
        { ERR_LIMIT, RPC_RESOURCE_EXHAUSTED },
        { ERR_TIMEOUT, RPC_DEADLINE_EXCEEDED },
        { ERR_CANCELLED, RPC_CANCELLED },
        { ERR_UNSUPPORTED, RPC_UNIMPLEMENTED },
        { ERR_UNAVAILABLE, RPC_UNAVAILABLE },
        { ERR_UNCERTAIN, RPC_UNKNOWN },
        { ERR_CORRUPT, RPC_DATA_LOSS },
    };
    const struct why why = { .text = "because" };

    (void)state;
    assert_int_equal(sizeof cases / sizeof cases[0], ERR_COUNT);
    for (size_t i = 0; i < ERR_COUNT; i++) {
        struct rpc_status status;
        rpc_status_from_err(&status, cases[i].e, &why);
        assert_int_equal(status.code, cases[i].code);
        assert_string_equal(status.message, cases[i].e == OK ? "" : "because");
        rpc_status_from_err(&status, cases[i].e, NULL);
        assert_string_equal(status.message, cases[i].e == OK ? "" : err_text(cases[i].e));
    }
}

static void the_field_and_the_delay_survive_packing(void **state)
{
    const struct why why = { .field = "data.entity", .text = "must be a name" };
    struct arena *mem = arena_new(1 << 16);
    struct rpc_status status, back = { .code = RPC_INVALID_ARGUMENT };

    (void)state;
    rpc_status_from_err(&status, ERR_INVALID, &why);
    status.retry_after_ms = 1234;
    rpc_status_unpack(&back, rpc_status_pack(&status, mem));
    assert_string_equal(back.violation.field, "data.entity");
    assert_string_equal(back.violation.description, "must be a name");
    assert_int_equal(back.retry_after_ms, 1234);
    arena_free(mem);
}

static void a_status_without_details_packs_to_nothing(void **state)
{
    struct arena *mem = arena_new(1 << 16);
    struct rpc_status status;

    (void)state;
    rpc_status_set(&status, RPC_NOT_FOUND, "nothing here");
    assert_int_equal(rpc_status_pack(&status, mem).size, 0);
    arena_free(mem);
}

static void broken_details_are_ignored(void **state)
{
    const uint8_t garbage[] = { 0x0a, 0xff, 0xff, 0xff, 0x7f, 1, 2, 3 };
    struct rpc_status status = { .code = RPC_NOT_FOUND };

    (void)state;
    rpc_status_unpack(&status, bytes_of(garbage, sizeof garbage));
    rpc_status_unpack(&status, bytes_of(NULL, 0));
    assert_string_equal(status.violation.field, "");
    assert_int_equal(status.retry_after_ms, 0);
}

/* A status with a delay of some other server, as it travels. */
static struct bytes pack_delay(int64_t seconds, int32_t nanos, struct arena *mem)
{
    Google__Protobuf__Duration delay = GOOGLE__PROTOBUF__DURATION__INIT;
    Google__Rpc__RetryInfo info = GOOGLE__RPC__RETRY_INFO__INIT;
    Google__Protobuf__Any any = GOOGLE__PROTOBUF__ANY__INIT, *details[] = { &any };
    Google__Rpc__Status status = GOOGLE__RPC__STATUS__INIT;
    uint8_t *bytes = arena_alloc(mem, 256);

    delay.seconds = seconds;
    delay.nanos = nanos;
    info.retry_delay = &delay;
    any.type_url = (char *)"type.googleapis.com/google.rpc.RetryInfo";
    any.value.data = arena_alloc(mem, 64);
    any.value.len = google__rpc__retry_info__pack(&info, any.value.data);
    status.n_details = 1;
    status.details = details;
    return bytes_of(bytes, google__rpc__status__pack(&status, bytes));
}

static void a_delay_that_is_none_is_ignored(void **state)
{
    struct arena *mem = arena_new(1 << 16);
    struct rpc_status status = { .code = RPC_UNAVAILABLE };

    (void)state;
    rpc_status_unpack(&status, pack_delay(2, 500000000, mem));
    assert_int_equal(status.retry_after_ms, 2500);
    status.retry_after_ms = 0;
    rpc_status_unpack(&status, pack_delay(0, -2000000, mem));
    rpc_status_unpack(&status, pack_delay(0, 1000000000, mem));
    rpc_status_unpack(&status, pack_delay(-1, 0, mem));
    rpc_status_unpack(&status, pack_delay(INT64_MAX, 0, mem));
    assert_int_equal(status.retry_after_ms, 0);
    arena_free(mem);
}

static void a_long_message_is_cut_between_characters(void **state)
{
    char text[300], *end = text;
    struct rpc_status status;

    (void)state;
    *end++ = 'x';
    for (int i = 0; i < 140; i++) {
        *end++ = (char)0xc3;
        *end++ = (char)0xa4;
    }
    *end = '\0';
    rpc_status_set(&status, RPC_UNKNOWN, "%s", text);
    assert_int_equal(strlen(status.message), 255);
    rpc_status_set(&status, RPC_UNKNOWN, "%s", text + 1);
    assert_int_equal(strlen(status.message), 254);
}

static void every_code_has_its_name(void **state)
{
    (void)state;
    assert_string_equal(rpc_code_name(RPC_OK), "OK");
    assert_string_equal(rpc_code_name(RPC_UNAUTHENTICATED), "UNAUTHENTICATED");
    assert_string_equal(rpc_code_name(RPC_INTERNAL), "INTERNAL");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_its_code),
        cmocka_unit_test(the_field_and_the_delay_survive_packing),
        cmocka_unit_test(a_status_without_details_packs_to_nothing),
        cmocka_unit_test(broken_details_are_ignored),
        cmocka_unit_test(a_delay_that_is_none_is_ignored),
        cmocka_unit_test(a_long_message_is_cut_between_characters),
        cmocka_unit_test(every_code_has_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
