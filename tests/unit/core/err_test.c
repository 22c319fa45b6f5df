#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/err.h"

#include <string.h>

static void every_error_has_a_text(void **state)
{
    (void)state;
    for (enum err e = OK; e < ERR_COUNT; e++)
        assert_true(strlen(err_text(e)) > 0);
    assert_string_equal(err_text(ERR_UNAVAILABLE), "nothing was changed; retry");
}

static void a_reason_is_recorded_and_its_code_returned(void **state)
{
    struct why why = { .field = "left over" };

    (void)state;
    assert_int_equal(err_because(&why, ERR_CONFLICT, "job %d is %s", 7, "done"), ERR_CONFLICT);
    assert_string_equal(why.text, "job 7 is done");
    assert_string_equal(why.field, "");
    assert_int_equal(err_because(NULL, ERR_LIMIT, "nobody wants to know"), ERR_LIMIT);
}

static void a_wrong_field_is_named(void **state)
{
    struct why why;

    (void)state;
    assert_int_equal(err_field(&why, "data.entity", "is missing"), ERR_INVALID);
    assert_string_equal(why.field, "data.entity");
    assert_string_equal(why.text, "is missing");
}

static void what_is_too_long_is_cut(void **state)
{
    struct why why;
    char text[1000];

    (void)state;
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    (void)err_field(&why, text, "%s", text);
    assert_int_equal(strlen(why.field), sizeof why.field - 1);
    assert_int_equal(strlen(why.text), sizeof why.text - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_a_text),
        cmocka_unit_test(a_reason_is_recorded_and_its_code_returned),
        cmocka_unit_test(a_wrong_field_is_named),
        cmocka_unit_test(what_is_too_long_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
