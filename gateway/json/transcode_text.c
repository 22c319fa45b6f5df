#include "gateway/json/transcode.h"

#include <assert.h>

#include "gateway/json/field.h"
#include "gateway/json/transcode_value.h"

/* Parameters: text from a path, a query or a header into a field. */

static enum err put_bool(const ProtobufCFieldDescriptor *field, void *place, const char *text,
                         struct why *why, const char *path)
{
    bool is_true = strcmp(text, "true") == 0;

    if (!is_true && strcmp(text, "false") != 0)
        return value_is_wrong(field, path, why);
    *(protobuf_c_boolean *)place = is_true;
    return OK;
}

/* Decimal digits with an optional minus; nothing that strtoll would forgive. */
static bool read_integer(const char *text, int64_t *number)
{
    bool negative = *text == '-';
    int64_t value = 0;

    text += negative;
    if (*text == '\0')
        return false;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9' || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, *text - '0', &value))
            return false;
    }
    *number = negative ? -value : value;
    return true;
}

static enum err put_message(const ProtobufCFieldDescriptor *field, void *place, const char *text,
                            struct arena *mem, struct why *why, const char *path)
{
    if (is_timestamp(field))
        return value_put_timestamp(place, text, mem, path, why);
    assert(is_duration(field));
    return value_put_duration(place, text, mem, path, why);
}

enum err transcode_read_text(const char *name, const char *text, ProtobufCMessage *message,
                             struct arena *mem, struct why *why)
{
    const ProtobufCFieldDescriptor *field = field_named(message->descriptor, name);
    int64_t number;
    void *place;

    assert(field != NULL && !field_is_repeated(field));
    place = field_select(message, field);
    if (field->type == PROTOBUF_C_TYPE_STRING)
        return value_put_text(place, text, mem, why);
    if (field->type == PROTOBUF_C_TYPE_ENUM)
        return value_put_enum(field, place, text, name, why);
    if (field->type == PROTOBUF_C_TYPE_BOOL)
        return put_bool(field, place, text, why, name);
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return put_message(field, place, text, mem, why, name);
    if (!read_integer(text, &number))
        return value_is_wrong(field, name, why);
    return value_put_integer(field, place, number, name, why);
}
