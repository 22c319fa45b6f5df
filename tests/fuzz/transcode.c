#include "gateway/json/transcode.h"

#include "gateway/json/field.h"
#include "core/base/json_scan.h"
#include "gateway/limits.h"
#include "gateway/route.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/message.h"

#include <assert.h>

/* Two bytes that choose a message of some route, then its JSON, or (chosen by
 * the second) what to make a message of. What was read and written once is
 * written the same after it was read again. */

enum { MEM_MAX = 8 << 20 };

static const ProtobufCMessageDescriptor *choose_type(uint8_t choice)
{
    const struct route *routes;
    size_t count;

    routes = route_table(&count);
    for (size_t i = choice / 2 % count;; i = (i + 1) % count)
        if (routes[i].request != NULL)
            return choice % 2 == 0 ? routes[i].request : routes[i].response;
}

static const char *all_members(const ProtobufCMessageDescriptor *type, struct arena *mem)
{
    const char *names = "";

    for (unsigned i = 0; i < type->n_fields; i++) {
        char name[FIELD_NAME_MAX];

        field_json_name(type->fields[i].name, name);
        names = arena_printf(mem, "%s%s%s", names, i > 0 ? " " : "", name);
    }
    return names;
}

/* Lies in mem. */
static struct bytes write_json(const ProtobufCMessage *message, struct arena *mem)
{
    struct json_writer writer = { .size_max = ANSWER_BYTES_MAX };
    struct bytes text;

    json_begin_object(&writer);
    transcode_write_members(&writer, message, NULL);
    json_end_object(&writer);
    assert(!writer.failed);
    text = bytes_of(arena_copy(mem, writer.text, writer.size), writer.size);
    json_writer_free(&writer);
    return text;
}

static const ProtobufCMessage *read_json(const ProtobufCMessageDescriptor *type, struct bytes text,
                                         struct arena *mem)
{
    ProtobufCMessage *message = arena_alloc(mem, type->sizeof_message);
    struct why why = { .text = "" };
    enum err e;

    protobuf_c_message_init(type, message);
    e = transcode_read(text, all_members(type, mem), message, mem, &why);
    if (e == OK)
        return message;
    assert((e == ERR_INVALID || e == ERR_LIMIT) && why.text[0] != '\0');
    return NULL;
}

/* Numbers of more than 63 bits and unknown enums are shown, but not taken: what
 * was made, not read, may not be readable. */
static void check_stable(const ProtobufCMessage *message, bool was_read, struct arena *mem)
{
    struct bytes once, twice;

    assert(transcode_knows(message->descriptor));
    once = write_json(message, mem);
    assert(json_scan(once, 4096, NULL) == OK);
    message = read_json(message->descriptor, once, mem);
    assert(message != NULL || !was_read);
    if (message == NULL)
        return;
    twice = write_json(message, mem);
    if (was_read)
        assert(bytes_equal(once, twice));
    assert(protobuf_c_message_check(message));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct message_words words = { { { "name", "product-sync" }, { "json", "{\"a\":[1.50]}" } }, 2 };
    struct bytes input = bytes_of(data, size);
    const ProtobufCMessageDescriptor *type = choose_type(input_byte(&input));
    bool made = input_byte(&input) == '!';
    struct arena *mem = arena_new(MEM_MAX);
    const ProtobufCMessage *message =
        made ? message_make(type, &words, &input, mem) : read_json(type, input, mem);

    if (message != NULL)
        check_stable(message, !made, mem);
    arena_free(mem);
    return 0;
}
