#include "gateway/json/transcode.h"

#include <assert.h>
#include <jansson.h>
#include <stdio.h>

#include "gateway/json/field.h"
#include "core/base/json_scan.h"
#include "gateway/limits.h"
#include "gateway/json/transcode_value.h"
#include "gateway/json/word_list.h"
#include "sync/v1/sync.pb-c.h"

/* A JSON document into a message: the text is scanned first (form, depth,
 * UTF-8), then jansson builds the tree, then the tree is walked beside the
 * descriptors. */

struct read {
    struct bytes text; /* the document */
    struct arena *mem;
    struct why *why;
    char path[FIELD_PATH_MAX]; /* of the field at hand */
    size_t path_size;
};

static enum err read_message(struct read *read, json_t *object, const char *members,
                             ProtobufCMessage *message);

/* Appends to the path, cut to what fits; returns the size to go back to. */
static size_t path_enter(struct read *read, const char *name)
{
    size_t before = read->path_size, room = sizeof read->path - before;
    int size = snprintf(read->path + before, room, "%s%s", before > 0 ? "." : "", name);

    read->path_size += (size_t)size < room ? (size_t)size : room - 1;
    return before;
}

static size_t path_enter_element(struct read *read, size_t index)
{
    size_t before = read->path_size, room = sizeof read->path - before;
    int size = snprintf(read->path + before, room, "[%zu]", index);

    read->path_size += (size_t)size < room ? (size_t)size : room - 1;
    return before;
}

static void path_leave(struct read *read, size_t before)
{
    read->path_size = before;
    read->path[before] = '\0';
}

/* Types whose members belong to the caller: those unknown to us are kept. */
static bool is_open(const ProtobufCMessageDescriptor *type)
{
    return type == &sync__v1__job_data__descriptor || type == &sync__v1__job_filters__descriptor;
}

/* The member JobData.json is the whole object, not a member of it. */
static bool is_verbatim(const ProtobufCMessageDescriptor *type,
                        const ProtobufCFieldDescriptor *field)
{
    return type == &sync__v1__job_data__descriptor && strcmp(field->name, "json") == 0;
}

static ProtobufCMessage *new_message(struct read *read, const ProtobufCMessageDescriptor *type)
{
    ProtobufCMessage *message = arena_alloc(read->mem, type->sizeof_message);

    if (message != NULL)
        protobuf_c_message_init(type, message);
    return message;
}

static enum err read_duration(struct read *read, json_t *value, void *place)
{
    char seconds[32];

    if (json_is_string(value))
        return value_put_duration(place, json_string_value(value), read->mem, read->path,
                                  read->why);
    snprintf(seconds, sizeof seconds, "%.3f", json_number_value(value));
    return value_put_duration(place, seconds, read->mem, read->path, read->why);
}

static enum err read_submessage(struct read *read, const ProtobufCFieldDescriptor *field,
                                json_t *value, void *place)
{
    ProtobufCMessage *message;

    if (is_duration(field) && (json_is_string(value) || json_is_number(value)))
        return read_duration(read, value, place);
    if (is_timestamp(field) && json_is_string(value))
        return value_put_timestamp(place, json_string_value(value), read->mem, read->path,
                                   read->why);
    if (!json_is_object(value) || is_duration(field) || is_timestamp(field))
        return value_is_wrong(field, read->path, read->why);
    message = new_message(read, field->descriptor);
    if (message == NULL)
        return value_does_not_fit(read->why);
    *(ProtobufCMessage **)place = message;
    return read_message(read, value, NULL, message);
}

static enum err read_value(struct read *read, const ProtobufCFieldDescriptor *field, json_t *value,
                           void *place)
{
    if (field->type == PROTOBUF_C_TYPE_MESSAGE)
        return read_submessage(read, field, value, place);
    if (field->type == PROTOBUF_C_TYPE_STRING && json_is_string(value))
        return value_put_text(place, json_string_value(value), read->mem, read->why);
    if (field->type == PROTOBUF_C_TYPE_ENUM && json_is_string(value))
        return value_put_enum(field, place, json_string_value(value), read->path, read->why);
    if (field->type == PROTOBUF_C_TYPE_BOOL && json_is_boolean(value)) {
        *(protobuf_c_boolean *)place = json_is_true(value);
        return OK;
    }
    if (field->type != PROTOBUF_C_TYPE_STRING && field->type != PROTOBUF_C_TYPE_ENUM &&
        field->type != PROTOBUF_C_TYPE_BOOL && json_is_integer(value))
        return value_put_integer(field, place, json_integer_value(value), read->path, read->why);
    return value_is_wrong(field, read->path, read->why);
}

