#include "tests/unit/worker/folder.h"
#include "tools/worker/connections.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

struct fixture {
    char dir[FOLDER_PATH_SIZE];
    struct problem problem;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    folder_make(f->dir);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    folder_remove(f->dir);
    free(f);
    return 0;
}

static bool find(struct fixture *f, const char *org, const char *name, int *seed)
{
    json_t *config = NULL;
    bool found = connection_find(f->dir, org, name, &config, &f->problem);

    *seed = (int)json_integer_value(json_object_get(config, "seed"));
    json_decref(config);
    return found;
}

static void the_organisation_s_own_file_goes_before_the_default(void **state)
{
    struct fixture *f = *state;
    int seed;

    folder_write(f->dir, "shop.json", "{\"kind\":\"demo\",\"seed\":3}", 0600);
    assert_true(find(f, "acme", "shop", &seed));
    assert_int_equal(seed, 3);
    folder_write(f->dir, "_default/shop.json", "{\"kind\":\"demo\",\"seed\":2}", 0600);
    assert_true(find(f, "acme", "shop", &seed));
    assert_int_equal(seed, 2);
    folder_write(f->dir, "acme/shop.json", "{\"kind\":\"demo\",\"seed\":1}", 0600);
    assert_true(find(f, "acme", "shop", &seed));
    assert_int_equal(seed, 1);
    assert_true(find(f, "other", "shop", &seed));
    assert_int_equal(seed, 2);
}

static void a_file_that_others_may_use_is_refused(void **state)
{
    static const unsigned modes[] = { 0644, 0640, 0604, 0620, 0602, 0610 };
    struct fixture *f = *state;
    int seed;

    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        folder_write(f->dir, "shop.json", "{\"kind\":\"demo\"}", modes[i]);
        assert_false(find(f, "acme", "shop", &seed));
        assert_int_equal(f->problem.class, PROBLEM_CONFIG);
        assert_non_null(strstr(f->problem.text, "chmod 600"));
    }
    folder_write(f->dir, "shop.json", "{\"kind\":\"demo\"}", 0400);
    assert_true(find(f, "acme", "shop", &seed));
}

static void a_file_that_is_refused_is_not_replaced_by_the_default(void **state)
{
    struct fixture *f = *state;
    int seed;

    folder_write(f->dir, "_default/shop.json", "{\"kind\":\"demo\"}", 0600);
    folder_write(f->dir, "acme/shop.json", "{\"kind\":\"demo\"}", 0644);
    assert_false(find(f, "acme", "shop", &seed));
    folder_write(f->dir, "acme/shop.json", "not json", 0600);
    assert_false(find(f, "acme", "shop", &seed));
    folder_write(f->dir, "acme/shop.json", "{\"seed\":1}", 0600);
    assert_false(find(f, "acme", "shop", &seed));
    assert_non_null(strstr(f->problem.text, "kind"));
}

static void an_unknown_name_is_an_error(void **state)
{
    struct fixture *f = *state;
    int seed;

    assert_false(find(f, "acme", "shopify", &seed));
    assert_int_equal(f->problem.class, PROBLEM_CONFIG);
    assert_non_null(strstr(f->problem.text, "shopify"));
    assert_non_null(strstr(f->problem.text, "acme"));
    assert_false(find(f, "acme", "demo", &seed));
    assert_true(find(f, "acme", "local", &seed));
}

static void names_do_not_climb_out_of_the_folder(void **state)
{
    struct fixture *f = *state;
    char inner[2 * FOLDER_PATH_SIZE];
    json_t *config = NULL;

    folder_write(f->dir, "secret.json", "{\"kind\":\"demo\"}", 0600);
    folder_write(f->dir, "inner/x.json", "{\"kind\":\"demo\"}", 0600);
    snprintf(inner, sizeof inner, "%s/inner", f->dir);
    assert_false(connection_find(inner, "acme", "../secret", &config, &f->problem));
    assert_false(connection_find(inner, "..", "secret", &config, &f->problem));
    assert_false(connection_find(inner, "acme", "", &config, &f->problem));
    assert_true(connection_find(inner, "..", "x", &config, &f->problem));
    json_decref(config);
}

static void without_a_folder_there_are_demo_and_local(void **state)
{
    struct fixture *f = *state;
    struct connection_names sources, targets;
    json_t *config = NULL;

    assert_true(connection_find(NULL, "acme", "demo", &config, &f->problem));
    json_decref(config);
    assert_false(connection_find(NULL, "acme", "shopify", &config, &f->problem));
    assert_true(connection_list(NULL, &sources, &targets, &f->problem));
    assert_int_equal(sources.count, 1);
    assert_string_equal(sources.names[0], "demo");
    assert_int_equal(targets.count, 1);
    assert_string_equal(targets.names[0], "local");
}

static bool has(const struct connection_names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->names[i], name) == 0)
            return true;
    return false;
}

static void all_organisations_names_are_listed_once(void **state)
{
    struct fixture *f = *state;
    struct connection_names sources, targets;

    folder_write(f->dir, "acme/shop.json", "{\"kind\":\"demo\"}", 0600);
    folder_write(f->dir, "other/shop.json", "{\"kind\":\"demo\"}", 0600);
    folder_write(f->dir, "files.json", "{\"kind\":\"file\"}", 0600);
    folder_write(f->dir, "open.json", "{\"kind\":\"demo\"}", 0644);
    folder_write(f->dir, "notes.txt", "", 0600);
    assert_true(connection_list(f->dir, &sources, &targets, &f->problem));
    assert_int_equal(sources.count, 3);
    assert_true(has(&sources, "shop") && has(&sources, "files") && has(&sources, "open"));
    assert_int_equal(targets.count, 3);
    assert_true(has(&targets, "local") && has(&targets, "files") && has(&targets, "open"));
}

static void too_many_names_are_refused(void **state)
{
    struct fixture *f = *state;
    struct connection_names sources, targets;

    for (int i = 0; i <= CONNECTIONS_MAX; i++) {
        char name[32];

        snprintf(name, sizeof name, "c%d.json", i);
        folder_write(f->dir, name, "{\"kind\":\"demo\"}", 0600);
    }
    assert_false(connection_list(f->dir, &sources, &targets, &f->problem));
    assert_non_null(strstr(f->problem.text, "--any-connection"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_organisation_s_own_file_goes_before_the_default),
        TEST(a_file_that_others_may_use_is_refused),
        TEST(a_file_that_is_refused_is_not_replaced_by_the_default),
        TEST(an_unknown_name_is_an_error),
        TEST(names_do_not_climb_out_of_the_folder),
        TEST(without_a_folder_there_are_demo_and_local),
        TEST(all_organisations_names_are_listed_once),
        TEST(too_many_names_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
