#ifndef GATEWAY_OPENAPI_SCHEMA_H
#define GATEWAY_OPENAPI_SCHEMA_H

#include "gateway/json/json_writer.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

/* Messages as JSON Schema, the way transcode.h writes and reads them. A message
 * or enum that is used is noted, and written once among the components. */

enum { SCHEMA_TYPES_MAX = 64 };

struct schemas {
    const ProtobufCMessageDescriptor *messages[SCHEMA_TYPES_MAX];
    size_t message_count;
    const ProtobufCEnumDescriptor *enums[SCHEMA_TYPES_MAX];
    size_t enum_count;
};

/* One key and string. */
void schema_text(struct json_writer *writer, const char *key, const char *text);

/* The schema of a field's values, its description included. */
void schema_write_field(struct json_writer *writer, struct schemas *schemas,
                        const ProtobufCFieldDescriptor *field, const char *message);

/* "name": schema, for those of the message's fields that `members` names (NULL:
 * all) and `hidden` does not. */
void schema_write_properties(struct json_writer *writer, struct schemas *schemas,
                             const ProtobufCMessageDescriptor *type, const char *members,
                             const char *hidden);

/* The names, as an array's elements, of those that must or will be there. */
void schema_write_required(struct json_writer *writer, const ProtobufCMessageDescriptor *type,
                           const char *members);
bool schema_has_required(const ProtobufCMessageDescriptor *type, const char *members);

/* "Name": schema, for all that was noted. */
void schema_write_components(struct json_writer *writer, struct schemas *schemas);

#endif
