#include "gateway/json/transcode_value.h"

#include <assert.h>

#include "core/base/rfc3339.h"
#include "gateway/json/duration.h"
#include "rpc/enum_word.h"
#include "google/protobuf/duration.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"

bool is_timestamp(const ProtobufCFieldDescriptor *field)
{
    return field->descriptor == &google__protobuf__timestamp__descriptor;
}

bool is_duration(const ProtobufCFieldDescriptor *field)
{
    return field->descriptor == &google__protobuf__duration__descriptor;
}

enum err value_does_not_fit(struct why *why)
{
    return err_because(why, ERR_LIMIT, "The request is larger than this service can take");
}

static enum err wrong_word(const ProtobufCFieldDescriptor *field, const char *path, struct why *why)
{
    char list[160];

    enum_word_list(field->descriptor, list, sizeof list);
    return err_field(why, path, "%s must be one of %s", path, list);
}

static enum err wrong_message(const ProtobufCFieldDescriptor *field, const char *path,
                              struct why *why)
{
    if (is_timestamp(field))
        return err_field(why, path, "%s must be a time such as \"2023-01-01T00:00:00Z\"", path);
    if (is_duration(field))
        return err_field(why, path, "%s must be a duration such as \"PT30S\", or seconds", path);
    return err_field(why, path, "%s must be an object", path);
}

enum err value_is_wrong(const ProtobufCFieldDescriptor *field, const char *path, struct why *why)
{
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return wrong_message(field, path, why);
    if (field->type == PROTOBUF_C_TYPE_ENUM)
        return wrong_word(field, path, why);
    if (field->type == PROTOBUF_C_TYPE_STRING)
        return err_field(why, path, "%s must be a string", path);
    if (field->type == PROTOBUF_C_TYPE_BOOL)
        return err_field(why, path, "%s must be true or false", path);
    return err_field(why, path, "%s must be a whole number", path);
}

static enum err put_int32(void *place, int64_t number, const char *path, struct why *why)
{
    if (number < INT32_MIN || number > INT32_MAX)
        return err_field(why, path, "%s is out of range", path);
    *(int32_t *)place = (int32_t)number;
    return OK;
}

static enum err put_uint32(void *place, int64_t number, const char *path, struct why *why)
{
    if (number < 0)
        return err_field(why, path, "%s must be a whole number, not negative", path);
    if (number > UINT32_MAX)
        return err_field(why, path, "%s is too large", path);
    *(uint32_t *)place = (uint32_t)number;
    return OK;
}

static enum err put_uint64(void *place, int64_t number, const char *path, struct why *why)
{
    if (number < 0)
        return err_field(why, path, "%s must be a whole number, not negative", path);
    *(uint64_t *)place = (uint64_t)number;
    return OK;
}

enum err value_put_integer(const ProtobufCFieldDescriptor *field, void *place, int64_t number,
                           const char *path, struct why *why)
{
    if (field->type == PROTOBUF_C_TYPE_INT32)
        return put_int32(place, number, path, why);
    if (field->type == PROTOBUF_C_TYPE_UINT32)
        return put_uint32(place, number, path, why);
    if (field->type == PROTOBUF_C_TYPE_UINT64)
        return put_uint64(place, number, path, why);
    assert(field->type == PROTOBUF_C_TYPE_INT64);
    *(int64_t *)place = number;
    return OK;
}

enum err value_put_text(void *place, const char *text, struct arena *mem, struct why *why)
{
    char *copy = arena_text(mem, text);

    if (copy == NULL)
        return value_does_not_fit(why);
    *(char **)place = copy;
    return OK;
}

enum err value_put_enum(const ProtobufCFieldDescriptor *field, void *place, const char *word,
                        const char *path, struct why *why)
{
    int32_t value;

    if (!enum_word_read(field->descriptor, word, &value))
        return wrong_word(field, path, why);
    *(int32_t *)place = value;
    return OK;
}

enum err value_put_timestamp(void *place, const char *text, struct arena *mem, const char *path,
                             struct why *why)
{
    Google__Protobuf__Timestamp *time;
    int64_t time_ms, rest_ms;

    if (!rfc3339_read(bytes_of_text(text), &time_ms))
        return err_field(why, path, "%s must be a time such as \"2023-01-01T00:00:00Z\"", path);
    time = arena_alloc(mem, sizeof *time);
    if (time == NULL)
        return value_does_not_fit(why);
    google__protobuf__timestamp__init(time);
    rest_ms = (time_ms % 1000 + 1000) % 1000;
    time->seconds = (time_ms - rest_ms) / 1000;
    time->nanos = (int32_t)rest_ms * 1000000;
    *(Google__Protobuf__Timestamp **)place = time;
    return OK;
}

enum err value_put_duration(void *place, const char *text, struct arena *mem, const char *path,
                            struct why *why)
{
    Google__Protobuf__Duration *duration;
    int64_t duration_ms;

    if (!duration_read(text, &duration_ms))
        return err_field(why, path, "%s must be a duration such as \"PT30S\", or seconds", path);
    duration = arena_alloc(mem, sizeof *duration);
    if (duration == NULL)
        return value_does_not_fit(why);
    google__protobuf__duration__init(duration);
    duration->seconds = duration_ms / 1000;
    duration->nanos = (int32_t)(duration_ms % 1000) * 1000000;
    *(Google__Protobuf__Duration **)place = duration;
    return OK;
}
