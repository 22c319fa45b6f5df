#include "gateway/status_text.h"

#include <ctype.h>

/* Drops each underscore of text[0..size) and raises what follows; returns the
 * new size. */
static size_t to_camel_case(char *text, size_t size)
{
    size_t used = 0;

    for (size_t i = 0; i < size; i++) {
        if (text[i] == '_' && i + 1 < size)
            text[used++] = (char)toupper((unsigned char)text[++i]);
        else
            text[used++] = text[i];
    }
    return used;
}

/* Every place in `text` that says `field`. */
static void rename_in(char *text, const char *field)
{
    size_t size = strlen(field);

    for (char *at = strstr(text, field); at != NULL; at = strstr(at, field)) {
        size_t used = to_camel_case(at, size);

        memmove(at + used, at + size, strlen(at + size) + 1);
        at += used;
    }
}

/* Every place in text[0..room) that says `field` says `name` instead; what does
 * not fit any more is cut off. */
static void replace_in(char *text, size_t room, const char *field, const char *name)
{
    size_t size = strlen(field), length = strlen(name);

    for (char *at = strstr(text, field); at != NULL; at = strstr(at + length, field)) {
        size_t left = room - (size_t)(at - text) - 1, rest = strlen(at + size);

        if (length > left)
            return;
        if (rest > left - length)
            rest = left - length;
        memmove(at + length, at + size, rest);
        memcpy(at, name, length);
        at[length + rest] = '\0';
    }
}

/* Fields that come from a header over HTTP, always. */
static const struct {
    const char *field, *header;
} from_headers[] = { { "requestId", "Idempotency-Key" } };

static void name_header(struct rpc_status *status, const char *field, const char *header)
{
    if (strcmp(status->violation.field, field) != 0)
        return;
    replace_in(status->message, sizeof status->message, field, header);
    replace_in(status->violation.description, sizeof status->violation.description, field, header);
    replace_in(status->violation.field, sizeof status->violation.field, field, header);
}

static void drop_underscores(struct rpc_status *status)
{
    char field[sizeof status->violation.field];

    memcpy(field, status->violation.field, sizeof field);
    if (strchr(field, '_') == NULL)
        return;
    rename_in(status->message, field);
    rename_in(status->violation.description, field);
    rename_in(status->violation.field, field);
}

void status_text_to_json_names(struct rpc_status *status)
{
    drop_underscores(status);
    for (size_t i = 0; i < sizeof from_headers / sizeof *from_headers; i++)
        name_header(status, from_headers[i].field, from_headers[i].header);
}
