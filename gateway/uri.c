#include "gateway/uri.h"

#include "core/base/utf8.h"

enum plus { PLUS_IS_PLUS, PLUS_IS_SPACE };

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* The byte that *text begins with, escaped or not; -1 for a broken escape. */
static int take_byte(struct bytes *text, enum plus plus)
{
    uint8_t c = text->data[0];
    size_t size = 1;
    int byte = c;

    if (c == '+' && plus == PLUS_IS_SPACE)
        byte = ' ';
    if (c == '%') {
        int high = text->size > 2 ? hex_digit(text->data[1]) : -1;
        int low = text->size > 2 ? hex_digit(text->data[2]) : -1;

        if (high < 0 || low < 0)
            return -1;
        byte = high * 16 + low;
        size = 3;
    }
    *text = bytes_of(text->data + size, text->size - size);
    return byte;
}

static enum err decode(struct bytes text, enum plus plus, struct arena *mem, const char **decoded,
                       struct why *why)
{
    char *room = arena_alloc(mem, text.size + 1);
    size_t size = 0;

    if (room == NULL)
        return err_because(why, ERR_LIMIT, "The request is larger than this service can take");
    while (text.size > 0) {
        int byte = take_byte(&text, plus);

        if (byte < 0)
            return err_because(why, ERR_INVALID, "The URL has an invalid percent-encoding");
        if (byte < ' ' || byte == 0x7f)
            return err_because(why, ERR_INVALID, "The URL has a control character in it");
        room[size++] = (char)byte;
    }
    room[size] = '\0';
    if (!utf8_is_valid(bytes_of(room, size)))
        return err_because(why, ERR_INVALID, "The URL is not valid UTF-8");
    *decoded = room;
    return OK;
}

/* Cuts *text at the first `separator`; returns what was before it. */
static struct bytes cut(struct bytes *text, char separator)
{
    const uint8_t *found = text->size > 0 ? memchr(text->data, separator, text->size) : NULL;
    size_t size = found != NULL ? (size_t)(found - text->data) : text->size;
    struct bytes before = bytes_of(text->data, size);

    if (found != NULL)
        size++;
    *text = bytes_of(text->data + size, text->size - size);
    return before;
}

static enum err parse_path(struct bytes path, struct arena *mem, struct uri *uri, struct why *why)
{
    cut(&path, '/'); /* before the leading one there is nothing */
    for (;;) {
        bool last = path.size == 0 || memchr(path.data, '/', path.size) == NULL;
        struct bytes segment = cut(&path, '/');
        const char *decoded;
        enum err e = decode(segment, PLUS_IS_PLUS, mem, &decoded, why);

        if (e != OK)
            return e;
        if (uri->segment_count == ROUTE_SEGMENTS_MAX) {
            uri->too_many_segments = true;
            return OK;
        }
        uri->segments[uri->segment_count++] = decoded;
        if (last)
            return OK;
    }
}

static enum err parse_query(struct bytes query, struct arena *mem, struct uri *uri, struct why *why)
{
    while (query.size > 0) {
        struct bytes value = cut(&query, '&'), name = cut(&value, '=');
        struct uri_parameter *parameter = &uri->parameters[uri->parameter_count];
        enum err e;

        if (name.size == 0 && value.size == 0)
            continue;
        if (uri->parameter_count == QUERY_PARAMETERS_MAX)
            return err_because(why, ERR_INVALID, "The URL has too many query parameters");
        e = decode(name, PLUS_IS_SPACE, mem, &parameter->name, why);
        if (e == OK)
            e = decode(value, PLUS_IS_SPACE, mem, &parameter->value, why);
        if (e != OK)
            return e;
        uri->parameter_count++;
    }
    return OK;
}

enum err uri_parse(const char *target, struct arena *mem, struct uri *uri, struct why *why)
{
    struct bytes query = bytes_of_text(target), path = cut(&query, '?');
    enum err e;

    *uri = (struct uri){ .segment_count = 0 };
    e = parse_path(path, mem, uri, why);
    return e == OK ? parse_query(query, mem, uri, why) : e;
}
