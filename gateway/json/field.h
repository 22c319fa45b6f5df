#ifndef GATEWAY_FIELD_H
#define GATEWAY_FIELD_H

#include "core/base/err.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

/* Fields of a protobuf message by descriptor: their JSON names and the place
 * of their values. */

enum { FIELD_NAME_MAX = 64 };

/* max_retries → "maxRetries". */
void field_json_name(const char *proto_name, char json_name[FIELD_NAME_MAX]);

/* The field of that JSON name; NULL if there is none. */
const ProtobufCFieldDescriptor *field_named(const ProtobufCMessageDescriptor *type,
                                            const char *json_name);

bool field_is_repeated(const ProtobufCFieldDescriptor *field);
bool field_is_in_oneof(const ProtobufCFieldDescriptor *field);

/* Elements of a repeated field; for a oneof's member 1 or 0; else 1. */
size_t field_count(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field);

/* Lends the place of the value (of element `index` of a repeated field). */
const void *field_value(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                        size_t index);

/* Lends the place to write the value to; selects it in its oneof. */
void *field_select(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field);

/* Makes a repeated field's array of that many elements, which lies in `array`. */
void field_set_array(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, void *array,
                     size_t count);

/* Bytes of one value as it lies in the message. */
size_t field_value_size(const ProtobufCFieldDescriptor *field);

#endif
