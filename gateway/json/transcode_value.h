#ifndef GATEWAY_TRANSCODE_VALUE_H
#define GATEWAY_TRANSCODE_VALUE_H

#include "core/base/arena.h"
#include "core/base/err.h"

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>

/* One value into its place in a message: what reading JSON and reading the text
 * of a parameter share. `path` names the field in the error's sentence. */

bool is_timestamp(const ProtobufCFieldDescriptor *field);
bool is_duration(const ProtobufCFieldDescriptor *field);

MUST_USE enum err value_put_integer(const ProtobufCFieldDescriptor *field, void *place,
                                    int64_t number, const char *path, struct why *why);
MUST_USE enum err value_put_text(void *place, const char *text, struct arena *mem, struct why *why);
MUST_USE enum err value_put_enum(const ProtobufCFieldDescriptor *field, void *place,
                                 const char *word, const char *path, struct why *why);
MUST_USE enum err value_put_timestamp(void *place, const char *text, struct arena *mem,
                                      const char *path, struct why *why);
MUST_USE enum err value_put_duration(void *place, const char *text, struct arena *mem,
                                     const char *path, struct why *why);

/* "must be a whole number", "must be a string", ...: ERR_INVALID. */
enum err value_is_wrong(const ProtobufCFieldDescriptor *field, const char *path, struct why *why);

/* ERR_LIMIT: the request is larger than its memory. */
enum err value_does_not_fit(struct why *why);

#endif
