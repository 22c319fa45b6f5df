#ifndef GATEWAY_JSON_WRITER_H
#define GATEWAY_JSON_WRITER_H

#include "core/base/bytes.h"

/* Writes JSON text piece by piece; commas come by themselves. Out of memory or
 * over size_max makes it `failed`, then everything is ignored: ask once, at
 * the end. What is not valid UTF-8 becomes U+FFFD. */

struct json_writer {
    size_t size_max;       /* in */
    char *text;            /* free it with json_writer_free() */
    size_t size, room;
    bool needs_comma;
    bool failed;
};

void json_writer_free(struct json_writer *writer);

void json_begin_object(struct json_writer *writer);
void json_end_object(struct json_writer *writer);
void json_begin_array(struct json_writer *writer);
void json_end_array(struct json_writer *writer);

void json_key(struct json_writer *writer, const char *name);
void json_text(struct json_writer *writer, const char *text);
void json_int(struct json_writer *writer, int64_t number);
void json_uint(struct json_writer *writer, uint64_t number);
void json_bool(struct json_writer *writer, bool truth);
/* A value that is JSON text already. */
void json_raw(struct json_writer *writer, struct bytes text);

#endif
