#ifndef GATEWAY_TRANSCODE_H
#define GATEWAY_TRANSCODE_H

#include "core/base/arena.h"
#include "core/base/err.h"
#include "gateway/json/json_writer.h"

#include <protobuf-c/protobuf-c.h>

/* JSON ↔ protobuf by descriptor: nothing here knows a message, but for the
 * times of google.protobuf and for a job's `data`.
 *
 *   names       lowerCamelCase
 *   enums       the words of enum_word.h; unspecified is absence
 *   Timestamp   RFC 3339 text; written in UTC with Z
 *   Duration    ISO 8601 text; a number of seconds is read, too
 *   numbers     JSON numbers, 64 bits included
 *   absence     a oneof of one field keeps it; other numbers and bools are
 *               always written; empty text, messages that are not set and
 *               enums that are unspecified never; empty arrays only at the top
 *   data        written from JobData.json as it came, where that is set; read
 *               into both, and there (and in its filters) members that nobody
 *               knows are allowed. Everywhere else they are refused. */

/* Reads a JSON object into an initialised message. `members` names those
 * allowed at the top, separated by blanks. What the message then points at lies
 * in mem. ERR_INVALID names the field (as "data.filters.updatedSince") and says
 * what would have been right; ERR_LIMIT: mem is used up. */
MUST_USE enum err transcode_read(struct bytes text, const char *members, ProtobufCMessage *message,
                                 struct arena *mem, struct why *why);

/* Reads text that came in a path, a query or a header into the field of that
 * JSON name, which exists and is not repeated. */
MUST_USE enum err transcode_read_text(const char *name, const char *text,
                                      ProtobufCMessage *message, struct arena *mem,
                                      struct why *why);

/* Writes the message's members; the braces are the caller's. Fields whose JSON
 * name is among `hidden` (separated by blanks; may be NULL) are left out at any
 * depth. */
void transcode_write_members(struct json_writer *writer, const ProtobufCMessage *message,
                             const char *hidden);

/* Writes the message as an object, as it stands inside of an answer. */
void transcode_write_object(struct json_writer *writer, const ProtobufCMessage *message);

/* True if each field of the type, and of the types in it, can be written. */
bool transcode_knows(const ProtobufCMessageDescriptor *type);

#endif
