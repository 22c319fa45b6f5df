#ifndef TESTS_FUZZ_MESSAGE_H
#define TESTS_FUZZ_MESSAGE_H

#include "core/base/arena.h"

#include <protobuf-c/protobuf-c.h>

/* Messages made from any bytes along their descriptor: always well-formed, so
 * that a fuzzer gets past the parser. No bytes make the empty message. */

/* Texts that mean something in fields of some name. */
struct message_word {
    const char *field, *text;
};

enum { MESSAGE_WORDS_MAX = 128 };

struct message_words {
    struct message_word words[MESSAGE_WORDS_MAX];
    size_t count;
};

/* Lies in mem. NULL when that is full. */
ProtobufCMessage *message_make(const ProtobufCMessageDescriptor *type,
                               const struct message_words *words, struct bytes *input,
                               struct arena *mem);

/* The same from packed bytes; NULL if they do not parse, too. */
ProtobufCMessage *message_unpack(const ProtobufCMessageDescriptor *type, struct bytes packed,
                                 struct arena *mem);

#endif
