#include "tests/unit/worker/folder.h"
#include "tests/unit/worker/recorder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

struct fixture {
    char dir[FOLDER_PATH_SIZE];
    struct recorder read;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    folder_make(f->dir);
    recorder_init(&f->read);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    recorder_free(&f->read);
    folder_remove(f->dir);
    free(f);
    return 0;
}

/* Reads one entity of the fixture's folder; `more` are further settings. */
static enum read_end read_with(struct fixture *f, const char *entity, const char *more,
                               int64_t low_ms)
{
    char config[2 * FOLDER_PATH_SIZE];
    struct source *source;
    enum read_end end;

    snprintf(config, sizeof config, "{\"kind\": \"file\", \"path\": \"%s\"%s}", f->dir, more);
    source = source_open("file", config, "{}");
    end = source_read(source, entity, low_ms, &f->read);
    source->kind->close(source);
    return end;
}

static void ndjson_documents_stay_as_they_are(void **state)
{
    struct fixture *f = *state;

    folder_write(f->dir, "products.ndjson",
                 "{\"id\": \"a\", \"price\": 9.990, \"n\": 123456789012345678901}\n"
                 "\n"
                 "{\"id\":-12.0,\"updatedAt\":\"2025-01-01T00:00:00Z\"}\r\n"
                 "{\"id\":\"last \\u00e9\"}",
                 0644);
    assert_int_equal(read_with(f, "products", "", 0), READ_DONE);
    assert_int_equal(f->read.count, 3);
    assert_int_equal(f->read.total, 3);
    assert_string_equal(f->read.told[0].document,
                        "{\"id\": \"a\", \"price\": 9.990, \"n\": 123456789012345678901}");
    assert_string_equal(f->read.told[1].key, "-12.0");
    assert_int_equal(f->read.told[1].updated_at_ms, 1735689600000);
    assert_string_equal(f->read.told[2].key, "last \xc3\xa9");
}

static void a_bad_line_fails_the_read_and_says_where(void **state)
{
    static const char *const bad[] = { "{\"id\":1",     "[1]",           "{\"name\":\"no key\"}",
                                       "{\"id\":null}", "{\"id\":\"\"}", "{\"id\":\"\xff\"}" };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[128];

        recorder_free(&f->read);
        recorder_init(&f->read);
        snprintf(text, sizeof text, "{\"id\":1}\n%s\n{\"id\":3}\n", bad[i]);
        folder_write(f->dir, "a.ndjson", text, 0644);
        assert_int_equal(read_with(f, "a", "", 0), READ_FAILED);
        assert_int_equal(f->read.count, 1);
    }
}

static void bad_lines_may_be_allowed_up_to_a_number(void **state)
{
    struct fixture *f = *state;

    folder_write(f->dir, "a.jsonl", "{\"id\":1}\noops\n{\"id\":3}\noops\n{\"id\":5}\n", 0644);
    assert_int_equal(read_with(f, "a", ", \"maxBadRecords\": 2", 0), READ_DONE);
    assert_int_equal(f->read.count, 3);
    assert_int_equal(f->read.rejected, 2);
    f->read.position_size = 0;
    assert_int_equal(read_with(f, "a", ", \"maxBadRecords\": 1", 0), READ_FAILED);
}

static void csv_records_become_objects(void **state)
{
    struct fixture *f = *state;

    folder_write(f->dir, "c.csv",
                 "\xef\xbb\xbfsku;title;updated_at\r\n"
                 "1;\"a \"\"b\"\"\nc;d\";2025-01-01T00:00:00Z\r\n"
                 "2;plain;never\r\n",
                 0644);
    assert_int_equal(read_with(f, "c",
                               ", \"delimiter\": \";\", \"entities\":"
                               " {\"c\": {\"key\": \"sku\"}}",
                               0),
                     READ_DONE);
    assert_int_equal(f->read.count, 2);
    assert_string_equal(f->read.told[0].key, "1");
    assert_string_equal(f->read.told[0].document, "{\"sku\":\"1\",\"title\":\"a \\\"b\\\"\\nc;d\","
                                                  "\"updated_at\":\"2025-01-01T00:00:00Z\"}");
    assert_int_equal(f->read.told[0].updated_at_ms, 1735689600000);
    assert_int_equal(f->read.told[1].updated_at_ms, 0);
}

static void csv_with_a_wrong_number_of_fields_or_columns_is_refused(void **state)
{
    static const char *const wrong[] = { "id,name\n1\n", "id,id\n", "id,\n",
                                         "key\n1\n",     "",        "id,name\n1,\"x\n" };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        folder_write(f->dir, "c.csv", wrong[i], 0644);
        assert_int_equal(read_with(f, "c", "", 0), READ_FAILED);
        assert_int_equal(f->read.count, 0);
    }
}

