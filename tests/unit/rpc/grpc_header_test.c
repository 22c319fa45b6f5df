#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rpc/grpc/grpc_header.h"

static int setup(void **state)
{
    *state = arena_new(1 << 20);
    return 0;
}

static int teardown(void **state)
{
    arena_free(*state);
    return 0;
}

static void assert_bytes(struct bytes bytes, const char *text)
{
    assert_non_null(bytes.data);
    assert_int_equal(bytes.size, strlen(text));
    assert_memory_equal(bytes.data, text, bytes.size);
}

static void own_names_are_reserved(void **state)
{
    const char *const ours[] = { ":path", "grpc-timeout", "grpc-anything", "te", "content-type" };
    const char *const theirs[] = { "x-request-id", "authorization", "user-agent", "t", "grpcx" };

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        assert_true(grpc_name_is_reserved(bytes_of_text(ours[i])));
        assert_false(grpc_name_is_reserved(bytes_of_text(theirs[i])));
    }
    assert_true(grpc_name_is_reserved(bytes_of_text("")));
}

static void names_and_values_that_may_be_sent(void **state)
{
    (void)state;
    assert_true(grpc_name_is_valid(bytes_of_text("a-b_c.9")));
    assert_false(grpc_name_is_valid(bytes_of_text("Upper")));
    assert_false(grpc_name_is_valid(bytes_of_text("with space")));
    assert_false(grpc_name_is_valid(bytes_of_text("")));
    assert_true(grpc_value_is_valid(bytes_of_text("any, printable ~ value")));
    assert_true(grpc_value_is_valid(bytes_of_text("")));
    assert_false(grpc_value_is_valid(bytes_of_text(" leading")));
    assert_false(grpc_value_is_valid(bytes_of_text("trailing ")));
    assert_false(grpc_value_is_valid(bytes_of_text("new\nline")));
    assert_false(grpc_value_is_valid(bytes_of_text("\xc3\xa4")));
    assert_true(grpc_name_is_binary(bytes_of_text("x-bin")));
    assert_false(grpc_name_is_binary(bytes_of_text("-bin")));
    assert_false(grpc_name_is_binary(bytes_of_text("xbin")));
}

static void content_types_of_grpc(void **state)
{
    const char *const ours[] = { "application/grpc", "application/grpc+proto",
                                 "application/grpc;charset=utf-8", "application/grpc+proto; x=y" };
    const char *const theirs[] = { "",
                                   "application/json",
                                   "application/grpc-web",
                                   "application/grp",
                                   "application/grpc+json",
                                   "application/grpcx" };

    (void)state;
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        assert_true(grpc_content_type_is_ours(bytes_of_text(ours[i])));
    for (size_t i = 0; i < sizeof theirs / sizeof theirs[0]; i++)
        assert_false(grpc_content_type_is_ours(bytes_of_text(theirs[i])));
}

static void messages_are_percent_encoded(void **state)
{
    assert_bytes(grpc_message_encode(bytes_of_text("100% ok\n\xc3\xa4"), *state),
                 "100%25 ok%0A%C3%A4");
    assert_bytes(grpc_message_encode(bytes_of_text(" x "), *state), "%20x%20");
    assert_bytes(grpc_message_decode(bytes_of_text("100%25 ok%0A%c3%A4"), *state),
                 "100% ok\n\xc3\xa4");
    assert_bytes(grpc_message_decode(bytes_of_text("50% %zz %4"), *state), "50% %zz %4");
    assert_bytes(grpc_message_encode(bytes_of_text(""), *state), "");
}

static void every_byte_survives_the_percent_encoding(void **state)
{
    uint8_t all[256];
    struct bytes back;

    for (unsigned i = 0; i < 256; i++)
        all[i] = (uint8_t)i;
    back = grpc_message_decode(grpc_message_encode(bytes_of(all, 256), *state), *state);
    assert_int_equal(back.size, 256);
    assert_memory_equal(back.data, all, 256);
}

