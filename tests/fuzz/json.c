#include "core/base/json_scan.h"
#include "gateway/json/json_writer.h"
#include "gateway/limits.h"
#include "core/base/utf8.h"
#include "tests/fuzz/input.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>

/* Text that may be JSON. jansson agrees on what is, but for what it cannot hold
 * (numbers too large, names that come twice); and a text of ours, written as a
 * string, is what jansson reads. */

/* Numbers too large for it, NULs in names and half a surrogate pair are none of
 * the scanner's affairs. */
static bool is_too_much(const json_error_t *error)
{
    enum json_error_code code = json_error_code(error);

    return code == json_error_numeric_overflow || code == json_error_null_byte_in_key ||
           strstr(error->text, "invalid Unicode") != NULL;
}

static bool jansson_reads(struct bytes text, bool or_too_much)
{
    json_error_t error = { .line = 0 };
    json_t *json =
        json_loadb((const char *)text.data, text.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    bool reads = json != NULL;

    if (!reads)
        reads = or_too_much && is_too_much(&error);
    json_decref(json);
    return reads;
}

/* Nested deeper than we allow; and jansson takes a NUL for the end. */
static bool is_for_others(struct bytes text)
{
    return json_scan(text, 4096, NULL) == OK ||
           (text.size > 0 && memchr(text.data, '\0', text.size) != NULL);
}

static void check_members(struct bytes text, json_t *object)
{
    size_t count = json_object_size(object);

    for (size_t i = 0; i < count; i++) {
        struct bytes value = json_scan_member(text, i);

        assert(value.data >= text.data && value.data + value.size <= text.data + text.size);
        assert(json_scan(value, JSON_DEPTH_MAX, NULL) == OK);
    }
}

/* The walk sees what jansson read, name by name. */
static void check_walk(struct bytes text, json_t *object)
{
    struct json_items items = json_items_of(text);
    struct arena *mem = arena_new(1 << 20);
    struct bytes name, value;
    size_t count = 0;

    for (; json_items_next(&items, &name, &value); count++) {
        struct bytes said = json_scan_text(name, mem), as_text;
        json_t *member = json_object_getn(object, (const char *)said.data, said.size);

        assert(member != NULL && (value.data[0] == '"') == json_is_string(member));
        if (!json_is_string(member))
            continue;
        as_text = bytes_of(json_string_value(member), json_string_length(member));
        assert(bytes_equal(json_scan_text(value, mem), as_text));
    }
    assert(count == json_object_size(object));
    arena_free(mem);
}

static void check_scan(struct bytes text)
{
    struct why why = { .text = "" };
    json_t *json;

    if (json_scan(text, JSON_DEPTH_MAX, &why) != OK) {
        assert(why.text[0] != '\0');
        assert(!jansson_reads(text, false) || is_for_others(text));
        return;
    }
    assert(jansson_reads(text, true) && utf8_is_valid(text));
    json = json_loadb((const char *)text.data, text.size,
                      JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
    if (json != NULL && json_is_object(json)) {
        assert(json_scan_is_object(text));
        check_members(text, json);
        check_walk(text, json);
    }
    json_decref(json);
}

static void check_writer(struct bytes text)
{
    struct json_writer writer = { .size_max = 8 * text.size + 64 };
    char *copy = strndup(text.size > 0 ? (const char *)text.data : "", text.size);
    json_t *json;

    json_text(&writer, copy);
    assert(!writer.failed);
    json = json_loadb(writer.text, writer.size, JSON_DECODE_ANY, NULL);
    assert(json_is_string(json));
    if (utf8_is_valid(bytes_of_text(copy)))
        assert(strcmp(json_string_value(json), copy) == 0);
    json_decref(json);
    json_writer_free(&writer);
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_scan(bytes_of(data, size));
    check_writer(bytes_of(data, size));
    return 0;
}
