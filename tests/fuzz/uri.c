#include "gateway/uri.h"

#include "gateway/route.h"
#include "core/base/utf8.h"
#include "tests/fuzz/input.h"

#include <assert.h>
#include <stdio.h>

/* A request target. What was understood of it, with every byte encoded, is
 * understood the same; and a route it leads to knows its parts. */

enum { MEM_MAX = 1 << 20 };

static const char *encoded(const char *text, struct arena *mem)
{
    char *out = arena_alloc(mem, 3 * strlen(text) + 1), *at = out;

    for (; *text != '\0'; text++)
        at += sprintf(at, "%%%02X", (unsigned)(uint8_t)*text);
    return out;
}

static const char *write_encoded(const struct uri *uri, struct arena *mem)
{
    const char *text = uri->segment_count == 0 ? "/" : "";

    for (size_t i = 0; i < uri->segment_count; i++)
        text = arena_printf(mem, "%s/%s", text, encoded(uri->segments[i], mem));
    for (size_t i = 0; i < uri->parameter_count; i++)
        text = arena_printf(mem, "%s%c%s=%s", text, i == 0 ? '?' : '&',
                            encoded(uri->parameters[i].name, mem),
                            encoded(uri->parameters[i].value, mem));
    return text;
}

static void check_same(const struct uri *a, const struct uri *b)
{
    assert(a->segment_count == b->segment_count && a->parameter_count == b->parameter_count);
    for (size_t i = 0; i < a->segment_count; i++)
        assert(strcmp(a->segments[i], b->segments[i]) == 0 &&
               utf8_is_valid(bytes_of_text(a->segments[i])));
    for (size_t i = 0; i < a->parameter_count; i++)
        assert(strcmp(a->parameters[i].name, b->parameters[i].name) == 0 &&
               strcmp(a->parameters[i].value, b->parameters[i].value) == 0);
}

static enum err check_field(void *context, const char *field, const char *value)
{
    (void)context;
    assert(field[0] != '\0' && value[0] != '\0');
    return OK;
}

static void check_routes(const struct uri *uri)
{
    static const char *const methods[] = { "GET", "HEAD", "POST", "DELETE", "PUT" };

    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        char allow[ROUTE_ALLOW_SIZE];
        const struct route *route = route_find(methods[i], uri, allow);

        if (route != NULL)
            assert(route_each_path_field(route, uri, check_field, NULL) == OK);
        else
            assert(strstr(allow, methods[i]) == NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *mem = arena_new(MEM_MAX);
    struct why why = { .text = "" };
    struct uri uri, again;
    enum err e = uri_parse(arena_copy(mem, data, size), mem, &uri, &why);

    if (e != OK) {
        assert((e == ERR_INVALID || e == ERR_LIMIT) && why.text[0] != '\0');
    } else {
        check_routes(&uri);
        if (!uri.too_many_segments) {
            assert(uri_parse(write_encoded(&uri, mem), mem, &again, &why) == OK);
            check_same(&uri, &again);
        }
    }
    arena_free(mem);
    return 0;
}
