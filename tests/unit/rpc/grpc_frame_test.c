#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rpc/grpc/grpc_frame.h"

enum { STREAM_MAX = 4096 };

/* Messages of 0, 1, 5 and 300 bytes, one after the other. */
static const size_t sizes[] = { 0, 1, 5, 300 };
enum { COUNT = sizeof sizes / sizeof sizes[0] };

static size_t write_stream(uint8_t *stream)
{
    size_t at = 0;

    for (unsigned i = 0; i < COUNT; i++) {
        grpc_frame_prefix(stream + at, (uint32_t)sizes[i]);
        memset(stream + at + GRPC_PREFIX_SIZE, (int)i + 1, sizes[i]);
        at += GRPC_PREFIX_SIZE + sizes[i];
    }
    return at;
}

static void assert_is_message(const struct grpc_message *message, unsigned i)
{
    assert_int_equal(message->data.size, sizes[i]);
    assert_false(message->compressed);
    for (size_t k = 0; k < message->data.size; k++)
        assert_int_equal(message->data.data[k], i + 1);
}

static unsigned read_piece(struct grpc_reader *reader, struct bytes piece, unsigned seen)
{
    struct grpc_message message;
    enum grpc_frame frame;

    while ((frame = grpc_reader_next(reader, &piece, &message)) == GRPC_FRAME_MESSAGE)
        assert_is_message(&message, seen++);
    assert_int_equal(frame, GRPC_FRAME_MORE);
    assert_int_equal(piece.size, 0);
    return seen;
}

static void messages_come_out_whole_however_the_bytes_are_cut(void **state)
{
    uint8_t stream[STREAM_MAX];
    size_t size = write_stream(stream);

    (void)state;
    for (size_t cut = 1; cut <= size; cut++) {
        struct grpc_reader reader = { .message_max = 1000 };
        unsigned seen = 0;
        for (size_t at = 0; at < size; at += cut)
            seen =
                read_piece(&reader, bytes_of(stream + at, size - at < cut ? size - at : cut), seen);
        assert_int_equal(seen, COUNT);
        assert_true(grpc_reader_is_between(&reader));
        grpc_reader_clear(&reader, 0);
    }
}

static void a_cut_message_is_seen_at_the_end(void **state)
{
    uint8_t stream[STREAM_MAX];
    size_t size = write_stream(stream);
    struct grpc_reader reader = { .message_max = 1000 };

    (void)state;
    read_piece(&reader, bytes_of(stream, size - 1), 0);
    assert_false(grpc_reader_is_between(&reader));
    grpc_reader_clear(&reader, 0);
    read_piece(&reader, bytes_of(stream, 3), 0);
    assert_false(grpc_reader_is_between(&reader));
    grpc_reader_clear(&reader, 0);
}

static enum grpc_frame read_prefix(const uint8_t prefix[GRPC_PREFIX_SIZE], size_t cut)
{
    struct grpc_reader reader = { .message_max = 1000 };
    struct bytes piece = bytes_of(prefix, cut);
    struct grpc_message message;
    enum grpc_frame frame = grpc_reader_next(&reader, &piece, &message);

    if (frame == GRPC_FRAME_MORE) {
        piece = bytes_of(prefix + cut, GRPC_PREFIX_SIZE - cut);
        frame = grpc_reader_next(&reader, &piece, &message);
    }
    /* What was only claimed took no memory. */
    assert_true(reader.partial.room < 4096);
    grpc_reader_clear(&reader, 0);
    return frame;
}

static void a_prefix_is_judged_before_its_message_comes(void **state)
{
    const uint8_t fits[] = { 0, 0, 0, 0x03, 0xe8 }, too_large[] = { 0, 0, 0, 0x03, 0xe9 },
                  huge[] = { 0, 0xff, 0xff, 0xff, 0xff }, broken[] = { 2, 0, 0, 0, 0 };

    (void)state;
    for (size_t cut = 1; cut <= GRPC_PREFIX_SIZE; cut++) {
        assert_int_equal(read_prefix(fits, cut), GRPC_FRAME_MORE);
        assert_int_equal(read_prefix(too_large, cut), GRPC_FRAME_TOO_LARGE);
        assert_int_equal(read_prefix(huge, cut), GRPC_FRAME_TOO_LARGE);
        assert_int_equal(read_prefix(broken, cut), GRPC_FRAME_BROKEN);
    }
}

static void the_compressed_flag_is_told(void **state)
{
    const uint8_t stream[] = { 1, 0, 0, 0, 2, 'x', 'y' };
    struct grpc_reader reader = { .message_max = 10 };
    struct bytes input = bytes_of(stream, sizeof stream);
    struct grpc_message message;

    (void)state;
    assert_int_equal(grpc_reader_next(&reader, &input, &message), GRPC_FRAME_MESSAGE);
    assert_true(message.compressed);
    assert_int_equal(message.data.size, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_come_out_whole_however_the_bytes_are_cut),
        cmocka_unit_test(a_cut_message_is_seen_at_the_end),
        cmocka_unit_test(a_prefix_is_judged_before_its_message_comes),
        cmocka_unit_test(the_compressed_flag_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
