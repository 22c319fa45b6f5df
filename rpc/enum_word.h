#ifndef RPC_ENUM_WORD_H
#define RPC_ENUM_WORD_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Enum values as the API's words: JOB_STATUS_QUEUED is "queued",
 * SCHEDULE_OVERLAP_BUFFER_ONE "bufferOne", WAIT_REASON_NO_WORKER "no_worker".
 * Value 0 (unspecified) has no word: it is the absence of one. */

enum { ENUM_WORD_MAX = 48 }; /* with its NUL */

/* False if the value has no word. */
bool enum_word_write(const ProtobufCEnumDescriptor *type, int32_t value, char word[ENUM_WORD_MAX]);
bool enum_word_read(const ProtobufCEnumDescriptor *type, const char *word, int32_t *value);

/* "full, incremental, entity, scheduled", cut to what fits. */
void enum_word_list(const ProtobufCEnumDescriptor *type, char *list, size_t size);

#endif
