#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/settings/settings.h"

/* The settings of an imaginary program: one row of each type. */
enum { DIRECTORY, THREADS, GRACE, CACHE, LOUD, FORMAT, CONFIG, HELP, ROWS };

static const struct setting rows[ROWS] = {
    [DIRECTORY] = { .name = "data-dir", .fallback = "./here", .help = "Where." },
    [THREADS] = { .name = "threads",
                  .letter = 't',
                  .type = SETTING_NUMBER,
                  .fallback = "2",
                  .least = 1,
                  .most = 64,
                  .help = "How many." },
    [GRACE] = { .name = "grace",
                .type = SETTING_DURATION,
                .fallback = "10s",
                .most = 60000,
                .help = "How long." },
    [CACHE] = { .name = "cache",
                .type = SETTING_SIZE,
                .fallback = "32MiB",
                .least = 1024,
                .help = "How much." },
    [LOUD] = { .name = "loud", .type = SETTING_SWITCH, .help = "Whether." },
    [FORMAT] = { .name = "format",
                 .type = SETTING_CHOICE,
                 .fallback = "auto",
                 .choices = "auto|text|json",
                 .help = "Which." },
    [CONFIG] = { .name = "config", .reach = SETTING_NOT_IN_FILE, .help = "File." },
    [HELP] = { .name = "help",
               .letter = 'h',
               .type = SETTING_SWITCH,
               .reach = SETTING_FLAG_ONLY,
               .help = "This." },
};

struct fixture {
    struct settings *settings;
    struct why why;
    char path[32];
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    strcpy(f->path, "/tmp/settings-XXXXXX");
    close(mkstemp(f->path));
    f->settings = settings_new(rows, ROWS);
    *state = f;
    return f->settings == NULL;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    settings_free(f->settings);
    unlink(f->path);
    unsetenv("SYNC_THREADS");
    unsetenv("SYNC_DATA_DIR");
    unsetenv("SYNC_HELP");
    free(f);
    return 0;
}

/* Reads a command line of at most seven words behind the program's name. */
static enum err read_words(struct fixture *f, const char *const words[])
{
    char *argv[9] = { (char[]){ "program" } };
    int argc = 1;

    for (; words[argc - 1] != NULL; argc++)
        argv[argc] = (char *)(uintptr_t)words[argc - 1];
    return settings_read(f->settings, argc, argv, &f->why);
}

#define READ(f, ...) read_words((f), (const char *const[]){ __VA_ARGS__, NULL })

