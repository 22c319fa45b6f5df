#include "rpc/methods/message_text.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* A walk over a message by its descriptor, strings only. */

/* Bytes of the character at text, 0 if it is none: RFC 3629, so neither
 * overlong forms nor surrogates. Stops at the NUL by itself. */
static unsigned character_size(const unsigned char *text)
{
    unsigned char first = text[0], low = 0x80, high = 0xbf;
    unsigned size = first < 0x80   ? 1
                    : first < 0xc2 ? 0
                    : first < 0xe0 ? 2
                    : first < 0xf0 ? 3
                    : first < 0xf5 ? 4
                                   : 0;

    if (size < 2)
        return size;
    if (first == 0xe0)
        low = 0xa0;
    else if (first == 0xed)
        high = 0x9f;
    else if (first == 0xf0)
        low = 0x90;
    else if (first == 0xf4)
        high = 0x8f;
    if (text[1] < low || text[1] > high)
        return 0;
    for (unsigned i = 2; i < size; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    return size;
}

/* How many bytes of plain ASCII text begins with, counted in words. */
static size_t plain_size(const unsigned char *text, size_t size)
{
    const uint64_t high_bits = UINT64_C(0x8080808080808080);
    size_t at = 0;
    uint64_t word;

    for (; size - at >= sizeof word; at += sizeof word) {
        memcpy(&word, text + at, sizeof word);
        if ((word & high_bits) != 0)
            break;
    }
    return at;
}

static bool is_utf8(const char *text)
{
    const unsigned char *at = (const unsigned char *)text, *end;

    if (at == NULL)
        return true;
    end = at + strlen(text);
    at += plain_size(at, (size_t)(end - at));
    while (at < end) {
        unsigned size = character_size(at);

        if (size == 0)
            return false;
        at += size;
        at += plain_size(at, (size_t)(end - at));
    }
    return true;
}

/* The JSON name of the field, put before what why->field names already. */
static void prepend(struct why *why, const char *name)
{
    char path[sizeof why->field], rest[sizeof why->field];
    size_t size = 0;

    for (const char *c = name; *c != '\0' && size + 1 < sizeof path; c++) {
        if (*c == '_' && c[1] != '\0')
            path[size++] = (char)toupper((unsigned char)*++c);
        else
            path[size++] = *c;
    }
    path[size] = '\0';
    memcpy(rest, why->field, sizeof rest);
    if (rest[0] == '\0')
        memcpy(why->field, path, sizeof path);
    else if (snprintf(why->field, sizeof why->field, "%.*s.%s", (int)size, path, rest) < 0)
        why->field[0] = '\0';
}

static bool check(const ProtobufCMessage *message, struct why *why);

static bool check_value(const ProtobufCFieldDescriptor *field, const void *value, struct why *why)
{
    if (field->type == PROTOBUF_C_TYPE_STRING)
        return is_utf8(*(const char *const *)value);
    if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
        const ProtobufCMessage *inner = *(const ProtobufCMessage *const *)value;

        return inner == NULL || check(inner, why);
    }
    return true;
}

static bool check_field(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                        struct why *why)
{
    const char *base = (const char *)message;
    const void *value = base + field->offset;
    bool oneof = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
    const void *quantifier = base + field->quantifier_offset;

    if (field->type != PROTOBUF_C_TYPE_STRING && field->type != PROTOBUF_C_TYPE_MESSAGE)
        return true;
    if (oneof && *(const uint32_t *)quantifier != field->id)
        return true;
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        const void *const *values = *(const void *const *const *)value;
        size_t count = *(const size_t *)quantifier;

        for (size_t i = 0; i < count; i++)
            if (!check_value(field, &values[i], why))
                return false;
        return true;
    }
    return check_value(field, value, why);
}

static bool check(const ProtobufCMessage *message, struct why *why)
{
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];

        if (!check_field(message, field, why)) {
            prepend(why, field->name);
            return false;
        }
    }
    return true;
}

enum err message_check_text(const ProtobufCMessage *message, struct why *why)
{
    struct why path = { .field = "" };

    if (check(message, &path))
        return OK;
    return err_field(why, path.field, "%s is not valid UTF-8", path.field);
}
