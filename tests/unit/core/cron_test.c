#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/random.h"
#include "core/base/rfc3339.h"
#include "core/cron.h"

enum { MINUTE_S = 60, DAY_S = 86400 };

static int64_t at(const char *text)
{
    int64_t ms = 0;

    assert_true(rfc3339_read(bytes_of_text(text), &ms));
    return ms / 1000;
}

static struct cron cron_of(const char *text)
{
    struct why why = { .text = "" };
    struct cron cron;

    if (cron_read(bytes_of_text(text), &cron, &why) != OK)
        fail_msg("%s: %s", text, why.text);
    return cron;
}

/* The matches from `from` on are these, and the next ones after those. */
static void matches(const char *expression, const char *from, const char *const *times)
{
    struct cron cron = cron_of(expression);
    int64_t when = at(from);

    for (; *times != NULL; times++) {
        char text[RFC3339_SIZE];

        when = cron_next(&cron, when);
        rfc3339_write(when * 1000, text);
        if (strcmp(text, *times) != 0)
            fail_msg("%s: %s, not %s", expression, text, *times);
        when++;
    }
}

#define MATCHES(expression, from, ...)                                                             \
    matches((expression), (from), (const char *const[]){ __VA_ARGS__, NULL })

static void minutes_and_hours_are_matched_by_the_clock(void **state)
{
    (void)state;
    MATCHES("30 2 * * *", "2026-01-01T00:00:00Z", "2026-01-01T02:30:00Z", "2026-01-02T02:30:00Z");
    MATCHES("30 2 * * *", "2026-01-01T02:30:00Z", "2026-01-01T02:30:00Z");
    MATCHES("30 2 * * *", "2026-01-01T02:30:01Z", "2026-01-02T02:30:00Z");
    MATCHES("* * * * *", "2026-01-01T23:58:30Z", "2026-01-01T23:59:00Z", "2026-01-02T00:00:00Z");
    MATCHES("*/20 */12 * * *", "2026-12-31T12:30:00Z", "2026-12-31T12:40:00Z",
            "2027-01-01T00:00:00Z", "2027-01-01T00:20:00Z");
    MATCHES("59 23 * * *", "1969-12-31T20:00:00Z", "1969-12-31T23:59:00Z", "1970-01-01T23:59:00Z");
}

static void lists_ranges_and_steps_add_up(void **state)
{
    (void)state;
    MATCHES("5,1,50-59/4 0 * * *", "2026-01-01T00:00:00Z", "2026-01-01T00:01:00Z",
            "2026-01-01T00:05:00Z", "2026-01-01T00:50:00Z", "2026-01-01T00:54:00Z",
            "2026-01-01T00:58:00Z", "2026-01-02T00:01:00Z");
    MATCHES("0 9-17/4,20 * * *", "2026-01-01T00:00:00Z", "2026-01-01T09:00:00Z",
            "2026-01-01T13:00:00Z", "2026-01-01T17:00:00Z", "2026-01-01T20:00:00Z");
}

static void months_and_weekdays_have_names(void **state)
{
    (void)state;
    MATCHES("0 0 1 feb,Jul-SEP *", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z",
            "2026-07-01T00:00:00Z", "2026-08-01T00:00:00Z", "2026-09-01T00:00:00Z",
            "2027-02-01T00:00:00Z");
    MATCHES("0 0 * * mon", "2026-01-01T00:00:00Z", "2026-01-05T00:00:00Z", "2026-01-12T00:00:00Z");
    MATCHES("0 0 * * Fri-Sun", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z",
            "2026-01-03T00:00:00Z", "2026-01-04T00:00:00Z", "2026-01-09T00:00:00Z");
}

static void sunday_is_0_and_7(void **state)
{
    static const char *const sundays[] = { "0 0 * * 0", "0 0 * * 7", "0 0 * * sun", "0 0 * * 7-7" };

    (void)state;
    for (int i = 0; i < 4; i++)
        MATCHES(sundays[i], "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z", "2026-01-11T00:00:00Z");
    MATCHES("0 0 * * 6-7", "2026-01-01T00:00:00Z", "2026-01-03T00:00:00Z", "2026-01-04T00:00:00Z",
            "2026-01-10T00:00:00Z");
    MATCHES("0 0 * * sun-mon", "2026-01-01T00:00:00Z", "2026-01-04T00:00:00Z",
            "2026-01-05T00:00:00Z", "2026-01-11T00:00:00Z");
}

