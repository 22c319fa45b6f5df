#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Runs with stderr turned into a file, and gives what was written there. */
static char captured[64 << 10];

static void capture(enum log_format format, enum log_level least, void (*write_lines)(void))
{
    int before = dup(STDERR_FILENO);
    FILE *file = tmpfile();
    size_t size;

    dup2(fileno(file), STDERR_FILENO);
    log_open(format, least);
    write_lines();
    dup2(before, STDERR_FILENO);
    close(before);
    rewind(file);
    size = fread(captured, 1, sizeof captured - 1, file);
    captured[size] = '\0';
    fclose(file);
    log_open(LOG_FORMAT_TEXT, LOG_INFO);
}

static void assert_ends_with(const char *end)
{
    size_t size = strlen(captured);

    assert_true(size >= strlen(end));
    assert_string_equal(captured + size - strlen(end), end);
}

static void write_ordinary(void)
{
    log_event(LOG_INFO, "listening", LOG_TEXT("rpc", "127.0.0.1:1"), LOG_INT("port", -9470));
}

static void write_hostile(void)
{
    log_event(LOG_ERROR, "bad", LOG_TEXT("v", "a\"b\\c\nd\x01\x7f\xc3\xa4\xff\xed\xa0\x80"),
              LOG_TEXT("none", NULL));
}

static void write_long(void)
{
    char text[3000];

    memset(text, '\1', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    log_event(LOG_INFO, "long", LOG_TEXT("a", text), LOG_TEXT("b", text), LOG_TEXT("c", text),
              LOG_TEXT("d", text), LOG_TEXT("e", text), LOG_TEXT("f", text), LOG_TEXT("g", text),
              LOG_TEXT("h", text), LOG_TEXT("i", text), LOG_TEXT("j", text), LOG_TEXT("k", text),
              LOG_TEXT("l", text), LOG_TEXT("m", text), LOG_TEXT("n", text), LOG_TEXT("o", text),
              LOG_INT("p", 1));
}

static void a_line_of_json_has_time_level_event_and_fields(void **state)
{
    (void)state;
    capture(LOG_FORMAT_JSON, LOG_INFO, write_ordinary);
    assert_int_equal(strncmp(captured, "{\"time\":\"20", 11), 0);
    assert_ends_with("Z\",\"level\":\"info\",\"event\":\"listening\","
                     "\"rpc\":\"127.0.0.1:1\",\"port\":-9470}\n");
}

static void a_line_for_people_has_the_same(void **state)
{
    (void)state;
    capture(LOG_FORMAT_TEXT, LOG_INFO, write_ordinary);
    assert_ends_with("Z info listening rpc=\"127.0.0.1:1\" port=-9470\n");
}

static void a_file_gets_json_unless_told_otherwise(void **state)
{
    (void)state;
    capture(LOG_FORMAT_AUTO, LOG_INFO, write_ordinary);
    assert_int_equal(captured[0], '{');
}

static void a_value_cannot_break_its_line(void **state)
{
    (void)state;
    capture(LOG_FORMAT_JSON, LOG_INFO, write_hostile);
    assert_ends_with("\"v\":\"a\\\"b\\\\c\\u000ad\\u0001\\u007f\xc3\xa4\\ufffd\\ufffd\\ufffd"
                     "\\ufffd\",\"none\":\"\"}\n");
    capture(LOG_FORMAT_TEXT, LOG_INFO, write_hostile);
    assert_ptr_equal(strchr(captured, '\n'), captured + strlen(captured) - 1);
}

static void a_line_is_bounded_and_still_whole(void **state)
{
    (void)state;
    capture(LOG_FORMAT_JSON, LOG_INFO, write_long);
    assert_in_range(strlen(captured), 10000, 20000);
    assert_ends_with("\",\"p\":1}\n");
}

static void what_is_below_the_level_is_not_written(void **state)
{
    (void)state;
    capture(LOG_FORMAT_JSON, LOG_WARNING, write_ordinary);
    assert_string_equal(captured, "");
    capture(LOG_FORMAT_JSON, LOG_WARNING, write_hostile);
    assert_string_not_equal(captured, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_of_json_has_time_level_event_and_fields),
        cmocka_unit_test(a_line_for_people_has_the_same),
        cmocka_unit_test(a_file_gets_json_unless_told_otherwise),
        cmocka_unit_test(a_value_cannot_break_its_line),
        cmocka_unit_test(a_line_is_bounded_and_still_whole),
        cmocka_unit_test(what_is_below_the_level_is_not_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
