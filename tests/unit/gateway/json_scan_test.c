#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/json_scan.h"
#include "gateway/json/json_writer.h"

static enum err scan(const char *text, unsigned depth_max, struct why *why)
{
    return json_scan(bytes_of_text(text), depth_max, why);
}

static void well_formed_documents_pass(void **state)
{
    static const char *const texts[] = {
        "{}",
        "[]",
        " { } ",
        "0",
        "-0",
        "-1.5e+10",
        "1E9",
        "\"\"",
        "\"\\u00e9\\n\\/\"",
        "true",
        "false",
        "null",
        "[1,2,{\"a\":[null]}]",
        "{\"a\":1,\"b\":{\"c\":[]}}\r\n\t",
        "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_int_equal(scan(texts[i], 8, NULL), OK);
}

static void malformed_documents_are_refused(void **state)
{
    static const char *const texts[] = {
        "",
        " ",
        "{",
        "}",
        "[1,]",
        "[,1]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{'a':1}",
        "01",
        "1.",
        ".5",
        "-",
        "1e",
        "+1",
        "0x10",
        "tru",
        "nul",
        "NaN",
        "\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"a\nb\"",
        "{} {}",
        "[1 2]",
        "\"\x80\"",
        "\"\xc0\xaf\"",
        "\"\xed\xa0\x80\"",
        "\"\xf4\x90\x80\x80\"",
        "\"\xe2\x82\"",
        "// c\n1",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct why why = { .text = "" };

        assert_int_equal(scan(texts[i], 8, &why), ERR_INVALID);
        assert_memory_equal(why.text, "Malformed JSON: ", 16);
    }
}

static void a_nul_byte_ends_nothing(void **state)
{
    (void)state;
    assert_int_equal(json_scan(bytes_of("1\0", 2), 8, NULL), ERR_INVALID);
    assert_int_equal(json_scan(bytes_of("\"a\0b\"", 5), 8, NULL), ERR_INVALID);
}

static void depth_is_limited_to_the_level(void **state)
{
    (void)state;
    assert_int_equal(scan("[[[]]]", 3, NULL), OK);
    assert_int_equal(scan("[[[[]]]]", 3, NULL), ERR_INVALID);
    assert_int_equal(scan("{\"a\":{\"b\":[1]}}", 3, NULL), OK);
    assert_int_equal(scan("1", 0, NULL), OK);
}

static void a_member_is_found_byte_for_byte(void **state)
{
    struct bytes text = bytes_of_text(" { \"x\\\"y\" : [1,{\"data\":2}] , \"data\" : { \"b\" : "
                                      "1.50,\n \"a\":\"}\" } ,\"z\":null}");
    struct bytes expected = bytes_of_text("{ \"b\" : 1.50,\n \"a\":\"}\" }");

    (void)state;
    assert_int_equal(json_scan(text, 8, NULL), OK);
    assert_true(bytes_equal(json_scan_member(text, 1), expected));
    assert_true(bytes_equal(json_scan_member(text, 0), bytes_of_text("[1,{\"data\":2}]")));
    assert_true(bytes_equal(json_scan_member(text, 2), bytes_of_text("null")));
}

static void an_array_or_object_is_walked_to_its_end(void **state)
{
    static const char *const lists[] = { " [ 1 , \"x\" ]", "{\"a\" : 1 , \"b\":\"x\"} " };
    struct bytes name = { 0 }, value;

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct json_items items = json_items_of(bytes_of_text(lists[i]));
        assert_true(json_items_next(&items, &name, &value));
        assert_true(bytes_equal(value, bytes_of_text("1")));
        assert_true(json_items_next(&items, &name, &value));
        assert_true(bytes_equal(value, bytes_of_text("\"x\"")));
        assert_false(json_items_next(&items, &name, &value));
        assert_false(json_items_next(&items, &name, &value));
    }
    assert_true(bytes_equal(name, bytes_of_text("\"b\"")));
    for (const char *empty = "[{"; *empty != '\0'; empty++) {
        struct json_items items = json_items_of(bytes_of_text(*empty == '[' ? "[ ]" : "{}"));
        assert_false(json_items_next(&items, &name, &value));
    }
}

static void escapes_say_what_they_stand_for(void **state)
{
    static const char *const texts[][2] = {
        { "\"\"", "" },
        { "\"as it is \xc3\xa9\"", "as it is \xc3\xa9" },
        { "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t" },
        { "\"\\u0041\\u00e9\\u20AC\"", "A\xc3\xa9\xe2\x82\xac" },
        { "\"\\ud83d\\ude00!\"", "\xf0\x9f\x98\x80!" },
        { "\"\\ud83d\"", "\xef\xbf\xbd" },
        { "\"\\ud83dx\\u0041\"", "\xef\xbf\xbdxA" },
        { "\"\\ud83d\\u0041\"", "\xef\xbf\xbd"
                                "A" },
        { "\"\\ude00\"", "\xef\xbf\xbd" },
    };
    struct arena *mem = arena_new(1 << 16);

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct bytes string = bytes_of_text(texts[i][0]);
        assert_int_equal(json_scan(string, 1, NULL), OK);
        assert_true(bytes_equal(json_scan_text(string, mem), bytes_of_text(texts[i][1])));
    }
    arena_free(mem);
}

static void objects_are_told_from_other_values(void **state)
{
    (void)state;
    assert_true(json_scan_is_object(bytes_of_text("\n {}")));
    assert_false(json_scan_is_object(bytes_of_text("[{}]")));
}

static void the_writer_escapes_and_mends(void **state)
{
    struct json_writer writer = { .size_max = 1000 };
    static const char expected[] =
        "{\"a\\\"\":\"x\\n\\u0001\xef\xbf\xbd\xef\xbf\xbd\xc3\xa9\",\"b\":[-5,18446744073709551615,"
        "true,{\"raw\": 1}],\"c\":{}}";

    (void)state;
    json_begin_object(&writer);
    json_key(&writer, "a\"");
    json_text(&writer, "x\n\x01\xff\xc3\xc3\xa9");
    json_key(&writer, "b");
    json_begin_array(&writer);
    json_int(&writer, -5);
    json_uint(&writer, UINT64_MAX);
    json_bool(&writer, true);
    json_raw(&writer, bytes_of_text("{\"raw\": 1}"));
    json_end_array(&writer);
    json_key(&writer, "c");
    json_begin_object(&writer);
    json_end_object(&writer);
    json_end_object(&writer);
    assert_false(writer.failed);
    assert_int_equal(writer.size, sizeof expected - 1);
    assert_memory_equal(writer.text, expected, writer.size);
    json_writer_free(&writer);
}

static void the_writer_stops_at_its_limit(void **state)
{
    struct json_writer writer = { .size_max = 2000 };

    (void)state;
    for (int i = 0; i < 1000; i++)
        json_text(&writer, "12345678");
    assert_true(writer.failed);
    assert_true(writer.size <= 2000);
    json_writer_free(&writer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(well_formed_documents_pass),
        cmocka_unit_test(malformed_documents_are_refused),
        cmocka_unit_test(a_nul_byte_ends_nothing),
        cmocka_unit_test(depth_is_limited_to_the_level),
        cmocka_unit_test(a_member_is_found_byte_for_byte),
        cmocka_unit_test(an_array_or_object_is_walked_to_its_end),
        cmocka_unit_test(escapes_say_what_they_stand_for),
        cmocka_unit_test(objects_are_told_from_other_values),
        cmocka_unit_test(the_writer_escapes_and_mends),
        cmocka_unit_test(the_writer_stops_at_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
