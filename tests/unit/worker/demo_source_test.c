#include "tests/unit/worker/recorder.h"

#include "core/base/rfc3339.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* The demo shop is a pure function of seed, id and time: these tests ask it at
 * moments of their own choosing. */

static const char *const entities[] = { "products", "collections", "customers", "orders" };

static int64_t at(const char *text)
{
    int64_t time_ms;

    assert_true(rfc3339_read(bytes_of_text(text), &time_ms));
    return time_ms;
}

static struct source *shop_at(const char *now)
{
    char config[256];

    snprintf(config, sizeof config,
             "{\"kind\": \"demo\", \"seed\": 7, \"size\": 400, \"updateSeconds\": 3600,"
             " \"lifetimeSeconds\": 7200, \"now\": \"%s\"}",
             now);
    return source_open("demo", config, "{}");
}

static void read_at(const char *now, const char *entity, const char *low, struct recorder *read)
{
    struct source *source = shop_at(now);

    recorder_init(read);
    assert_int_equal(source_read(source, entity, low != NULL ? at(low) : 0, read), READ_DONE);
    assert_int_equal(read->total, read->count);
    source->kind->close(source);
}

static void assert_same(const struct recorder *a, const struct recorder *b)
{
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        assert_string_equal(a->told[i].key, b->told[i].key);
        assert_string_equal(a->told[i].document, b->told[i].document);
        assert_int_equal(a->told[i].updated_at_ms, b->told[i].updated_at_ms);
        assert_int_equal(a->told[i].deleted, b->told[i].deleted);
    }
}

static void two_reads_of_the_same_moment_agree(void **state)
{
    struct recorder first, second;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        read_at("2025-03-01T10:00:00Z", entities[i], NULL, &first);
        read_at("2025-03-01T10:00:00Z", entities[i], NULL, &second);
        assert_true(first.count > 0);
        assert_same(&first, &second);
        recorder_free(&first);
        recorder_free(&second);
    }
}

static void the_size_is_that_of_the_whole_shop_at_any_time(void **state)
{
    static const char *const times[] = { "2025-01-01T00:00:00Z", "2025-01-01T01:59:59Z",
                                         "2025-06-05T04:03:02.001Z" };
    struct recorder read;

    (void)state;
    for (size_t t = 0; t < 3; t++) {
        size_t sum = 0;

        for (size_t i = 0; i < 4; i++) {
            read_at(times[t], entities[i], NULL, &read);
            sum += read.count;
            recorder_free(&read);
        }
        assert_int_equal(sum, 400);
    }
}

static void ids_come_in_ascending_order(void **state)
{
    struct recorder read;

    (void)state;
    read_at("2025-03-01T10:00:00Z", "orders", NULL, &read);
    for (size_t i = 1; i < read.count; i++)
        assert_true(atoll(read.told[i].key) > atoll(read.told[i - 1].key));
    recorder_free(&read);
}

static void documents_are_json_objects_with_the_record_s_key_and_time(void **state)
{
    struct recorder read;

    (void)state;
    for (size_t e = 0; e < 4; e++) {
        read_at("2025-03-01T10:00:00Z", entities[e], NULL, &read);
        for (size_t i = 0; i < read.count; i++) {
            json_t *document = json_loads(read.told[i].document, JSON_REJECT_DUPLICATES, NULL);
            const char *time = json_string_value(json_object_get(document, "updatedAt"));

            assert_true(json_is_object(document));
            assert_string_equal(json_string_value(json_object_get(document, "legacyResourceId")),
                                read.told[i].key);
            assert_int_equal(at(time), read.told[i].updated_at_ms);
            json_decref(document);
        }
        recorder_free(&read);
    }
}