static void where_both_day_fields_are_restricted_either_suffices(void **state)
{
    (void)state;
    MATCHES("0 0 13 * fri", "2026-02-01T00:00:00Z", "2026-02-06T00:00:00Z", "2026-02-13T00:00:00Z",
            "2026-02-20T00:00:00Z", "2026-02-27T00:00:00Z", "2026-03-06T00:00:00Z",
            "2026-03-13T00:00:00Z");
    /* One that begins with * is not restricted: then both must agree. */
    MATCHES("0 0 */2 * fri", "2026-02-01T00:00:00Z", "2026-02-13T00:00:00Z", "2026-02-27T00:00:00Z",
            "2026-03-13T00:00:00Z");
    MATCHES("0 0 13 * */5", "2026-01-01T00:00:00Z", "2026-02-13T00:00:00Z", "2026-03-13T00:00:00Z",
            "2026-09-13T00:00:00Z");
    MATCHES("0 0 31 2 mon", "2026-02-01T00:00:00Z", "2026-02-02T00:00:00Z", "2026-02-09T00:00:00Z");
}

static void days_that_are_rare_are_found(void **state)
{
    (void)state;
    MATCHES("0 0 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T00:00:00Z", "2032-02-29T00:00:00Z");
    MATCHES("0 0 29 2 *", "2097-01-01T00:00:00Z", "2104-02-29T00:00:00Z");
    MATCHES("0 0 31 * *", "2026-01-31T00:01:00Z", "2026-03-31T00:00:00Z", "2026-05-31T00:00:00Z");
    MATCHES("0 0 29 2 */7", "2026-01-01T00:00:00Z", "2032-02-29T00:00:00Z", "2060-02-29T00:00:00Z",
            "2088-02-29T00:00:00Z", "2128-02-29T00:00:00Z");
}

static void macros_stand_for_five_fields(void **state)
{
    (void)state;
    MATCHES("@hourly", "2026-01-01T00:30:00Z", "2026-01-01T01:00:00Z", "2026-01-01T02:00:00Z");
    MATCHES("@daily", "2026-01-01T00:30:00Z", "2026-01-02T00:00:00Z");
    MATCHES("@midnight", "2026-01-01T00:30:00Z", "2026-01-02T00:00:00Z");
    MATCHES("@weekly", "2026-01-01T00:30:00Z", "2026-01-04T00:00:00Z");
    MATCHES("@monthly", "2026-01-01T00:30:00Z", "2026-02-01T00:00:00Z");
    MATCHES("@yearly", "2026-01-01T00:30:00Z", "2027-01-01T00:00:00Z");
    MATCHES("@annually", "2026-01-01T00:30:00Z", "2027-01-01T00:00:00Z");
}

static void it_says_whether_it_names_hours(void **state)
{
    static const struct {
        const char *text;
        bool names;
    } cases[] = { { "0 * * * *", false },   { "*/5 0-23 * * *", false }, { "@hourly", false },
                  { "* */1 1 1 *", false }, { "0 2 * * *", true },       { "* 0-22 * * *", true },
                  { "0 */2 * * *", true } };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct cron cron = cron_of(cases[i].text);

        assert_int_equal(cron_names_hours(&cron), cases[i].names);
    }
}

