#include "tests/unit/worker/folder.h"
#include "tools/worker/connectors/connector.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

struct fixture {
    char dir[FOLDER_PATH_SIZE];
    struct target_scope scope;
    struct target *target;
    struct extent extent;
    struct entity_state state;
    struct problem problem;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    folder_make(f->dir);
    f->scope = (struct target_scope){ .data_dir = f->dir,
                                      .org = "acme",
                                      .sync = "nightly",
                                      .source = "shop",
                                      .run = "job_1",
                                      .run_generation = 1,
                                      .epoch = 1 };
    f->extent = (struct extent){ .entity = "products", .whole = true };
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    if (f->target != NULL)
        f->target->kind->close(f->target);
    folder_remove(f->dir);
    free(f);
    return 0;
}

static bool begin(struct fixture *f)
{
    json_t *config = json_object();

    if (f->target != NULL)
        f->target->kind->close(f->target);
    f->problem = (struct problem){ 0 };
    f->state = (struct entity_state){ 0 };
    if (!target_kind_find("file")->open(config, &f->scope, &f->target, &f->problem))
        fail_msg("%s", f->problem.text);
    json_decref(config);
    return f->target->kind->begin(f->target, &f->extent, &f->state, &f->problem);
}

static bool write_record(struct fixture *f, const struct record *record)
{
    struct batch batch = {
        .entity = f->extent.entity, .records = record, .count = 1, .state = &f->state
    };

    f->state.done++;
    return f->target->kind->write(f->target, &batch, &f->problem);
}

static bool put(struct fixture *f, const char *document)
{
    return write_record(
        f, &(struct record){ .key = bytes_of_text("k"), .document = bytes_of_text(document) });
}

static bool sweep(struct fixture *f)
{
    f->state.phase = ENTITY_READ;
    return f->target->kind->sweep(f->target, &f->extent, &f->state, &f->problem);
}

