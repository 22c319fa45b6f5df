#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/random.h"
#include "core/base/rfc3339.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int64_t read_text(const char *text)
{
    int64_t ms;

    if (!rfc3339_read(bytes_of_text(text), &ms))
        fail_msg("\"%s\" is refused", text);
    return ms;
}

static void assert_refused(const char *text)
{
    int64_t ms = 77;

    if (rfc3339_read(bytes_of_text(text), &ms))
        fail_msg("\"%s\" is accepted", text);
    assert_int_equal(ms, 77);
}

static void assert_written(int64_t ms, const char *expected)
{
    char text[RFC3339_SIZE];

    rfc3339_write(ms, text);
    assert_string_equal(text, expected);
}

static void known_times_are_written_and_read(void **state)
{
    static const struct {
        int64_t ms;
        const char *text;
    } known[] = {
        { 0, "1970-01-01T00:00:00Z" },
        { -1, "1969-12-31T23:59:59.999Z" },
        { 1672574400000, "2023-01-01T12:00:00Z" },
        { 951782400000, "2000-02-29T00:00:00Z" },
        { 951868799001, "2000-02-29T23:59:59.001Z" },
        { -62135596800000, "0001-01-01T00:00:00Z" },
        { 253402300799999, "9999-12-31T23:59:59.999Z" },
        { 4107542400000, "2100-03-01T00:00:00Z" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        assert_written(known[i].ms, known[i].text);
        assert_int_equal(read_text(known[i].text), known[i].ms);
    }
}

static void what_section_5_6_allows_is_read(void **state)
{
    (void)state;
    assert_int_equal(read_text("1985-04-12T23:20:50.52Z"), 482196050520);
    assert_int_equal(read_text("1996-12-19T16:39:57-08:00"), 851042397000);
    assert_int_equal(read_text("1937-01-01T12:00:27.87+00:20"), -1041337172130);
    assert_int_equal(read_text("1985-04-12t23:20:50.52z"), 482196050520);
    assert_int_equal(read_text("1970-01-01T00:00:00-00:00"), 0);
    assert_int_equal(read_text("1970-01-01T00:00:00.0019999999999999999Z"), 1);
    assert_int_equal(read_text("1970-01-01T23:59:00+23:59"), 0);
}

static void a_leap_second_is_the_second_after_it(void **state)
{
    (void)state;
    assert_int_equal(read_text("1990-12-31T23:59:60Z"), read_text("1991-01-01T00:00:00Z"));
    assert_int_equal(read_text("1990-12-31T15:59:60-08:00"), read_text("1991-01-01T00:00:00Z"));
    assert_int_equal(read_text("2016-12-31T23:59:60.5Z"), read_text("2017-01-01T00:00:00.5Z"));
    assert_refused("1990-12-30T23:59:60Z");
    assert_refused("1990-12-31T22:59:60Z");
    assert_refused("1990-12-31T23:58:60Z");
}

static void anything_else_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        "2023",
        "2023-01-01",
        "2023-01-01T12:00:00",
        "2023-01-01 12:00:00Z",
        "2023-01-01T12:00Z",
        "2023-1-01T12:00:00Z",
        "2023-01-01T12:00:00.Z",
        "2023-01-01T12:00:00,5Z",
        "2023-01-01T12:00:00Z ",
        " 2023-01-01T12:00:00Z",
        "2023-01-01T12:00:00+1:00",
        "2023-01-01T12:00:00+0100",
        "2023-01-01T12:00:00+24:00",
        "2023-01-01T12:00:00+01:60",
        "2023-01-01T24:00:00Z",
        "2023-01-01T12:60:00Z",
        "2023-01-01T12:00:61Z",
        "2023-00-01T12:00:00Z",
        "2023-13-01T12:00:00Z",
        "2023-01-00T12:00:00Z",
        "2023-01-32T12:00:00Z",
        "2023-02-29T12:00:00Z",
        "1900-02-29T12:00:00Z",
        "2023-04-31T12:00:00Z",
        "0000-01-01T00:00:00Z",
        "-001-01-01T00:00:00Z",
        "12023-01-01T12:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
        "9999-12-31T23:59:60Z",
        "2023-01-01T12:00:00ZZ",
        "2023-01-01TT12:00:00Z",
        "yesterday",
    };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_refused(wrong[i]);
}

