#include "gateway/json/transcode.h"

#include "core/base/rfc3339.h"
#include "gateway/json/duration.h"
#include "rpc/enum_word.h"
#include "gateway/json/field.h"
#include "core/base/json_scan.h"
#include "gateway/limits.h"
#include "gateway/json/transcode_value.h"
#include "gateway/json/word_list.h"
#include "google/protobuf/duration.pb-c.h"
#include "google/protobuf/timestamp.pb-c.h"
#include "sync/v1/sync.pb-c.h"

#include <assert.h>

/* A message into JSON, beside its descriptor. */

enum place { AT_TOP, BELOW };

static void write_members(struct json_writer *writer, const ProtobufCMessage *message,
                          const char *hidden, enum place where);

/* The years 1 to 9999, which is all that RFC 3339 and the published Timestamp
 * have, and as long a Duration: a peer's number outside is shown as the end. */
static const int64_t time_first = -INT64_C(62135596800), time_last = INT64_C(253402300799);
static const int64_t duration_last = INT64_C(315576000000);

static int64_t to_ms(int64_t seconds, int32_t nanos, int64_t first, int64_t last)
{
    if (seconds < first)
        return first * 1000;
    if (seconds > last)
        return last * 1000;
    return seconds * 1000 + (nanos > 0 && nanos < 1000000000 ? nanos / 1000000 : 0);
}

/* In whole seconds, the form that the documented API shows. */
static void write_timestamp(struct json_writer *writer, const Google__Protobuf__Timestamp *time)
{
    char text[RFC3339_SIZE];

    rfc3339_write(to_ms(time->seconds, 0, time_first, time_last), text);
    json_text(writer, text);
}

static void write_duration(struct json_writer *writer, const Google__Protobuf__Duration *duration)
{
    char text[DURATION_TEXT_SIZE];

    duration_write(to_ms(duration->seconds, duration->nanos, 0, duration_last), text);
    json_text(writer, text);
}

/* What RPC clients put there is not ours: it is spliced in only if it is what
 * it should be. */
static bool is_spliceable(const char *json)
{
    struct bytes text = bytes_of_text(json);

    return text.size > 0 && json_scan(text, JSON_DEPTH_MAX, NULL) == OK &&
           json_scan_is_object(text);
}

static void write_message(struct json_writer *writer, const ProtobufCFieldDescriptor *field,
                          const ProtobufCMessage *message, const char *hidden)
{
    if (is_timestamp(field)) {
        write_timestamp(writer, (const Google__Protobuf__Timestamp *)message);
        return;
    }
    if (is_duration(field)) {
        write_duration(writer, (const Google__Protobuf__Duration *)message);
        return;
    }
    if (field->descriptor == &sync__v1__job_data__descriptor) {
        const Sync__V1__JobData *data = (const Sync__V1__JobData *)message;

        if (is_spliceable(data->json)) {
            json_raw(writer, bytes_of_text(data->json));
            return;
        }
    }
    json_begin_object(writer);
    write_members(writer, message, hidden, BELOW);
    json_end_object(writer);
}

static void write_enum(struct json_writer *writer, const ProtobufCFieldDescriptor *field,
                       int32_t value)
{
    char word[ENUM_WORD_MAX];

    if (enum_word_write(field->descriptor, value, word))
        json_text(writer, word);
    else
        json_int(writer, value); /* a value newer than this program */
}

static void write_value(struct json_writer *writer, const ProtobufCFieldDescriptor *field,
                        const void *value, const char *hidden)
{
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        write_message(writer, field, *(const ProtobufCMessage *const *)value, hidden);
    else if (field->type == PROTOBUF_C_TYPE_STRING)
        json_text(writer, *(const char *const *)value);
    else if (field->type == PROTOBUF_C_TYPE_ENUM)
        write_enum(writer, field, *(const int32_t *)value);
    else if (field->type == PROTOBUF_C_TYPE_BOOL)
        json_bool(writer, *(const protobuf_c_boolean *)value);
    else if (field->type == PROTOBUF_C_TYPE_INT32)
        json_int(writer, *(const int32_t *)value);
    else if (field->type == PROTOBUF_C_TYPE_UINT32)
        json_uint(writer, *(const uint32_t *)value);
    else if (field->type == PROTOBUF_C_TYPE_INT64)
        json_int(writer, *(const int64_t *)value);
    else if (field->type == PROTOBUF_C_TYPE_UINT64)
        json_uint(writer, *(const uint64_t *)value);
    else
        assert(false && "transcode_knows() says no to this type");
}

static bool is_absent(const ProtobufCFieldDescriptor *field, const void *value)
{
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return *(const ProtobufCMessage *const *)value == NULL;
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        const char *text = *(const char *const *)value;

        return text == NULL || *text == '\0';
    }
    return field->type == PROTOBUF_C_TYPE_ENUM && *(const int32_t *)value == 0;
}

static void write_array(struct json_writer *writer, const char *name,
                        const ProtobufCFieldDescriptor *field, const ProtobufCMessage *message,
                        const char *hidden)
{
    size_t count = field_count(message, field);

    json_key(writer, name);
    json_begin_array(writer);
    for (size_t i = 0; i < count; i++)
        write_value(writer, field, field_value(message, field, i), hidden);
    json_end_array(writer);
}

static void write_field(struct json_writer *writer, const char *name,
                        const ProtobufCFieldDescriptor *field, const ProtobufCMessage *message,
                        const char *hidden)
{
    const void *value = field_value(message, field, 0);

    if (field_count(message, field) == 0)
        return;
    if (!field_is_in_oneof(field) && is_absent(field, value))
        return;
    json_key(writer, name);
    write_value(writer, field, value, hidden);
}

static void write_members(struct json_writer *writer, const ProtobufCMessage *message,
                          const char *hidden, enum place where)
{
    const ProtobufCMessageDescriptor *type = message->descriptor;

    for (unsigned i = 0; i < type->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &type->fields[i];
        char name[FIELD_NAME_MAX];

        field_json_name(field->name, name);
        if (word_list_has(hidden, name))
            continue;
        if (type == &sync__v1__job_data__descriptor && strcmp(name, "json") == 0)
            continue;
        if (!field_is_repeated(field))
            write_field(writer, name, field, message, hidden);
        else if (where == AT_TOP || field_count(message, field) > 0)
            write_array(writer, name, field, message, hidden);
    }
}

void transcode_write_members(struct json_writer *writer, const ProtobufCMessage *message,
                             const char *hidden)
{
    write_members(writer, message, hidden, AT_TOP);
}

void transcode_write_object(struct json_writer *writer, const ProtobufCMessage *message)
{
    json_begin_object(writer);
    write_members(writer, message, NULL, BELOW);
    json_end_object(writer);
}

static bool knows_field(const ProtobufCFieldDescriptor *field)
{
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return is_timestamp(field) || is_duration(field) || transcode_knows(field->descriptor);
    return field->type == PROTOBUF_C_TYPE_STRING || field->type == PROTOBUF_C_TYPE_ENUM ||
           field->type == PROTOBUF_C_TYPE_BOOL || field->type == PROTOBUF_C_TYPE_INT32 ||
           field->type == PROTOBUF_C_TYPE_UINT32 || field->type == PROTOBUF_C_TYPE_INT64 ||
           field->type == PROTOBUF_C_TYPE_UINT64;
}

bool transcode_knows(const ProtobufCMessageDescriptor *type)
{
    for (unsigned i = 0; i < type->n_fields; i++)
        if (!knows_field(&type->fields[i]))
            return false;
    return true;
}
