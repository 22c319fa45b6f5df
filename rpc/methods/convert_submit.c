#include "rpc/methods/convert.h"

#include <string.h>

/* From a QueueJobRequest to core's request: the spec, what is to be done about
 * duplicates, and what makes two requests with one key the same. */

_Static_assert((int)SYNC__V1__ON_DUPLICATE__ON_DUPLICATE_REPLACE == (int)ON_DUPLICATE_REPLACE + 1,
               "the message counts from 1");

static enum err read_on_duplicate(Sync__V1__OnDuplicate value, enum on_duplicate *out,
                                  struct why *why)
{
    if ((int)value < 0 || (int)value > (int)SYNC__V1__ON_DUPLICATE__ON_DUPLICATE_REPLACE)
        return refuse_field(why, "onDuplicate", "must be queue, coalesce, reject or replace");
    *out = value == SYNC__V1__ON_DUPLICATE__ON_DUPLICATE_UNSPECIFIED
               ? ON_DUPLICATE_QUEUE
               : (enum on_duplicate)((int)value - 1);
    return OK;
}

struct digest_buffer {
    ProtobufCBuffer base;
    struct sha256 hash;
};

static void append_to_hash(ProtobufCBuffer *buffer, size_t size, const uint8_t *data)
{
    struct digest_buffer *digest = container_of(buffer, struct digest_buffer, base);

    sha256_add(&digest->hash, bytes_of(data, size));
}

/* Of everything but the key and the organisation, which the key belongs to. */
static void digest_of(const Sync__V1__QueueJobRequest *request, uint8_t out[SHA256_SIZE])
{
    Sync__V1__QueueJobRequest body = *request;
    struct digest_buffer digest = { .base = { append_to_hash } };

    body.org_id = body.request_id = (char *)(uintptr_t)"";
    sha256_begin(&digest.hash);
    protobuf_c_message_pack_to_buffer(&body.base, &digest.base);
    sha256_end(&digest.hash, out);
}

/* Whose keys are whose. Callers that nobody knows are one caller: the address
 * and port they come from this time are not theirs. */
static struct bytes caller_of(const char *actor)
{
    static const char anonymous[] = "anonymous";
    size_t size = sizeof anonymous - 1;

    if (strncmp(actor, anonymous, size) == 0 && actor[size] == '@')
        return bytes_of(anonymous, size);
    return bytes_of_text(actor);
}

enum err read_submit(const Sync__V1__QueueJobRequest *request, const char *actor,
                     struct arena *mem, struct submit_request *submit, struct why *why)
{
    enum err e = read_spec(request, mem, &submit->spec, why);

    submit->base.verb = QUEUE_SUBMIT;
    submit->actor = bytes_of_text(actor);
    submit->caller = caller_of(actor);
    submit->request_id = bytes_of_text(request->request_id);
    if (e == OK)
        e = read_on_duplicate(request->on_duplicate, &submit->on_duplicate, why);
    if (e == OK && submit->request_id.size > 0)
        digest_of(request, submit->digest);
    return e;
}
