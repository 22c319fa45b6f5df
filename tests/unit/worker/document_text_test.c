#include "tools/worker/connectors/csv.h"
#include "tools/worker/connectors/json_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <stdio.h>
#include <cmocka.h>

/* The two forms in which files hold records. */

static void collect(void *context, struct bytes name, struct bytes value)
{
    struct buffer *seen = context;

    buffer_add(seen, name.data, name.size);
    buffer_add_char(seen, '=');
    buffer_add(seen, value.data, value.size);
    buffer_add_char(seen, ';');
}

static bool scan(const char *text, struct buffer *seen, const char **reason)
{
    *reason = NULL;
    seen->size = 0;
    return json_scan_object(bytes_of_text(text), collect, seen, reason);
}

static void members_are_shown_as_they_were_written(void **state)
{
    struct buffer seen = { 0 };
    const char *reason;

    (void)state;
    assert_true(scan(" {\"id\" : 123456789012345678901234567890, \"a\":[1,{\"id\":2}],"
                     "\"b\":9.990, \"c\\n\":\"x\\u0041\" } ",
                     &seen, &reason));
    buffer_add_char(&seen, '\0');
    assert_string_equal((char *)seen.data,
                        "id=123456789012345678901234567890;a=[1,{\"id\":2}];b=9.990;"
                        "c\\n=\"x\\u0041\";");
    buffer_free(&seen);
}

static void what_is_not_one_object_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        " ",
        "[]",
        "1",
        "\"a\"",
        "{",
        "{}{}",
        "{} x",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{\"a\":01}",
        "{\"a\":1.}",
        "{\"a\":-}",
        "{\"a\":1e}",
        "{\"a\":+1}",
        "{\"a\":NaN}",
        "{\"a\":tru}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12g4\"}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"b",
        "{\"a\":[1,]}",
        "{\"a\":[1 2]}",
        "{\"a\":\"\xff\"}",
        "{\"a\":\"\xc0\x80\"}",
        "{\"a\":\"\xed\xa0\x80\"}",
        "{\"a\":\"\xf4\x90\x80\x80\"}",
        "{\"a\":\"\xe2\x82",
    };
    struct buffer seen = { 0 };
    const char *reason;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        if (scan(wrong[i], &seen, &reason))
            fail_msg("taken: %s", wrong[i]);
        assert_non_null(reason);
    }
    buffer_free(&seen);
}

static void nesting_has_a_bound(void **state)
{
    struct buffer text = { 0 }, seen = { 0 };
    const char *reason;

    (void)state;
    for (int depth = JSON_DEPTH_MAX - 1; depth <= JSON_DEPTH_MAX; depth++) {
        text.size = 0;
        buffer_add_text(&text, "{\"a\":");
        for (int i = 0; i < depth; i++)
            buffer_add_char(&text, '[');
        for (int i = 0; i < depth; i++)
            buffer_add_char(&text, ']');
        buffer_add(&text, "}", 2);
        assert_int_equal(scan((char *)text.data, &seen, &reason), depth < JSON_DEPTH_MAX);
    }
    buffer_free(&text);
    buffer_free(&seen);
}

static void assert_unescapes(const char *string, const char *expected)
{
    struct buffer text = { 0 };

    json_unescape(bytes_of_text(string), &text);
    buffer_add_char(&text, '\0');
    assert_string_equal((char *)text.data, expected);
    buffer_free(&text);
}

static void escapes_are_undone(void **state)
{
    (void)state;
    assert_unescapes("\"plain\"", "plain");
    assert_unescapes("\"a\\\"b\\\\c\\/d\\n\\t\"", "a\"b\\c/d\n\t");
    assert_unescapes("\"\\u0041\\u00e9\\u20ac\"", "A\xc3\xa9\xe2\x82\xac");
    assert_unescapes("\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80");
    assert_unescapes("\"\\ud83dx\"", "\xef\xbf\xbdx");
    assert_unescapes("\"\\ud83d\\u0041\"", "\xef\xbf\xbd"
                                           "A");
}

static void text_survives_writing_and_reading(void **state)
{
    static const char text[] = "quote \" backslash \\ line\nend\x01 \xc3\xa9";
    struct buffer json = { 0 };

    (void)state;
    buffer_add_json(&json, bytes_of_text(text));
    buffer_add_char(&json, '\0');
    assert_unescapes((char *)json.data, text);
    buffer_free(&json);
}

static void assert_csv(const char *line, const char *const expected[], size_t count)
{
    struct csv_record *record = calloc(1, sizeof *record);
    const char *reason = NULL;

    assert_true(csv_parse(bytes_of_text(line), ',', record, &reason));
    assert_int_equal(record->count, count);
    for (size_t i = 0; i < count; i++)
        assert_true(bytes_equal(record->fields[i], bytes_of_text(expected[i])));
    csv_free(record);
    free(record);
}

static void fields_are_cut_at_delimiters_and_quotes_are_undone(void **state)
{
    (void)state;
    assert_csv("", (const char *[]){ "" }, 1);
    assert_csv("a,b", (const char *[]){ "a", "b" }, 2);
    assert_csv("a,,", (const char *[]){ "a", "", "" }, 3);
    assert_csv("\"a,b\",\"say \"\"hi\"\"\"", (const char *[]){ "a,b", "say \"hi\"" }, 2);
    assert_csv("\"two\nlines\",x", (const char *[]){ "two\nlines", "x" }, 2);
    assert_csv("5\" pipe,\"\"", (const char *[]){ "5\" pipe", "" }, 2);
}

static void quotes_that_do_not_end_are_refused(void **state)
{
    static const char *const wrong[] = { "\"a", "\"a\"b", "x,\"a\"\"" };
    struct csv_record *record = calloc(1, sizeof *record);

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        const char *reason = NULL;

        assert_false(csv_parse(bytes_of_text(wrong[i]), ',', record, &reason));
        assert_non_null(reason);
    }
    csv_free(record);
    free(record);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_shown_as_they_were_written),
        cmocka_unit_test(what_is_not_one_object_is_refused),
        cmocka_unit_test(nesting_has_a_bound),
        cmocka_unit_test(escapes_are_undone),
        cmocka_unit_test(text_survives_writing_and_reading),
        cmocka_unit_test(fields_are_cut_at_delimiters_and_quotes_are_undone),
        cmocka_unit_test(quotes_that_do_not_end_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
