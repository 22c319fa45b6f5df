#include "gateway/json/field.h"

#include <assert.h>
#include <ctype.h>
#include <stdint.h>
#include <string.h>

void field_json_name(const char *proto_name, char json_name[FIELD_NAME_MAX])
{
    bool raise = false;
    size_t size = 0;

    for (const char *c = proto_name; *c != '\0'; c++) {
        if (*c == '_') {
            raise = true;
            continue;
        }
        assert(size + 1 < FIELD_NAME_MAX);
        json_name[size++] = (char)(raise ? toupper((unsigned char)*c) : *c);
        raise = false;
    }
    json_name[size] = '\0';
}

const ProtobufCFieldDescriptor *field_named(const ProtobufCMessageDescriptor *type,
                                            const char *json_name)
{
    char name[FIELD_NAME_MAX];

    for (unsigned i = 0; i < type->n_fields; i++) {
        field_json_name(type->fields[i].name, name);
        if (strcmp(name, json_name) == 0)
            return &type->fields[i];
    }
    return NULL;
}

bool field_is_repeated(const ProtobufCFieldDescriptor *field)
{
    return field->label == PROTOBUF_C_LABEL_REPEATED;
}

bool field_is_in_oneof(const ProtobufCFieldDescriptor *field)
{
    return (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
}

static const char *at(const ProtobufCMessage *message, unsigned offset)
{
    return (const char *)message + offset;
}

size_t field_count(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    if (field_is_repeated(field))
        return *(const size_t *)(const void *)at(message, field->quantifier_offset);
    if (field_is_in_oneof(field))
        return *(const uint32_t *)(const void *)at(message, field->quantifier_offset) == field->id;
    return 1;
}

const void *field_value(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                        size_t index)
{
    const void *place = at(message, field->offset);

    if (field_is_repeated(field))
        return *(const char *const *)place + index * field_value_size(field);
    return place;
}

void *field_select(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    char *base = (char *)message;

    assert(!field_is_repeated(field));
    if (field_is_in_oneof(field))
        *(uint32_t *)(void *)(base + field->quantifier_offset) = field->id;
    return base + field->offset;
}

void field_set_array(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, void *array,
                     size_t count)
{
    char *base = (char *)message;

    assert(field_is_repeated(field));
    *(size_t *)(void *)(base + field->quantifier_offset) = count;
    *(void **)(void *)(base + field->offset) = array;
}

size_t field_value_size(const ProtobufCFieldDescriptor *field)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_ENUM:
        return sizeof(uint32_t);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return sizeof(uint64_t);
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        assert(false && "a type that protobuf-c does not know");
        return 0;
    }
}