static enum err read_array(struct read *read, const ProtobufCFieldDescriptor *field, json_t *array,
                           ProtobufCMessage *message)
{
    size_t count = json_array_size(array), size = field_value_size(field);
    char *values;

    if (!json_is_array(array))
        return err_field(read->why, read->path, "%s must be an array", read->path);
    values = arena_alloc(read->mem, count * size);
    if (values == NULL)
        return value_does_not_fit(read->why);
    for (size_t i = 0; i < count; i++) {
        size_t before = path_enter_element(read, i);
        enum err e = read_value(read, field, json_array_get(array, i), values + i * size);

        if (e != OK)
            return e;
        path_leave(read, before);
    }
    field_set_array(message, field, values, count);
    return OK;
}

static enum err read_field(struct read *read, const ProtobufCFieldDescriptor *field, json_t *value,
                           ProtobufCMessage *message)
{
    if (json_is_null(value))
        return OK;
    if (field_is_repeated(field))
        return read_array(read, field, value, message);
    return read_value(read, field, value, field_select(message, field));
}

/* Keeps the bytes of the document's member number `index` in the message read
 * from it. */
static enum err keep_verbatim(struct read *read, size_t index, Sync__V1__JobData *data)
{
    struct bytes slice = json_scan_member(read->text, index);

    data->json = arena_copy(read->mem, slice.data, slice.size);
    return data->json != NULL ? OK : value_does_not_fit(read->why);
}

static enum err read_top_field(struct read *read, const ProtobufCFieldDescriptor *field,
                               json_t *value, size_t index, ProtobufCMessage *message)
{
    enum err e = read_field(read, field, value, message);

    if (e != OK || json_is_null(value) || field->descriptor != &sync__v1__job_data__descriptor)
        return e;
    return keep_verbatim(read, index, *(Sync__V1__JobData *const *)field_value(message, field, 0));
}

static const ProtobufCFieldDescriptor *find_member(const ProtobufCMessageDescriptor *type,
                                                   const char *members, const char *name)
{
    const ProtobufCFieldDescriptor *field = field_named(type, name);

    if (field == NULL || is_verbatim(type, field))
        return NULL;
    return members == NULL || word_list_has(members, name) ? field : NULL;
}

/* members NULL: all of the type's, and we are below the top. */
static enum err read_message(struct read *read, json_t *object, const char *members,
                             ProtobufCMessage *message)
{
    size_t index = 0;
    const char *name;
    json_t *value;

    json_object_foreach(object, name, value)
    {
        const ProtobufCFieldDescriptor *field = find_member(message->descriptor, members, name);
        size_t before = path_enter(read, name);
        enum err e = OK;

        if (field != NULL)
            e = members != NULL ? read_top_field(read, field, value, index, message)
                                : read_field(read, field, value, message);
        else if (!is_open(message->descriptor))
            e = err_field(read->why, read->path, "%s is not a member this service knows",
                          read->path);
        if (e != OK)
            return e;
        path_leave(read, before);
        index++;
    }
    return OK;
}

static enum err parse(struct read *read, json_t **document)
{
    json_error_t error;
    enum err e = json_scan(read->text, JSON_DEPTH_MAX, read->why);

    if (e != OK)
        return e;
    *document = json_loadb((const char *)read->text.data, read->text.size,
                           JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (*document == NULL)
        return err_because(read->why, ERR_INVALID, "Malformed JSON: %s (line %d)", error.text,
                           error.line);
    return OK;
}

enum err transcode_read(struct bytes text, const char *members, ProtobufCMessage *message,
                        struct arena *mem, struct why *why)
{
    struct read read = { .text = text, .mem = mem, .why = why };
    json_t *document;
    enum err e = parse(&read, &document);

    assert(members != NULL);
    if (e != OK)
        return e;
    if (json_is_object(document))
        e = read_message(&read, document, members, message);
    else
        e = err_because(why, ERR_INVALID, "The request body must be a JSON object");
    json_decref(document);
    return e;
}
