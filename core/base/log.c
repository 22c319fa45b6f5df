#include "core/base/log.h"
#include "core/base/clock.h"
#include "core/base/rfc3339.h"

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A line is built in a buffer that has room for the longest one possible, then
 * written with one call, so that lines of several threads do not mix. */

enum {
    FIELDS_MAX = 16,
    NAME_MAX_BYTES = 64,
    TEXT_MAX_BYTES = 1024, /* of one value as written; the rest is cut */
    ESCAPE_MAX_BYTES = 6,  /* \u0000 */
    LINE_BYTES = 512 + TEXT_MAX_BYTES + FIELDS_MAX * (NAME_MAX_BYTES + TEXT_MAX_BYTES + 8),
};

struct line {
    char data[LINE_BYTES];
    size_t size;
};

/* Set before there are threads, only read after. */
static struct {
    bool json;
    enum log_level least;
} settings = { .least = LOG_INFO };

void log_open(enum log_format format, enum log_level least)
{
    settings.json =
        format == LOG_FORMAT_JSON || (format == LOG_FORMAT_AUTO && !isatty(STDERR_FILENO));
    settings.least = least;
}

static void add(struct line *line, const char *text, size_t size)
{
    assert(size <= sizeof line->data - line->size);
    memcpy(line->data + line->size, text, size);
    line->size += size;
}

static void add_text(struct line *line, const char *text)
{
    add(line, text, strlen(text));
}

/* Length of the UTF-8 sequence at text, 0 if it is none (RFC 3629, section 4). */
static size_t utf8_size(const unsigned char *text)
{
    size_t size = text[0] < 0x80   ? 1
                  : text[0] < 0xc2 ? 0
                  : text[0] < 0xe0 ? 2
                  : text[0] < 0xf0 ? 3
                  : text[0] < 0xf5 ? 4
                                   : 0;

    for (size_t i = 1; i < size; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
        (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
        return 0;
    return size;
}

/* One character as JSON writes it; returns how much of text it was. */
static size_t add_char(struct line *line, const unsigned char *text)
{
    size_t size = utf8_size(text);
    char escape[ESCAPE_MAX_BYTES + 1];

    if (size == 0) {
        add_text(line, "\\ufffd");
        return 1;
    }
    if (text[0] == '"' || text[0] == '\\') {
        add_text(line, "\\");
    } else if (text[0] < 0x20 || text[0] == 0x7f) {
        snprintf(escape, sizeof escape, "\\u%04x", (unsigned)text[0]);
        add_text(line, escape);
        return 1;
    }
    add(line, (const char *)text, size);
    return size;
}

/* Text for people gets the same quoting: a value cannot forge a line. */
static void add_quoted(struct line *line, const char *value)
{
    const unsigned char *text = (const unsigned char *)value;
    size_t end = line->size + TEXT_MAX_BYTES - ESCAPE_MAX_BYTES;

    add_text(line, "\"");
    while (*text != '\0' && line->size < end)
        text += add_char(line, text);
    add_text(line, "\"");
}

static void add_value(struct line *line, const struct log_field *field)
{
    char number[24];

    if (field->text != NULL) {
        add_quoted(line, field->text);
        return;
    }
    snprintf(number, sizeof number, "%" PRId64, field->number);
    add_text(line, number);
}

static void add_json(struct line *line, const char *time, const char *level, const char *event)
{
    add_text(line, "{\"time\":\"");
    add_text(line, time);
    add_text(line, "\",\"level\":\"");
    add_text(line, level);
    add_text(line, "\",\"event\":");
    add_quoted(line, event);
}

static void add_json_field(struct line *line, const struct log_field *field)
{
    add_text(line, ",\"");
    add_text(line, field->name);
    add_text(line, "\":");
    add_value(line, field);
}

static void add_human(struct line *line, const char *time, const char *level, const char *event)
{
    add_text(line, time);
    add_text(line, " ");
    add_text(line, level);
    add_text(line, " ");
    add(line, event, strnlen(event, 128));
}

static void add_human_field(struct line *line, const struct log_field *field)
{
    add_text(line, " ");
    add_text(line, field->name);
    add_text(line, "=");
    add_value(line, field);
}

static void write_line(const struct line *line)
{
    size_t done = 0;

    /* A log that cannot be written must not stop the program. */
    while (done < line->size) {
        ssize_t n = write(STDERR_FILENO, line->data + done, line->size - done);

        if (n <= 0)
            return;
        done += (size_t)n;
    }
}

void log_write(enum log_level level, const char *event, const struct log_field *fields,
               unsigned long count)
{
    static const char *const levels[] = { "debug", "info", "warning", "error" };
    char time[RFC3339_SIZE];
    struct line line;

    assert(level <= LOG_ERROR && count <= FIELDS_MAX);
    if (level < settings.least)
        return;
    line.size = 0;
    rfc3339_write(clock_now_ms(clock_real()), time);
    (settings.json ? add_json : add_human)(&line, time, levels[level], event);
    for (unsigned long i = 0; i < count; i++) {
        assert(strlen(fields[i].name) <= NAME_MAX_BYTES);
        (settings.json ? add_json_field : add_human_field)(&line, &fields[i]);
    }
    add_text(&line, settings.json ? "}\n" : "\n");
    write_line(&line);
}