/* What a target would hold: the earlier read, and then the changes. */
static void assert_changes_lead_from(const char *low, const char *now, const char *entity)
{
    struct recorder before, changes, after;
    size_t alive = 0;

    read_at(low, entity, NULL, &before);
    read_at(now, entity, low, &changes);
    read_at(now, entity, NULL, &after);
    for (size_t i = 0; i < after.count; i++) {
        const struct told *now_told = &after.told[i];
        const struct told *held = recorder_find(&changes, now_told->key);

        if (held == NULL)
            held = recorder_find(&before, now_told->key);
        assert_non_null(held);
        assert_false(held->deleted);
        assert_string_equal(held->document, now_told->document);
    }
    for (size_t i = 0; i < before.count; i++) {
        const struct told *changed = recorder_find(&changes, before.told[i].key);

        alive += changed == NULL || !changed->deleted;
    }
    for (size_t i = 0; i < changes.count; i++) {
        assert_true(changes.told[i].updated_at_ms >= at(low));
        alive += !changes.told[i].deleted && recorder_find(&before, changes.told[i].key) == NULL;
    }
    assert_int_equal(alive, after.count);
    recorder_free(&before);
    recorder_free(&changes);
    recorder_free(&after);
}

static void changes_since_a_read_lead_to_the_present_state(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_changes_lead_from("2025-03-01T10:00:00Z", "2025-03-01T10:00:00Z", entities[i]);
        assert_changes_lead_from("2025-03-01T10:00:00Z", "2025-03-01T10:10:00Z", entities[i]);
        assert_changes_lead_from("2025-03-01T10:00:00Z", "2025-03-01T21:17:00Z", entities[i]);
        assert_changes_lead_from("2025-01-01T00:00:00Z", "2025-01-03T00:00:00Z", entities[i]);
    }
}

static void changes_are_exactly_those_at_or_after_the_lower_bound(void **state)
{
    struct recorder all, changes;
    size_t expected = 0, alive = 0;
    int64_t low_ms = at("2025-03-01T09:40:00Z");

    (void)state;
    read_at("2025-03-01T10:00:00Z", "products", NULL, &all);
    read_at("2025-03-01T10:00:00Z", "products", "2025-03-01T09:40:00Z", &changes);
    for (size_t i = 0; i < all.count; i++)
        expected += all.told[i].updated_at_ms >= low_ms;
    for (size_t i = 0; i < changes.count; i++)
        alive += !changes.told[i].deleted;
    assert_int_equal(alive, expected);
    assert_in_range(expected, 1, all.count - 1);
    recorder_free(&all);
    recorder_free(&changes);
}

static void rows_disappear_and_say_so(void **state)
{
    struct recorder changes;
    size_t gone = 0;

    (void)state;
    read_at("2025-03-01T12:00:00Z", "orders", "2025-03-01T10:00:00Z", &changes);
    for (size_t i = 0; i < changes.count; i++)
        gone += changes.told[i].deleted;
    assert_true(gone > 0);
    recorder_free(&changes);
}

static void a_read_goes_on_behind_any_record(void **state)
{
    struct recorder whole;
    struct source *source = shop_at("2025-03-01T10:00:00Z");

    (void)state;
    read_at("2025-03-01T10:00:00Z", "products", NULL, &whole);
    for (size_t stop = 1; stop <= whole.count; stop++) {
        struct recorder parts;

        recorder_init(&parts);
        parts.records_max = stop;
        (void)source_read(source, "products", 0, &parts);
        assert_int_equal(parts.count, stop);
        parts.records_max = 0;
        assert_int_equal(source_read(source, "products", 0, &parts), READ_DONE);
        assert_same(&whole, &parts);
        recorder_free(&parts);
    }
    source->kind->close(source);
    recorder_free(&whole);
}

static bool is_in(const char *document, const char *handle)
{
    json_t *parsed = json_loads(document, 0, NULL);
    json_t *item;
    size_t i;
    bool found = false;

    json_array_foreach(json_object_get(parsed, "collections"), i, item) found =
        found || strcmp(json_string_value(item), handle) == 0;
    json_decref(parsed);
    return found;
}

