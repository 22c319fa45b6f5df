#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/host.h"

static void addresses_and_localhost_are_always_known(void **state)
{
    static const char *const known[] = { "127.0.0.1",    "127.0.0.1:8470", "10.1.2.3",
                                         "[::1]",        "[fe80::1]:8470", "localhost",
                                         "LocalHost:80", "sync.localhost" };

    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (!host_is_known(known[i], NULL))
            fail_msg("%s is not known", known[i]);
}

static void other_names_must_be_listed(void **state)
{
    static const char *const unknown[] = { "evil.example",
                                           "evil.example:8470",
                                           "notlocalhost",
                                           "localhost.evil",
                                           "127.0.0.1.evil",
                                           "127.1",
                                           "sync.internal.x",
                                           "sync",
                                           "" };

    (void)state;
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        if (host_is_known(unknown[i], "sync.internal, jobs"))
            fail_msg("%s is known", unknown[i]);
    assert_true(host_is_known("Sync.Internal:8470", "sync.internal, jobs"));
    assert_true(host_is_known("jobs", "sync.internal, jobs"));
}

static void a_star_is_any_name(void **state)
{
    (void)state;
    assert_true(host_is_known("evil.example", "*"));
    assert_false(host_is_known("evil.example", "*.internal"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_and_localhost_are_always_known),
        cmocka_unit_test(other_names_must_be_listed),
        cmocka_unit_test(a_star_is_any_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
