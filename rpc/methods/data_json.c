#include "rpc/methods/data_json.h"

#include "core/base/json_scan.h"
#include "core/base/rfc3339.h"
#include "rpc/enum_word.h"
#include "rpc/methods/convert.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

/* Workers and the JSON API read the object, core and connectors the typed fields:
 * a job must not be shown as one thing and run as another. */

struct completing {
    const Sync__V1__JobData *data;
    struct arena *mem;
    bool is_full; /* the arena */
    /* What is put in front; as much as there can be of it fits. */
    char *text;
    size_t size, room;
};

static bool is_null(struct bytes value)
{
    return bytes_equal(value, bytes_of_text("null"));
}

/* ---- Whether a member says what its field says. ---- */

static bool says_text(struct completing *c, struct bytes value, const char *text)
{
    struct bytes said;

    if (is_null(value))
        return text[0] == '\0';
    if (value.data[0] != '"')
        return false;
    said = json_scan_text(value, c->mem);
    c->is_full |= said.data == NULL;
    return said.data != NULL && bytes_equal(said, bytes_of_text(text));
}

static bool says_source(struct completing *c, struct bytes value)
{
    return says_text(c, value, c->data->source);
}

static bool says_target(struct completing *c, struct bytes value)
{
    return says_text(c, value, c->data->target);
}

static bool says_entity(struct completing *c, struct bytes value)
{
    return says_text(c, value, c->data->entity);
}

static const char *mode_of(const Sync__V1__JobData *data, char word[ENUM_WORD_MAX])
{
    bool has_word = enum_word_write(&sync__v1__job_type__descriptor, (int32_t)data->mode, word);

    return has_word ? word : "";
}

static bool says_mode(struct completing *c, struct bytes value)
{
    char word[ENUM_WORD_MAX];

    return says_text(c, value, mode_of(c->data, word));
}

static bool says_mass_delete(struct completing *c, struct bytes value)
{
    bool says_yes = bytes_equal(value, bytes_of_text("true"));
    bool says_no = is_null(value) || bytes_equal(value, bytes_of_text("false"));

    return c->data->allow_mass_delete ? says_yes : says_no;
}

static int64_t ms_of(const Google__Protobuf__Timestamp *time)
{
    return time->seconds * 1000 + time->nanos / 1000000;
}

static bool says_time(struct completing *c, struct bytes value,
                      const Google__Protobuf__Timestamp *time)
{
    struct bytes said;
    int64_t time_ms;

    if (is_null(value))
        return time == NULL;
    if (time == NULL || value.data[0] != '"')
        return false;
    said = json_scan_text(value, c->mem);
    c->is_full |= said.data == NULL;
    return said.data != NULL && rfc3339_read(said, &time_ms) && time_ms == ms_of(time);
}

static bool says_collections(struct completing *c, struct bytes value,
                             const Sync__V1__JobFilters *filters)
{
    struct json_items items;
    struct bytes item;
    size_t count = 0;

    if (is_null(value))
        return filters->n_collections == 0;
    if (value.data[0] != '[')
        return false;
    items = json_items_of(value);
    while (json_items_next(&items, NULL, &item)) {
        if (count == filters->n_collections || !says_text(c, item, filters->collections[count]))
            return false;
        count++;
    }
    return count == filters->n_collections;
}

/* Its next member, and the name as it is meant. */
static bool next_member(struct completing *c, struct json_items *items, struct bytes *name,
                        struct bytes *value)
{
    if (c->is_full || !json_items_next(items, name, value))
        return false;
    *name = json_scan_text(*name, c->mem);
    c->is_full |= name->data == NULL;
    return !c->is_full;
}

static bool is(struct bytes name, const char *expected)
{
    return bytes_equal(name, bytes_of_text(expected));
}

static bool says_filters(struct completing *c, struct bytes value)
{
    static const Sync__V1__JobFilters none = SYNC__V1__JOB_FILTERS__INIT;
    const Sync__V1__JobFilters *filters = c->data->filters != NULL ? c->data->filters : &none;
    bool has_time = false, has_collections = false;
    struct json_items items;
    struct bytes name, item;

    if (is_null(value))
        return filters->updated_since == NULL && filters->n_collections == 0;
    if (value.data[0] != '{')
        return false;
    items = json_items_of(value);
    while (next_member(c, &items, &name, &item)) {
        bool is_time = is(name, "updatedSince");
        bool is_collections = is(name, "collections");
        if (is_time && !says_time(c, item, filters->updated_since))
            return false;
        if (is_collections && !says_collections(c, item, filters))
            return false;
        has_time |= is_time;
        has_collections |= is_collections;
    }
    return (has_time || filters->updated_since == NULL) &&
           (has_collections || filters->n_collections == 0);
}

/* ---- What is missing is written. ---- */

static void put(struct completing *c, const void *text, size_t size)
{
    assert(size <= c->room - c->size);
    memcpy(c->text + c->size, text, size);
    c->size += size;
}

static void put_word(struct completing *c, const char *text)
{
    put(c, text, strlen(text));
}

static void put_text(struct completing *c, const char *text)
{
    char escaped[8];

    put_word(c, "\"");
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            put_word(c, "\\");
        if ((unsigned char)*text >= ' ') {
            put(c, text, 1);
            continue;
        }
        snprintf(escaped, sizeof escaped, "\\u%04x", (unsigned)*text);
        put_word(c, escaped);
    }
    put_word(c, "\"");
}