static void a_filter_by_collections_tells_exactly_their_products(void **state)
{
    static const char *const handles[] = { "summer-collection" };
    struct source *source = shop_at("2025-03-01T10:00:00Z");
    struct read_request request = { .entity = "products",
                                    .collections = handles,
                                    .collection_count = 1 };
    struct problem problem = { 0 };
    struct recorder all, some;
    size_t expected = 0;

    (void)state;
    read_at("2025-03-01T10:00:00Z", "products", NULL, &all);
    recorder_init(&some);
    assert_int_equal(source->kind->read(source, &request, &some.sink, &problem), READ_DONE);
    for (size_t i = 0; i < some.count; i++)
        assert_true(is_in(some.told[i].document, handles[0]));
    for (size_t i = 0; i < all.count; i++)
        expected += is_in(all.told[i].document, handles[0]);
    assert_int_equal(some.count, expected);
    assert_true(source->kind->count(source, &request, &some.total));
    assert_int_equal(some.total, expected);
    assert_in_range(expected, 1, all.count - 1);
    recorder_free(&all);
    recorder_free(&some);
    source->kind->close(source);
}

static void an_unknown_collection_is_the_caller_s_mistake(void **state)
{
    static const char *const handles[] = { "winter-collection" };
    struct source *source = shop_at("2025-03-01T10:00:00Z");
    struct read_request request = { .entity = "products",
                                    .collections = handles,
                                    .collection_count = 1 };
    struct problem problem = { 0 };
    struct recorder read;

    (void)state;
    recorder_init(&read);
    assert_int_equal(source->kind->read(source, &request, &read.sink, &problem), READ_FAILED);
    assert_int_equal(problem.class, PROBLEM_CONFIG);
    assert_non_null(strstr(problem.text, "winter-collection"));
    source->kind->close(source);
}

static void the_pace_is_kept(void **state)
{
    struct source *source =
        source_open("demo", "{\"kind\": \"demo\", \"size\": 100}", "{\"demo\": {\"pace\": 100}}");
    struct recorder read;

    (void)state;
    recorder_init(&read);
    assert_int_equal(source_read(source, "orders", 0, &read), READ_DONE);
    assert_true(read.count > 40);
    assert_true(read.waited_ms > 0);
    recorder_free(&read);
    source->kind->close(source);
}

static void other_seeds_are_other_shops(void **state)
{
    struct source *source = source_open(
        "demo",
        "{\"kind\": \"demo\", \"seed\": 8, \"size\": 400, \"now\": \"2025-03-01T10:00:00Z\"}",
        "{}");
    struct recorder seven, eight;

    (void)state;
    read_at("2025-03-01T10:00:00Z", "customers", NULL, &seven);
    recorder_init(&eight);
    assert_int_equal(source_read(source, "customers", 0, &eight), READ_DONE);
    assert_string_not_equal(seven.told[0].document, eight.told[0].document);
    recorder_free(&seven);
    recorder_free(&eight);
    source->kind->close(source);
}

static void wrong_settings_are_refused_by_name(void **state)
{
    static const char *const wrong[][2] = {
        { "{\"sise\": 10}", "sise" },
        { "{\"size\": -1}", "size" },
        { "{\"size\": {\"product\": 1}}", "product" },
        { "{\"pace\": \"fast\"}", "pace" },
        { "{\"now\": \"yesterday\"}", "now" },
        { "{\"now\": \"2024-01-01T00:00:00Z\"}", "now" },
        { "{\"lifetimeSeconds\": 5}", "lifetimeSeconds" },
    };
    struct problem problem;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        source_refuses("demo", wrong[i][0], "{}", &problem);
        assert_int_equal(problem.class, PROBLEM_CONFIG);
        assert_non_null(strstr(problem.text, wrong[i][1]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_reads_of_the_same_moment_agree),
        cmocka_unit_test(the_size_is_that_of_the_whole_shop_at_any_time),
        cmocka_unit_test(ids_come_in_ascending_order),
        cmocka_unit_test(documents_are_json_objects_with_the_record_s_key_and_time),
        cmocka_unit_test(changes_since_a_read_lead_to_the_present_state),
        cmocka_unit_test(changes_are_exactly_those_at_or_after_the_lower_bound),
        cmocka_unit_test(rows_disappear_and_say_so),
        cmocka_unit_test(a_read_goes_on_behind_any_record),
        cmocka_unit_test(a_filter_by_collections_tells_exactly_their_products),
        cmocka_unit_test(an_unknown_collection_is_the_caller_s_mistake),
        cmocka_unit_test(the_pace_is_kept),
        cmocka_unit_test(other_seeds_are_other_shops),
        cmocka_unit_test(wrong_settings_are_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
