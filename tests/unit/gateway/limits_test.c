#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/limits.h"

static void limits_that_nobody_sets_have_a_default(void **state)
{
    const struct http_limits none = { .connections = 10, .idle_ms = 5 };
    struct http_limits limits = http_limits_or_default(&none);

    (void)state;
    assert_int_equal(limits.connections, 10);
    assert_int_equal(limits.connections_per_address, 8);
    assert_int_equal(limits.watches, 5);
    assert_int_equal(limits.idle_ms, 5);
    assert_int_equal(limits.head_ms, HTTP_HEAD_MS);
    assert_int_equal(limits.body_bytes, HTTP_BODY_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_that_nobody_sets_have_a_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
