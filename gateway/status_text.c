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

void status_text_to_json_names(struct rpc_status *status)
{
    char field[sizeof status->violation.field];

    memcpy(field, status->violation.field, sizeof field);
    if (strchr(field, '_') == NULL)
        return;
    rename_in(status->message, field);
    rename_in(status->violation.description, field);
    rename_in(status->violation.field, field);
}