static void civil_dates_agree_with_the_c_library(void **state)
{
    struct random_seeded random;

    (void)state;
    random_seeded_init(&random, 1);
    for (unsigned i = 0; i < 200000; i++) {
        int64_t ms =
            (int64_t)random_below(&random.base, 2 * UINT64_C(315537897600000)) - 315537897600000;
        struct civil c = civil_from_ms(ms);
        time_t s = (time_t)((ms - c.ms) / 1000);
        struct tm tm;

        assert_int_equal((ms - c.ms) % 1000, 0);
        assert_in_range(c.ms, 0, 999);
        gmtime_r(&s, &tm);
        assert_int_equal(c.year, tm.tm_year + 1900);
        assert_int_equal(c.month, tm.tm_mon + 1);
        assert_int_equal(c.day, tm.tm_mday);
        assert_int_equal(c.hour, tm.tm_hour);
        assert_int_equal(c.minute, tm.tm_min);
        assert_int_equal(c.second, tm.tm_sec);
        assert_int_equal(civil_to_ms(&c), ms);
    }
}

static void months_have_their_days(void **state)
{
    (void)state;
    assert_int_equal(civil_days_in_month(2023, 1), 31);
    assert_int_equal(civil_days_in_month(2023, 2), 28);
    assert_int_equal(civil_days_in_month(2024, 2), 29);
    assert_int_equal(civil_days_in_month(2000, 2), 29);
    assert_int_equal(civil_days_in_month(2100, 2), 28);
    assert_int_equal(civil_days_in_month(2023, 11), 30);
    assert_int_equal(civil_days_in_month(2023, 12), 31);
}

/* Whatever is accepted means one time, which is written as one text, which
 * means it again; and nothing behind the text is looked at (each lies in a block
 * of just its size, where a sanitizer sees). */
static void check_mutant(const char *text, size_t size)
{
    char *exact = malloc(size > 0 ? size : 1), written[RFC3339_SIZE];
    int64_t ms, again;

    memcpy(exact, text, size);
    if (rfc3339_read(bytes_of(exact, size), &ms)) {
        rfc3339_write(ms, written);
        assert_true(rfc3339_read(bytes_of_text(written), &again));
        assert_int_equal(again, ms);
    }
    free(exact);
}

static void no_mutation_of_a_time_is_misread(void **state)
{
    static const char alphabet[] = "0123456789999-:.TtZz+ \xff";
    struct random_seeded random;
    char text[64];

    (void)state;
    random_seeded_init(&random, 2);
    for (unsigned i = 0; i < 300000; i++) {
        size_t size =
            (size_t)snprintf(text, sizeof text, "%s",
                             i % 2 ? "2016-12-31T23:59:59.125+01:30" : "9999-12-31T23:59:60Z");
        uint64_t changes = random_below(&random.base, 4);

        for (uint64_t c = 0; c < changes; c++)
            text[random_below(&random.base, size)] =
                alphabet[random_below(&random.base, sizeof alphabet - 1)];
        check_mutant(text, random_below(&random.base, 8) == 0
                               ? (size_t)random_below(&random.base, size + 1)
                               : size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_times_are_written_and_read),
        cmocka_unit_test(what_section_5_6_allows_is_read),
        cmocka_unit_test(a_leap_second_is_the_second_after_it),
        cmocka_unit_test(anything_else_is_refused),
        cmocka_unit_test(civil_dates_agree_with_the_c_library),
        cmocka_unit_test(months_have_their_days),
        cmocka_unit_test(no_mutation_of_a_time_is_misread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
