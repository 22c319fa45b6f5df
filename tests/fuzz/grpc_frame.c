#include "rpc/grpc/grpc_frame.h"

#include "tests/fuzz/input.h"

#include <assert.h>

/* The largest message, where to cut, then a stream of messages. However it is
 * cut, the same messages come out of it and it ends in the same way. */

struct outcome {
    enum grpc_frame end;
    uint32_t messages;
    uint64_t digest; /* FNV-1a over the messages */
    bool between;
};

static void note(struct outcome *outcome, const struct grpc_message *message, size_t message_max)
{
    assert(message->data.size <= message_max);
    outcome->messages++;
    outcome->digest = (outcome->digest ^ message->compressed) * 1099511628211u;
    for (size_t i = 0; i < message->data.size; i++)
        outcome->digest = (outcome->digest ^ message->data.data[i]) * 1099511628211u;
    outcome->digest *= 1099511628211u;
}

/* False: it is over. */
static bool read_part(struct grpc_reader *reader, struct bytes part, struct outcome *outcome)
{
    struct grpc_message message;

    while ((outcome->end = grpc_reader_next(reader, &part, &message)) == GRPC_FRAME_MESSAGE)
        note(outcome, &message, reader->message_max);
    outcome->between = grpc_reader_is_between(reader);
    return outcome->end == GRPC_FRAME_MORE;
}

/* Pieces of 1 to `cut` bytes; 0: in one piece. */
static struct outcome read_all(struct bytes stream, size_t message_max, unsigned cut)
{
    struct grpc_reader reader = { .message_max = message_max };
    struct outcome outcome = { .end = GRPC_FRAME_MORE };
    unsigned next = cut;

    while (stream.size > 0) {
        struct bytes part = input_bytes(&stream, cut == 0 ? stream.size : next);

        next = cut == 0 ? 0 : next * 7 % cut + 1;
        if (!read_part(&reader, part, &outcome))
            break;
    }
    grpc_reader_clear(&reader, 0);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    size_t message_max = input_number(&input, 2);
    unsigned cut = 1 + input_byte(&input) % 64;
    struct outcome whole = read_all(input, message_max, 0), parts = read_all(input, message_max, cut);

    assert(whole.end == parts.end && whole.messages == parts.messages);
    assert(whole.digest == parts.digest);
    if (whole.end == GRPC_FRAME_MORE)
        assert(whole.between == parts.between);
    return 0;
}