static void what_cannot_be_read_is_refused_with_its_reason(void **state)
{
    static const struct {
        const char *text, *reason;
    } cases[] = {
        { "", "five fields" },
        { "* * * *", "five fields" },
        { "* * * * * *", "five fields" },
        { "60 * * * *", "minute must be 0 to 59" },
        { "-1 * * * *", "minute must be *" },
        { "* 24 * * *", "hour must be 0 to 23" },
        { "* * 0 * *", "day of month must be 1 to 31" },
        { "* * 32 * *", "day of month must be 1 to 31" },
        { "* * * 13 *", "month must be 1 to 12" },
        { "* * * 0 *", "month must be 1 to 12" },
        { "* * * * 8", "day of week must be 0 to 7" },
        { "* * * mon *", "month must be *" },
        { "* * * * jan", "day of week must be *" },
        { "* * * * monday", "day of week must be *" },
        { "5/15 * * * *", "minute has a step behind a single value" },
        { "*/0 * * * *", "the step of minute must be 1 to 59" },
        { "*/60 * * * *", "the step of minute must be 1 to 59" },
        { "*/ * * * *", "the step of minute" },
        { "* 5-3 * * *", "hour has a range that ends before it begins" },
        { "* * * * fri-mon", "day of week has a range that ends before it begins" },
        { "1,,2 * * * *", "minute must be *" },
        { "1, * * * *", "minute must be *" },
        { "1-2-3 * * * *", "minute must be *" },
        { "** * * * *", "minute must be *" },
        { "*5 * * * *", "minute must be *" },
        { "? * * * *", "minute must be *" },
        { "* * L * *", "day of month must be *" },
        { "* * * * 5#2", "day of week must be *" },
        { "0000000001 * * * *", "minute must be" },
        { "4294967297 * * * *", "minute must be" },
        { "* * * *\n*", "five fields" },
        { "0 0 31 2 *", "none of its months has such a day" },
        { "0 0 30,31 feb *", "none of its months has such a day" },
        { "0 0 31 4,6,9,11 *", "none of its months has such a day" },
        { "@reboot", "@hourly" },
        { "@every 1h", "@hourly" },
        { "@", "@hourly" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct why why = { .text = "" };
        struct cron cron;

        if (cron_read(bytes_of_text(cases[i].text), &cron, &why) != ERR_INVALID)
            fail_msg("%s is accepted", cases[i].text);
        assert_string_equal(why.field, "schedule.cron");
        if (strstr(why.text, cases[i].reason) == NULL)
            fail_msg("%s: %s", cases[i].text, why.text);
    }
}

static void an_expression_is_bounded_in_length(void **state)
{
    char text[CRON_SIZE_MAX + 2];
    struct cron cron;

    (void)state;
    memset(text, ' ', sizeof text);
    memcpy(text, "* * * * *", 9);
    assert_int_equal(cron_read(bytes_of(text, CRON_SIZE_MAX), &cron, NULL), OK);
    assert_int_equal(cron_read(bytes_of(text, CRON_SIZE_MAX + 1), &cron, NULL), ERR_INVALID);
}

static void spaces_and_tabs_part_the_fields(void **state)
{
    (void)state;
    MATCHES("  30\t2  *\t* *  ", "2026-01-01T00:00:00Z", "2026-01-01T02:30:00Z");
}

/* ---- against a search minute by minute ---- */

struct written {
    char text[CRON_SIZE_MAX];
    bool members[5][64], starred[5];
};

static const int least[5] = { 0, 0, 1, 1, 0 }, most[5] = { 59, 23, 31, 12, 6 };

/* A field that is written and, apart from that, listed. */
static void write_field(struct written *w, int field, struct random *dice)
{
    char *end = w->text + strlen(w->text);
    size_t room = sizeof w->text - (size_t)(end - w->text);
    int span = most[field] - least[field] + 1;
    int low = least[field] + (int)random_below(dice, (uint64_t)span);
    int high = low + (int)random_below(dice, (uint64_t)(most[field] - low + 1));
    int step = 1 + (int)random_below(dice, (uint64_t)(span < 12 ? span - 1 : 11));

    switch (random_below(dice, 5)) {
    case 0:
        snprintf(end, room, "%d,%d ", low, high);
        w->members[field][low] = w->members[field][high] = true;
        return;
    case 1:
        snprintf(end, room, "%d-%d/%d ", low, high, step);
        break;
    case 2:
        snprintf(end, room, "*/%d ", step);
        low = least[field], high = most[field];
        w->starred[field] = true;
        break;
    default:
        snprintf(end, room, "* ");
        low = least[field], high = most[field], step = 1;
        w->starred[field] = true;
        break;
    }
    for (int i = low; i <= high; i += step)
        w->members[field][i] = true;
}

static bool is_match(const struct written *w, int64_t wall_s)
{
    struct civil c = civil_from_ms(wall_s * 1000);
    bool day = w->members[2][c.day], weekday = w->members[4][(wall_s / DAY_S + 4) % 7];

    if (!w->starred[2] && !w->starred[4])
        day = day || weekday;
    else
        day = day && weekday;
    return w->members[0][c.minute] && w->members[1][c.hour] && w->members[3][c.month] && day;
}

static void the_next_match_is_the_first_by_a_search(void **state)
{
    enum { SEARCH_MINUTES = 60 * 24 * 40 };
    struct random_seeded dice;
    int found = 0;

    (void)state;
    random_seeded_init(&dice, 3);
    for (int i = 0; i < 300; i++) {
        struct written w = { .text = "" };
        int64_t from = (int64_t)random_below(&dice.base, 2000000000), next, searched;
        struct cron cron;

        for (int field = 0; field < 5; field++)
            write_field(&w, field, &dice.base);
        if (cron_read(bytes_of_text(w.text), &cron, NULL) != OK)
            continue; /* a day that never comes */
        next = cron_next(&cron, from);
        searched = from + (MINUTE_S - from % MINUTE_S) % MINUTE_S;
        for (int n = 0; n < SEARCH_MINUTES && !is_match(&w, searched); n++)
            searched += MINUTE_S;
        if (!is_match(&w, searched)) {
            assert_true(next >= searched);
            continue;
        }
        if (next != searched)
            fail_msg("%s from %lld: %lld, not %lld", w.text, (long long)from, (long long)next,
                     (long long)searched);
        found++;
    }
    assert_true(found > 150);
}

/* ---- any bytes ---- */

static void read_any(const char *text, size_t size)
{
    char *copy = malloc(size + 1); /* of its own: overruns are seen */
    struct why why = { .text = "" };
    struct cron cron;
    enum err e;

    assert_non_null(copy);
    memcpy(copy, text, size);
    e = cron_read(bytes_of(copy, size), &cron, &why);
    if (e == OK) {
        int64_t next = cron_next(&cron, 1000000007);

        assert_true(next >= 1000000007 && next % MINUTE_S == 0);
        assert_int_equal(cron_next(&cron, next), next);
    } else {
        assert_int_equal(e, ERR_INVALID);
        assert_string_equal(why.field, "schedule.cron");
    }
    free(copy);
}

static void any_bytes_are_read_or_refused(void **state)
{
    static const char *const seeds[] = { "*/15 0-4/2 1,15 jan-mar mon-fri", "@daily",
                                         "59 23 29 2 sat-sun", "0 0 1 1 0,7" };
    static const char alphabet[] = "0123456789*/-, \t@?#LWjanfebsunmon\xff\n";
    struct random_seeded dice;

    (void)state;
    random_seeded_init(&dice, 17);
    for (int i = 0; i < 200000; i++) {
        char text[CRON_SIZE_MAX * 2];
        size_t size = random_below(&dice.base, 40);

        for (size_t n = 0; n < size; n++)
            text[n] = alphabet[random_below(&dice.base, sizeof alphabet)];
        if (i % 4 != 0) {
            const char *seed = seeds[random_below(&dice.base, 4)];

            size = strlen(seed);
            memcpy(text, seed, size);
            for (uint64_t hits = random_below(&dice.base, 4); hits > 0; hits--)
                text[random_below(&dice.base, size)] =
                    i % 2 ? (char)random_below(&dice.base, 256)
                          : alphabet[random_below(&dice.base, sizeof alphabet)];
        }
        read_any(text, size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(minutes_and_hours_are_matched_by_the_clock),
        cmocka_unit_test(lists_ranges_and_steps_add_up),
        cmocka_unit_test(months_and_weekdays_have_names),
        cmocka_unit_test(sunday_is_0_and_7),
        cmocka_unit_test(where_both_day_fields_are_restricted_either_suffices),
        cmocka_unit_test(days_that_are_rare_are_found),
        cmocka_unit_test(macros_stand_for_five_fields),
        cmocka_unit_test(it_says_whether_it_names_hours),
        cmocka_unit_test(what_cannot_be_read_is_refused_with_its_reason),
        cmocka_unit_test(an_expression_is_bounded_in_length),
        cmocka_unit_test(spaces_and_tabs_part_the_fields),
        cmocka_unit_test(the_next_match_is_the_first_by_a_search),
        cmocka_unit_test(any_bytes_are_read_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
