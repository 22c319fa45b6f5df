#include "gateway/openapi/openapi_schema.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "rpc/enum_word.h"
#include "gateway/json/field.h"
#include "gateway/openapi/openapi_text.h"
#include "gateway/json/transcode_value.h"
#include "gateway/json/word_list.h"
#include "sync/v1/sync.pb-c.h"

void schema_text(struct json_writer *writer, const char *key, const char *text)
{
    json_key(writer, key);
    json_text(writer, text);
}

static void note_message(struct schemas *schemas, const ProtobufCMessageDescriptor *type)
{
    for (size_t i = 0; i < schemas->message_count; i++)
        if (schemas->messages[i] == type)
            return;
    assert(schemas->message_count < SCHEMA_TYPES_MAX);
    schemas->messages[schemas->message_count++] = type;
}

static void note_enum(struct schemas *schemas, const ProtobufCEnumDescriptor *type)
{
    for (size_t i = 0; i < schemas->enum_count; i++)
        if (schemas->enums[i] == type)
            return;
    assert(schemas->enum_count < SCHEMA_TYPES_MAX);
    schemas->enums[schemas->enum_count++] = type;
}

static void write_reference(struct json_writer *writer, const char *name)
{
    char path[128];

    snprintf(path, sizeof path, "#/components/schemas/%s", name);
    schema_text(writer, "$ref", path);
}

static void write_integer(struct json_writer *writer, const ProtobufCFieldDescriptor *field,
                          const struct api_field *text)
{
    bool is_unsigned =
        field->type == PROTOBUF_C_TYPE_UINT32 || field->type == PROTOBUF_C_TYPE_UINT64;

    schema_text(writer, "type", "integer");
    if (text != NULL && text->max > 0) {
        json_key(writer, "minimum");
        json_int(writer, text->min);
        json_key(writer, "maximum");
        json_int(writer, text->max);
    } else if (is_unsigned) {
        json_key(writer, "minimum");
        json_int(writer, 0);
    }
}

static void write_string(struct json_writer *writer, const char *format, const char *pattern)
{
    schema_text(writer, "type", "string");
    if (format != NULL)
        schema_text(writer, "format", format);
    if (pattern != NULL)
        schema_text(writer, "pattern", pattern);
}

static void write_message_type(struct json_writer *writer, struct schemas *schemas,
                               const ProtobufCFieldDescriptor *field)
{
    const ProtobufCMessageDescriptor *type = field->descriptor;

    if (is_timestamp(field)) {
        write_string(writer, "date-time", NULL);
    } else if (is_duration(field)) {
        write_string(writer, NULL, NULL);
    } else {
        note_message(schemas, type);
        write_reference(writer, type->short_name);
    }
}

/* The members that say the type of one value. */
static void write_type(struct json_writer *writer, struct schemas *schemas,
                       const ProtobufCFieldDescriptor *field, const struct api_field *text)
{
    const ProtobufCEnumDescriptor *words = field->descriptor;

    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        write_message_type(writer, schemas, field);
    } else if (field->type == PROTOBUF_C_TYPE_ENUM) {
        note_enum(schemas, words);
        write_reference(writer, words->short_name);
    } else if (field->type == PROTOBUF_C_TYPE_BOOL) {
        schema_text(writer, "type", "boolean");
    } else if (field->type == PROTOBUF_C_TYPE_STRING) {
        write_string(writer, NULL, text != NULL ? text->pattern : NULL);
    } else {
        write_integer(writer, field, text);
    }
}

void schema_write_field(struct json_writer *writer, struct schemas *schemas,
                        const ProtobufCFieldDescriptor *field, const char *message)
{
    char name[FIELD_NAME_MAX];
    const struct api_field *text;

    field_json_name(field->name, name);
    text = api_field_of(message, name);
    json_begin_object(writer);
    if (field_is_repeated(field)) {
        schema_text(writer, "type", "array");
        json_key(writer, "items");
        json_begin_object(writer);
        write_type(writer, schemas, field, NULL);
        json_end_object(writer);
    } else {
        write_type(writer, schemas, field, text);
    }
    if (text != NULL)
        schema_text(writer, "description", text->text);
    if (text != NULL && text->preset != NULL) {
        json_key(writer, "default");
        json_raw(writer, bytes_of_text(text->preset));
    }
    json_end_object(writer);
}

/* JobData.json is the object itself, and no member of it. */
static bool is_shown(const ProtobufCMessageDescriptor *type, const char *name, const char *members,
                     const char *hidden)
{
    if (type == &sync__v1__job_data__descriptor && strcmp(name, "json") == 0)
        return false;
    return !word_list_has(hidden, name) && (members == NULL || word_list_has(members, name));
}

void schema_write_properties(struct json_writer *writer, struct schemas *schemas,
                             const ProtobufCMessageDescriptor *type, const char *members,
                             const char *hidden)
{
    char name[FIELD_NAME_MAX];

    for (unsigned i = 0; i < type->n_fields; i++) {
        field_json_name(type->fields[i].name, name);
        if (!is_shown(type, name, members, hidden))
            continue;
        json_key(writer, name);
        schema_write_field(writer, schemas, &type->fields[i], type->short_name);
    }
}

static bool is_required(const ProtobufCMessageDescriptor *type, unsigned index, const char *members,
                        char name[FIELD_NAME_MAX])
{
    const struct api_field *text;

    field_json_name(type->fields[index].name, name);
    text = api_field_of(type->short_name, name);
    return is_shown(type, name, members, NULL) && text != NULL && text->required;
}

bool schema_has_required(const ProtobufCMessageDescriptor *type, const char *members)
{
    char name[FIELD_NAME_MAX];

    for (unsigned i = 0; i < type->n_fields; i++)
        if (is_required(type, i, members, name))
            return true;
    return false;
}

void schema_write_required(struct json_writer *writer, const ProtobufCMessageDescriptor *type,
                           const char *members)
{
    char name[FIELD_NAME_MAX];

    for (unsigned i = 0; i < type->n_fields; i++)
        if (is_required(type, i, members, name))
            json_text(writer, name);
}

static void write_message(struct json_writer *writer, struct schemas *schemas,
                          const ProtobufCMessageDescriptor *type)
{
    json_key(writer, type->short_name);
    json_begin_object(writer);
    schema_text(writer, "type", "object");
    json_key(writer, "properties");
    json_begin_object(writer);
    schema_write_properties(writer, schemas, type, NULL, NULL);
    json_end_object(writer);
    if (schema_has_required(type, NULL)) {
        json_key(writer, "required");
        json_begin_array(writer);
        schema_write_required(writer, type, NULL);
        json_end_array(writer);
    }
    json_end_object(writer);
}

static void write_enum(struct json_writer *writer, const ProtobufCEnumDescriptor *type)
{
    char word[ENUM_WORD_MAX];

    json_key(writer, type->short_name);
    json_begin_object(writer);
    schema_text(writer, "type", "string");
    json_key(writer, "enum");
    json_begin_array(writer);
    for (unsigned i = 0; i < type->n_values; i++)
        if (enum_word_write(type, type->values[i].value, word))
            json_text(writer, word);
    json_end_array(writer);
    json_end_object(writer);
}

/* Writing a message may note others behind it. */
void schema_write_components(struct json_writer *writer, struct schemas *schemas)
{
    for (size_t i = 0; i < schemas->message_count; i++)
        write_message(writer, schemas, schemas->messages[i]);
    for (size_t i = 0; i < schemas->enum_count; i++)
        write_enum(writer, schemas->enums[i]);
}