static void binary_values_are_base64(void **state)
{
    /* RFC 4648, section 10. */
    static const struct {
        const char *value, *padded, *unpadded;
    } cases[] = {
        { "", "", "" },
        { "f", "Zg==", "Zg" },
        { "fo", "Zm8=", "Zm8" },
        { "foo", "Zm9v", "Zm9v" },
        { "foob", "Zm9vYg==", "Zm9vYg" },
        { "fooba", "Zm9vYmE=", "Zm9vYmE" },
        { "foobar", "Zm9vYmFy", "Zm9vYmFy" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_bytes(grpc_binary_encode(bytes_of_text(cases[i].value), *state), cases[i].unpadded);
        assert_bytes(grpc_binary_decode(bytes_of_text(cases[i].unpadded), *state), cases[i].value);
        assert_bytes(grpc_binary_decode(bytes_of_text(cases[i].padded), *state), cases[i].value);
    }
    assert_null(grpc_binary_decode(bytes_of_text("Z"), *state).data);
    assert_null(grpc_binary_decode(bytes_of_text("Zg=g"), *state).data);
    assert_null(grpc_binary_decode(bytes_of_text("Zm9*"), *state).data);
}

static void values_joined_by_commas_are_told_apart(void **state)
{
    const struct bytes binary = bytes_of_text("x-bin"), text = bytes_of_text("x");
    const struct bytes joined = bytes_of_text("Zg==,Zm8=, Zm9v,,Zg");
    const char *const values[] = { "f", "fo", "foo", "", "f" };
    struct bytes found;
    size_t index;

    for (size_t i = 0; i < 5; i++) {
        index = i;
        assert_true(grpc_value_at(binary, joined, &index, &found));
        assert_bytes(grpc_binary_decode(found, *state), values[i]);
    }
    index = 7;
    assert_false(grpc_value_at(binary, joined, &index, &found));
    assert_int_equal(index, 2);
    index = 0;
    assert_true(grpc_value_at(text, bytes_of_text("a, b"), &index, &found));
    assert_bytes(found, "a, b");
    index = 1;
    assert_false(grpc_value_at(text, bytes_of_text("a, b"), &index, &found));
    assert_int_equal(index, 0);
    assert_true(grpc_value_at(binary, bytes_of_text(""), &index, &found));
    assert_bytes(found, "");
}

static void a_text_is_cut_between_characters(void **state)
{
    const struct bytes text = bytes_of_text("a\xc3\xa4\xf0\x9f\x98\x80");
    static const size_t sizes[] = { 0, 1, 1, 3, 3, 3, 3, 7, 7 };

    (void)state;
    for (size_t max = 0; max < sizeof sizes / sizeof sizes[0]; max++)
        assert_int_equal(grpc_text_cut(text, max).size, sizes[max]);
}

static void every_length_survives_base64(void **state)
{
    uint8_t value[64];

    for (size_t size = 0; size < sizeof value; size++) {
        struct bytes back;
        for (size_t i = 0; i < size; i++)
            value[i] = (uint8_t)(i * 37 + size);
        back = grpc_binary_decode(grpc_binary_encode(bytes_of(value, size), *state), *state);
        assert_int_equal(back.size, size);
        assert_memory_equal(back.data, value, size);
    }
}

static void timeouts_are_read(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        { "1H", 3600000 }, { "2M", 120000 },
        { "3S", 3000 },    { "4m", 4 },
        { "5000u", 5 },    { "999u", 0 },
        { "1n", 0 },       { "99999999H", 99999999 * INT64_C(3600000) },
        { "0S", 0 },
    };
    const char *const bad[] = {
        "", "1", "S", "1s", "-1S", "+1S", "1.5S", "123456789S", "1 S", "1SS"
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t ms = -1;
        assert_true(grpc_timeout_parse(bytes_of_text(cases[i].text), &ms));
        assert_int_equal(ms, cases[i].ms);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t ms;
        assert_false(grpc_timeout_parse(bytes_of_text(bad[i]), &ms));
    }
}

static void timeouts_are_written_so_that_they_fit(void **state)
{
    const int64_t times_ms[] = {
        1, 99999999, 100000000, 100000001, INT64_C(99999999) * 1000, INT64_C(1) << 50, INT64_MAX
    };

    (void)state;
    for (size_t i = 0; i < sizeof times_ms / sizeof times_ms[0]; i++) {
        char text[GRPC_TIMEOUT_SIZE];
        int64_t back_ms = 0;
        grpc_timeout_format(times_ms[i], text);
        assert_true(grpc_timeout_parse(bytes_of_text(text), &back_ms));
        if (times_ms[i] < INT64_C(1) << 48)
            assert_in_range(back_ms, times_ms[i], times_ms[i] + times_ms[i] / 1000);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(own_names_are_reserved),
        TEST(names_and_values_that_may_be_sent),
        TEST(content_types_of_grpc),
        TEST(messages_are_percent_encoded),
        TEST(every_byte_survives_the_percent_encoding),
        TEST(binary_values_are_base64),
        TEST(values_joined_by_commas_are_told_apart),
        TEST(a_text_is_cut_between_characters),
        TEST(every_length_survives_base64),
        TEST(timeouts_are_read),
        TEST(timeouts_are_written_so_that_they_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