static void assert_file(struct fixture *f, const char *name, const char *expected)
{
    char path[128];
    char *text;

    snprintf(path, sizeof path, "acme/nightly/%s", name);
    text = folder_read(f->dir, path);
    if (expected == NULL) {
        assert_null(text);
        return;
    }
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

/* What a crash leaves behind: bytes that no state speaks of. */
static void append_garbage(struct fixture *f, const char *name)
{
    char path[2 * FOLDER_PATH_SIZE];
    FILE *file;

    snprintf(path, sizeof path, "%s/acme/nightly/%s", f->dir, name);
    file = fopen(path, "a");
    assert_non_null(file);
    fputs("{\"torn", file);
    fclose(file);
}

static void a_whole_read_replaces_the_file_when_it_is_over(void **state)
{
    struct fixture *f = *state;

    assert_true(begin(f));
    assert_true(put(f, "{\"v\":1}"));
    assert_file(f, "products.ndjson", NULL);
    assert_true(sweep(f));
    assert_file(f, "products.ndjson", "{\"v\":1}\n");
    f->scope.run = "job_2";
    assert_true(begin(f));
    assert_true(put(f, "{\"v\":\n2}"));
    assert_file(f, "products.ndjson", "{\"v\":1}\n");
    assert_true(sweep(f));
    assert_file(f, "products.ndjson", "{\"v\": 2}\n");
    assert_file(f, "products.ndjson.part", NULL);
}

static void changes_are_appended(void **state)
{
    struct fixture *f = *state;

    assert_true(begin(f));
    assert_true(put(f, "{\"v\":1}"));
    assert_true(sweep(f));
    f->scope.run = "job_2";
    f->extent.whole = false;
    assert_true(begin(f));
    assert_true(put(f, "{\"v\":2}"));
    assert_true(write_record(
        f,
        &(struct record){ .key = bytes_of_text("a\"b"), .deleted = true, .updated_at_ms = 1000 }));
    assert_file(f, "products.ndjson",
                "{\"v\":1}\n{\"v\":2}\n"
                "{\"_deleted\":true,\"_key\":\"a\\\"b\",\"_at\":\"1970-01-01T00:00:01Z\"}\n");
}

static void a_narrowed_read_replaces_nothing(void **state)
{
    struct fixture *f = *state;

    assert_true(begin(f));
    assert_true(put(f, "{\"v\":1}"));
    assert_true(sweep(f));
    f->scope.run = "job_2";
    f->extent.narrowed_by = "collections";
    assert_true(begin(f));
    assert_true(put(f, "{\"v\":2}"));
    assert_true(sweep(f));
    assert_file(f, "products.ndjson", "{\"v\":1}\n{\"v\":2}\n");
}

static void what_a_crash_left_behind_is_cut_off(void **state)
{
    struct fixture *f = *state;

    assert_true(begin(f));
    assert_true(put(f, "{\"v\":1}"));
    append_garbage(f, "products.ndjson.part");
    f->scope.epoch = 2;
    assert_true(begin(f));
    assert_int_equal(f->state.done, 1);
    assert_true(put(f, "{\"v\":2}"));
    assert_true(sweep(f));
    assert_file(f, "products.ndjson", "{\"v\":1}\n{\"v\":2}\n");

    append_garbage(f, "products.ndjson");
    f->scope.run = "job_2";
    f->extent.whole = false;
    assert_true(begin(f));
    assert_true(put(f, "{\"v\":3}"));
    assert_file(f, "products.ndjson", "{\"v\":1}\n{\"v\":2}\n{\"v\":3}\n");
}

static void a_crash_between_replacing_and_saying_so_does_no_harm(void **state)
{
    struct fixture *f = *state;
    char part[2 * FOLDER_PATH_SIZE], name[2 * FOLDER_PATH_SIZE];
    struct batch batch = { .entity = "products", .state = &f->state };

    assert_true(begin(f));
    assert_true(put(f, "{\"v\":1}"));
    f->state.phase = ENTITY_READ;
    assert_true(f->target->kind->write(f->target, &batch, &f->problem));
    snprintf(part, sizeof part, "%s/acme/nightly/products.ndjson.part", f->dir);
    snprintf(name, sizeof name, "%s/acme/nightly/products.ndjson", f->dir);
    assert_int_equal(rename(part, name), 0);
    f->scope.epoch = 2;
    assert_true(begin(f));
    assert_int_equal(f->state.phase, ENTITY_READ);
    assert_true(sweep(f));
    assert_file(f, "products.ndjson", "{\"v\":1}\n");
}

static void a_part_that_was_removed_is_read_again(void **state)
{
    struct fixture *f = *state;
    char part[2 * FOLDER_PATH_SIZE];

    assert_true(begin(f));
    assert_true(put(f, "{\"v\":1}"));
    snprintf(part, sizeof part, "%s/acme/nightly/products.ndjson.part", f->dir);
    assert_int_equal(unlink(part), 0);
    f->scope.epoch = 2;
    assert_true(begin(f));
    assert_int_equal(f->state.done, 0);
}

static void a_lease_that_is_over_writes_nothing(void **state)
{
    struct fixture *f = *state, late;

    assert_true(begin(f));
    assert_true(put(f, "{\"v\":1}"));
    late = *f;
    late.target = NULL;
    f->scope.epoch = 2;
    assert_true(begin(f));
    assert_false(begin(&late));
    assert_int_equal(late.problem.class, PROBLEM_LOST);
    assert_false(put(&late, "{\"v\":2}"));
    assert_true(sweep(f));
    assert_file(f, "products.ndjson", "{\"v\":1}\n");
    late.target->kind->close(late.target);
}

static void losing_most_rows_needs_permission(void **state)
{
    struct fixture *f = *state;

    assert_true(begin(f));
    for (int i = 0; i < 4; i++)
        assert_true(put(f, "{}"));
    assert_true(sweep(f));
    f->scope.run = "job_2";
    assert_true(begin(f));
    assert_true(put(f, "{}"));
    assert_false(sweep(f));
    assert_int_equal(f->problem.class, PROBLEM_CONFIG);
    assert_file(f, "products.ndjson", "{}\n{}\n{}\n{}\n");
    f->extent.allow_mass_delete = true;
    assert_true(sweep(f));
    assert_file(f, "products.ndjson", "{}\n");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_whole_read_replaces_the_file_when_it_is_over),
        TEST(changes_are_appended),
        TEST(a_narrowed_read_replaces_nothing),
        TEST(what_a_crash_left_behind_is_cut_off),
        TEST(a_crash_between_replacing_and_saying_so_does_no_harm),
        TEST(a_part_that_was_removed_is_read_again),
        TEST(a_lease_that_is_over_writes_nothing),
        TEST(losing_most_rows_needs_permission),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
