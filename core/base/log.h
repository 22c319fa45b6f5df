#ifndef CORE_BASE_LOG_H
#define CORE_BASE_LOG_H

#include <stdint.h>

/* The program's log: one event a line on stderr, JSON or text for people.
 * Any thread; a line is written whole. No secret is ever passed in.
 *
 *   log_event(LOG_INFO, "listening", LOG_TEXT("rpc", address), LOG_INT("port", 9470));
 *
 * JSON: {"time":"2026-01-01T00:00:00.000Z","level":"info","event":"listening",
 *        "rpc":"127.0.0.1:9470","port":9470} */

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };
/* auto: text on a terminal, else JSON */
enum log_format { LOG_FORMAT_AUTO, LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

struct log_field {
    const char *name;
    const char *text;    /* NULL: number */
    int64_t number;
};

#define LOG_TEXT(name, value) ((struct log_field){ (name), (value) != NULL ? (value) : "", 0 })
#define LOG_INT(name, value)  ((struct log_field){ (name), NULL, (int64_t)(value) })

/* Call before other threads start. */
void log_open(enum log_format format, enum log_level least);

/* At most 16 fields. */
#define log_event(level, event, ...)                                              \
    log_write((level), (event), (const struct log_field[]){ __VA_ARGS__ },        \
              sizeof((const struct log_field[]){ __VA_ARGS__ }) / sizeof(struct log_field))

void log_write(enum log_level level, const char *event, const struct log_field *fields,
               unsigned long count);

#endif