static void only_changes_are_told_where_times_are_known(void **state)
{
    struct fixture *f = *state;

    folder_write(f->dir, "a.ndjson",
                 "{\"id\":1,\"updatedAt\":\"2024-12-31T23:59:59.999Z\"}\n"
                 "{\"id\":2,\"updatedAt\":\"2025-01-01T00:00:00Z\"}\n"
                 "{\"id\":3}\n",
                 0644);
    assert_int_equal(read_with(f, "a", "", 1735689600000), READ_DONE);
    assert_int_equal(f->read.count, 2);
    assert_string_equal(f->read.told[0].key, "2");
    assert_string_equal(f->read.told[1].key, "3");
}

static void assert_goes_on_anywhere(struct fixture *f, const char *entity, size_t count)
{
    for (size_t stop = 1; stop <= count; stop++) {
        recorder_free(&f->read);
        recorder_init(&f->read);
        f->read.records_max = stop;
        (void)read_with(f, entity, "", 0);
        assert_int_equal(f->read.count, stop);
        f->read.records_max = 0;
        assert_int_equal(read_with(f, entity, "", 0), READ_DONE);
        assert_int_equal(f->read.count, count);
        for (size_t i = 0; i < count; i++)
            assert_int_equal(atoll(f->read.told[i].key), i + 1);
    }
}

static void a_read_goes_on_behind_any_record(void **state)
{
    struct fixture *f = *state;

    folder_write(f->dir, "a.ndjson", "{\"id\":1}\n{\"id\":2}\r\n\n{\"id\":3}\n{\"id\":4}", 0644);
    folder_write(f->dir, "b.csv", "id,x\n1,\"a\nb\"\n2,\n3,\"\"\"\"\n4,y", 0644);
    assert_goes_on_anywhere(f, "a", 4);
    assert_goes_on_anywhere(f, "b", 4);
}

static void a_file_that_has_changed_is_not_gone_on_with(void **state)
{
    struct fixture *f = *state;

    folder_write(f->dir, "a.ndjson", "{\"id\":1}\n{\"id\":2}\n", 0644);
    f->read.records_max = 1;
    (void)read_with(f, "a", "", 0);
    f->read.records_max = 0;
    folder_write(f->dir, "a.ndjson", "{\"id\":7}\n{\"id\":8}\n{\"id\":9}\n", 0644);
    assert_int_equal(read_with(f, "a", "", 0), READ_FAILED);
    assert_int_equal(f->read.count, 1);
}

static void records_larger_than_a_block_are_read_whole(void **state)
{
    enum { SIZE = 700000 };
    struct fixture *f = *state;
    char *text = malloc(2 * SIZE);
    int size = snprintf(text, SIZE, "{\"id\":1,\"x\":\"");

    memset(text + size, 'x', SIZE);
    snprintf(text + size + SIZE, 64, "\"}\n{\"id\":2}\n");
    folder_write(f->dir, "a.ndjson", text, 0644);
    free(text);
    assert_int_equal(read_with(f, "a", "", 0), READ_DONE);
    assert_int_equal(f->read.count, 2);
    assert_int_equal(strlen(f->read.told[0].document), size + SIZE + 2);
}

static void files_of_a_folder_are_its_entities(void **state)
{
    struct fixture *f = *state;
    struct entity_specs *specs = calloc(1, sizeof *specs);
    struct problem problem = { 0 };
    char config[2 * FOLDER_PATH_SIZE];
    struct source *source;

    folder_write(f->dir, "orders.csv", "id\n", 0644);
    folder_write(f->dir, "customers.ndjson", "", 0644);
    folder_write(f->dir, "README.txt", "", 0644);
    snprintf(config, sizeof config, "{\"path\": \"%s\"}", f->dir);
    source = source_open("file", config, "{}");
    assert_true(source->kind->discover(source, specs, &problem));
    assert_int_equal(specs->count, 2);
    assert_string_equal(specs->items[0].name, "customers");
    assert_string_equal(specs->items[1].name, "orders");
    source->kind->close(source);
    free(specs);
}

static void wrong_settings_are_refused(void **state)
{
    struct problem problem;

    (void)state;
    source_refuses("file", "{}", "{}", &problem);
    assert_non_null(strstr(problem.text, "path"));
    source_refuses("file", "{\"path\": \"/nowhere/at/all\"}", "{}", &problem);
    assert_non_null(strstr(problem.text, "/nowhere/at/all"));
    source_refuses("file", "{\"path\": \"/tmp\", \"kee\": \"id\"}", "{}", &problem);
    assert_non_null(strstr(problem.text, "kee"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(ndjson_documents_stay_as_they_are),
        TEST(a_bad_line_fails_the_read_and_says_where),
        TEST(bad_lines_may_be_allowed_up_to_a_number),
        TEST(csv_records_become_objects),
        TEST(csv_with_a_wrong_number_of_fields_or_columns_is_refused),
        TEST(only_changes_are_told_where_times_are_known),
        TEST(a_read_goes_on_behind_any_record),
        TEST(a_file_that_has_changed_is_not_gone_on_with),
        TEST(records_larger_than_a_block_are_read_whole),
        TEST(files_of_a_folder_are_its_entities),
        TEST(wrong_settings_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
