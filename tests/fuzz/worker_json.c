#include "tools/worker/connectors/json_scan.h"

#include "tests/fuzz/input.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>

/* A line that may be a JSON object. jansson agrees on whether it is, but for
 * what it cannot hold, and on what its names and texts are. */

struct members {
    json_t *object; /* NULL: jansson could not hold it */
    size_t count;
    struct buffer text;
};

/* What jansson holds under this name, as it is without its escapes. */
static const json_t *value_of(struct members *members, struct bytes name)
{
    struct buffer *text = &members->text;

    text->size = 0;
    json_unescape(bytes_of(name.data - 1, name.size + 2), text);
    return json_object_getn(members->object, (const char *)text->data, text->size);
}

static void see(void *context, struct bytes name, struct bytes value)
{
    struct members *members = context;
    const json_t *held;

    assert(value.size > 0 && utf8_is_valid(name) && utf8_is_valid(value));
    members->count++;
    buffer_reserve(&members->text, 1);
    if (members->object == NULL)
        return;
    held = value_of(members, name);
    assert(held != NULL && json_is_string(held) == (value.data[0] == '"'));
    if (!json_is_string(held))
        return;
    members->text.size = 0;
    json_unescape(value, &members->text);
    assert(bytes_equal(buffer_bytes(&members->text),
                       bytes_of(json_string_value(held), json_string_length(held))));
}

/* Numbers too large for it, NULs in names, half a surrogate pair; and it takes
 * a NUL behind the text for its end. */
static bool is_for_others(struct bytes text, const json_error_t *error)
{
    enum json_error_code code = json_error_code(error);

    return code == json_error_numeric_overflow || code == json_error_null_byte_in_key ||
           code == json_error_duplicate_key || strstr(error->text, "invalid Unicode") != NULL ||
           memchr(text.data, '\0', text.size) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes text = bytes_of(data, size);
    json_error_t error = { .line = 0 };
    struct members members = {
        .object = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL,
                             &error)
    };
    const char *reason = NULL;
    bool good = json_scan_object(text, see, &members, &reason);

    if (!good)
        assert(reason != NULL);
    if (good && members.object == NULL)
        assert(is_for_others(text, &error));
    if (good && members.object != NULL)
        assert(members.count == json_object_size(members.object));
    if (!good && json_is_object(members.object))
        assert(strstr(reason, "deep") != NULL || memchr(data, '\0', size) != NULL);
    json_decref(members.object);
    buffer_free(&members.text);
    return 0;
}
