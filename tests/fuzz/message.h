#ifndef TESTS_FUZZ_MESSAGE_H
#define TESTS_FUZZ_MESSAGE_H

#include "core/base/arena.h"

#include <protobuf-c/protobuf-c.h>

/* Messages made from any bytes along their descriptor: always well-formed, so
 * that a fuzzer gets past the parser. No bytes make the empty message. */

/* Texts that mean something to whoever is asked; chosen now and then. */
struct message_words {
    const char *words[64];
    size_t count;
};

/* Lies in mem. NULL when that is full. */
ProtobufCMessage *message_make(const ProtobufCMessageDescriptor *type,
                               const struct message_words *words, struct bytes *input,
                               struct arena *mem);

#endif