static void put_source(struct completing *c)
{
    put_text(c, c->data->source);
}

static void put_target(struct completing *c)
{
    put_text(c, c->data->target);
}

static void put_entity(struct completing *c)
{
    put_text(c, c->data->entity);
}

static void put_mode(struct completing *c)
{
    char word[ENUM_WORD_MAX];

    put_text(c, mode_of(c->data, word));
}

static void put_mass_delete(struct completing *c)
{
    put_word(c, "true");
}

static void put_filters(struct completing *c)
{
    const Sync__V1__JobFilters *filters = c->data->filters;
    char time[RFC3339_SIZE];

    put_word(c, "{");
    if (filters->updated_since != NULL) {
        rfc3339_write(ms_of(filters->updated_since), time);
        put_word(c, "\"updatedSince\":");
        put_text(c, time);
        put_word(c, filters->n_collections > 0 ? "," : "");
    }
    put_word(c, filters->n_collections > 0 ? "\"collections\":[" : "");
    for (size_t i = 0; i < filters->n_collections; i++) {
        put_word(c, i > 0 ? "," : "");
        put_text(c, filters->collections[i]);
    }
    put_word(c, filters->n_collections > 0 ? "]}" : "}");
}

/* ---- Both. ---- */

static const struct member {
    const char *name;
    bool (*says)(struct completing *c, struct bytes value); /* as the typed field */
    void (*put)(struct completing *c);
} members[] = {
    { "source", says_source, put_source },
    { "target", says_target, put_target },
    { "entity", says_entity, put_entity },
    { "mode", says_mode, put_mode },
    { "filters", says_filters, put_filters },
    { "allowMassDelete", says_mass_delete, put_mass_delete },
};

enum { MEMBER_COUNT = sizeof members / sizeof *members };

/* The members that are there, as bits; ERR_INVALID if one says something else. */
static enum err check_members(struct completing *c, struct bytes object, unsigned *present,
                              struct why *why)
{
    struct json_items items = json_items_of(object);
    struct bytes name, value;

    while (next_member(c, &items, &name, &value))
        for (unsigned i = 0; i < MEMBER_COUNT; i++) {
            if (!is(name, members[i].name))
                continue;
            *present |= 1U << i;
            if (!members[i].says(c, value) && !c->is_full)
                return refuse_field(why, "data.json", "says another %s than data.%s",
                                    members[i].name, members[i].name);
        }
    return OK;
}

/* An absent member says what null would. */
static unsigned missing_members(struct completing *c, unsigned present)
{
    unsigned missing = 0;

    for (unsigned i = 0; i < MEMBER_COUNT; i++)
        if ((present & 1U << i) == 0 && !members[i].says(c, bytes_of_text("null")))
            missing |= 1U << i;
    return missing;
}

/* Text of a field grows by escaping, sixfold at most; the names are ours. */
static bool make_room(struct completing *c, struct bytes object)
{
    enum { NAMES_SIZE = 512, GROWTH = 6 };
    size_t packed = protobuf_c_message_get_packed_size(&c->data->base);

    c->room = GROWTH * (packed - object.size) + NAMES_SIZE + object.size;
    c->text = arena_alloc(c->mem, c->room);
    c->is_full |= c->text == NULL;
    return c->text != NULL;
}

static void put_members(struct completing *c, struct bytes object, unsigned missing)
{
    const uint8_t *brace = memchr(object.data, '{', object.size);
    size_t behind = (size_t)(brace - object.data) + 1;
    struct json_items items = json_items_of(object);
    struct bytes any;
    const char *comma = "";

    put(c, object.data, behind);
    for (unsigned i = 0; i < MEMBER_COUNT; i++) {
        if ((missing & 1U << i) == 0)
            continue;
        put_word(c, comma);
        put_text(c, members[i].name);
        put_word(c, ":");
        members[i].put(c);
        comma = ",";
    }
    put_word(c, json_items_next(&items, NULL, &any) ? "," : "");
    put(c, object.data + behind, object.size - behind);
    put(c, "", 1);
}

static enum err check_form(struct bytes text, struct why *why)
{
    struct why flaw = { .text = "" };

    if (json_scan(text, JSON_DATA_DEPTH_MAX, &flaw) != OK)
        return refuse_field(why, "data.json", "must be a JSON object: %.160s", flaw.text);
    if (!json_scan_is_object(text))
        return refuse_field(why, "data.json", "must be a JSON object");
    return OK;
}

enum err data_json_complete(Sync__V1__JobData *data, struct arena *mem, struct why *why)
{
    struct completing c = { .data = data, .mem = mem };
    struct bytes object = bytes_of_text(data->json);
    unsigned present = 0, missing;
    enum err e;

    if (object.size == 0)
        return OK;
    e = check_form(object, why);
    if (e == OK)
        e = check_members(&c, object, &present, why);
    if (e != OK)
        return e;
    missing = missing_members(&c, present);
    if (missing != 0 && make_room(&c, object)) {
        put_members(&c, object, missing);
        data->json = c.text;
    }
    if (c.is_full)
        return err_because(why, ERR_LIMIT, "the request is too large for the memory of one call");
    return OK;
}