static void write_file(struct fixture *f, const char *text)
{
    FILE *file = fopen(f->path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void without_a_word_everything_is_at_its_default(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(READ(f, NULL), OK);
    assert_string_equal(settings_text(f->settings, DIRECTORY), "./here");
    assert_int_equal(settings_number(f->settings, GRACE), 10000);
    assert_int_equal(settings_number(f->settings, CACHE), 32 << 20);
    assert_false(settings_switch(f->settings, LOUD));
    assert_null(settings_text(f->settings, CONFIG));
    assert_false(settings_given(f->settings, DIRECTORY));
}

static void flags_are_read_in_every_form(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(READ(f, "--data-dir", "/x", "-t", "8", "--format=json", "--loud", "rest"), OK);
    assert_string_equal(settings_text(f->settings, DIRECTORY), "/x");
    assert_int_equal(settings_number(f->settings, THREADS), 8);
    assert_int_equal(settings_choice(f->settings, FORMAT), 2);
    assert_true(settings_switch(f->settings, LOUD));
    assert_int_equal(settings_operand_count(f->settings), 1);
    assert_string_equal(settings_operand(f->settings, 0), "rest");
}

static void behind_two_dashes_nothing_is_a_flag(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(READ(f, "--", "--loud", "-"), OK);
    assert_false(settings_switch(f->settings, LOUD));
    assert_int_equal(settings_operand_count(f->settings), 2);
}

static void a_flag_beats_a_variable_and_a_variable_beats_the_file(void **state)
{
    struct fixture *f = *state;

    write_file(f, "# all three\nthreads = 3\n data-dir=/file \n\ngrace = 1m\n");
    setenv("SYNC_THREADS", "4", 1);
    setenv("SYNC_DATA_DIR", "/variable", 1);
    assert_int_equal(READ(f, "--config", f->path, "--data-dir=/flag"), OK);
    assert_string_equal(settings_text(f->settings, DIRECTORY), "/flag");
    assert_int_equal(settings_number(f->settings, THREADS), 4);
    assert_int_equal(settings_number(f->settings, GRACE), 60000);
}

static void a_setting_for_flags_only_is_read_from_nowhere_else(void **state)
{
    struct fixture *f = *state;

    setenv("SYNC_HELP", "true", 1);
    write_file(f, "help = true\n");
    assert_int_equal(READ(f, "--config", f->path), ERR_INVALID);
    assert_false(settings_switch(f->settings, HELP));
}

static void errors_name_the_place_and_what_is_wanted(void **state)
{
    static const struct {
        const char *words[3], *says;
    } wrong[] = {
        { { "--nonsense" }, "there is no flag --nonsense; --help lists them" },
        { { "--threads" }, "--threads needs a value" },
        { { "--threads=many" }, "--threads: \"many\" is not a number" },
        { { "-t", "65" }, "--threads: 65 is out of range; it must be 1 to 64" },
        { { "--threads=99999999999999999999" },
          "--threads: \"99999999999999999999\" is not a number" },
        { { "--grace=5" }, "--grace: \"5\" is not a duration such as 250ms, 5s, 15m or 1h" },
        { { "--grace=2m" }, "--grace: 2m is out of range; it must be 0ms to 1m" },
        { { "--cache=1KB" }, "--cache: \"1KB\" is not a size such as 65536, 64KiB or 32MiB" },
        { { "--cache=12" }, "--cache: 12 is too small; it must be at least 1KiB" },
        { { "--format=xml" }, "--format: \"xml\" is not one of auto|text|json" },
        { { "--loud=maybe" }, "--loud: \"maybe\" is not true or false" },
        { { "--config=/nowhere/at/all" },
          "cannot read the configuration file /nowhere/at/all: No such file or directory" },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(read_words(f, wrong[i].words), ERR_INVALID);
        assert_string_equal(f->why.text, wrong[i].says);
    }
}

static void an_error_in_the_file_names_its_line(void **state)
{
    static const struct {
        const char *text, *says;
    } wrong[] = {
        { "threads = 3\nthread = 4\n", ":2: there is no setting \"thread\"" },
        { "\nthreads\n", ":2: a line must read key = value" },
        { "threads = none\n", ":1: threads: \"none\" is not a number" },
        { "config = /other\n", ":1: config cannot be set in a file" },
    };
    struct fixture *f = *state;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        write_file(f, wrong[i].text);
        assert_int_equal(READ(f, "--config", f->path), ERR_INVALID);
        assert_string_equal(f->why.text + strlen(f->path), wrong[i].says);
    }
}

static void an_error_in_the_environment_names_the_variable(void **state)
{
    struct fixture *f = *state;

    setenv("SYNC_THREADS", "0", 1);
    assert_int_equal(READ(f, NULL), ERR_INVALID);
    assert_string_equal(f->why.text, "SYNC_THREADS: 0 is out of range; it must be 1 to 64");
}

static void help_shows_every_row_with_its_default_and_variable(void **state)
{
    char text[4096] = "";
    FILE *out = fmemopen(text, sizeof text, "w");

    (void)state;
    settings_help(out, rows, ROWS);
    fclose(out);
    for (size_t i = 0; i < ROWS; i++)
        assert_non_null(strstr(text, rows[i].name));
    assert_non_null(
        strstr(text, "-t, --threads N\n        How many. Default: 2. [SYNC_THREADS]\n"));
    assert_non_null(strstr(text, "--format auto|text|json\n"));
    assert_null(strstr(text, "SYNC_HELP"));
}

static void help_fits_a_screen(void **state)
{
    static const struct setting talkative = {
        .name = "long",
        .type = SETTING_NUMBER,
        .fallback = "1",
        .help = "A setting that needs far more words than one line of a screen could ever hold,"
                " whoever sits in front of it, and however small the letters are. Really."
    };
    char line[256];
    FILE *out = tmpfile();

    (void)state;
    settings_help(out, &talkative, 1);
    rewind(out);
    for (int lines = 0; fgets(line, sizeof line, out) != NULL; lines++) {
        assert_in_range(strlen(line), 9, 80);
        assert_true(lines == 0 || strncmp(line, "        ", 8) == 0);
    }
    fclose(out);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(without_a_word_everything_is_at_its_default),
        TEST(flags_are_read_in_every_form),
        TEST(behind_two_dashes_nothing_is_a_flag),
        TEST(a_flag_beats_a_variable_and_a_variable_beats_the_file),
        TEST(a_setting_for_flags_only_is_read_from_nowhere_else),
        TEST(errors_name_the_place_and_what_is_wanted),
        TEST(an_error_in_the_file_names_its_line),
        TEST(an_error_in_the_environment_names_the_variable),
        TEST(help_shows_every_row_with_its_default_and_variable),
        TEST(help_fits_a_screen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
