#include "gateway/request_bind.h"

#include "core/base/json_scan.h"
#include "gateway/limits.h"
#include "tests/fuzz/input.h"

#include <assert.h>

/* An HTTP/1.1 request, head and body. It is refused with an answer of the
 * documented shape, or becomes a message that can be sent. */

enum { MEM_MAX = 8 << 20 };

static void check_refusal(const struct error_answer *error)
{
    struct json_writer writer = { .size_max = ANSWER_BYTES_MAX };

    assert(error->status >= 400 && error->status < 600 && http_reason(error->status) != NULL);
    assert(error->message != NULL && error->message[0] != '\0');
    error_answer_write(&writer, error, "id");
    assert(!writer.failed);
    assert(json_scan(bytes_of(writer.text, writer.size), JSON_DEPTH_MAX, NULL) == OK);
    json_writer_free(&writer);
}

static void check_binding(const struct binding *binding, struct arena *mem)
{
    ProtobufCMessage *message = binding->message, *again;
    uint8_t *packed;
    size_t size;

    assert(binding->metadata_count <= BINDING_METADATA_MAX);
    assert((binding->route->rpc != NULL) == (message != NULL));
    if (message == NULL)
        return;
    assert(protobuf_c_message_check(message));
    size = protobuf_c_message_get_packed_size(message);
    packed = arena_alloc(mem, size + 1);
    assert(protobuf_c_message_pack(message, packed) == size);
    again = protobuf_c_message_unpack(message->descriptor, NULL, size, packed);
    assert(again != NULL);
    protobuf_c_message_free_unpacked(again, NULL);
}

static void check_request(struct http_request *request, struct bytes head)
{
    struct error_answer error;
    struct http_flaw flaw;
    struct binding binding;

    if (!http_head_parse(head, request->mem, &request->head, &flaw))
        return;
    if (request_bind(request, &binding, &error))
        check_binding(&binding, request->mem);
    else
        check_refusal(&error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_request request = { .id = "id", .mem = arena_new(MEM_MAX) };
    struct bytes input = bytes_of(data, size);
    size_t seen = 0, end = http_head_find_end(input, &seen);

    request.body = bytes_of(data + end, size - end);
    if (end > 0)
        check_request(&request, bytes_of(data, end));
    arena_free(request.mem);
    return 0;
}
