#include "rpc/methods/org.h"

#include "core/limits.h"

#include <string.h>

/* The organisation of a call. Every request message that has one calls the
 * field org_id, so its descriptor tells where it is. */

const char *org_in_message(const ProtobufCMessage *request)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(request->descriptor, "org_id");

    if (field == NULL || field->type != PROTOBUF_C_TYPE_STRING)
        return "";
    return *(char *const *)(const void *)((const char *)request + field->offset);
}

/* As core wants it, asked here so that reading and writing refuse alike. */
static bool is_org(struct bytes org)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

    for (size_t i = 0; i < org.size; i++)
        if (memchr(allowed, org.data[i], sizeof allowed - 1) == NULL)
            return false;
    return org.size <= NAME_SIZE_MAX;
}

enum err org_of_call(struct rpc_call *call, const ProtobufCMessage *request, struct bytes *org,
                     struct why *why)
{
    struct bytes in_message = bytes_of_text(org_in_message(request));
    struct bytes in_metadata = bytes_of_text(call_metadata(call, "orgid", NULL));

    if (in_message.size == 0 && in_metadata.size == 0)
        return err_field(why, "orgid",
                         "orgid is missing: name the organisation in the orgid header");
    if (in_message.size > 0 && in_metadata.size > 0 && !bytes_equal(in_message, in_metadata))
        return err_field(why, "orgid",
                         "orgid in the header and org_id in the request name different "
                         "organisations");
    *org = in_message.size > 0 ? in_message : in_metadata;
    if (!is_org(*org))
        return err_field(why, "orgid", "orgid must be 1 to %d of A-Z a-z 0-9 . _ -", NAME_SIZE_MAX);
    return OK;
}
