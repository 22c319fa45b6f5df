#include "tests/fuzz/input.h"
#include "tests/fuzz/scratch.h"
#include "tools/syncd/config.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* What a person tells the server: lines of arguments up to an empty one, lines
 * NAME=VALUE of the environment up to the next, and the rest is the
 * configuration file. It is refused with a reason, or every value is in the
 * range that its row says. */

enum { LINES_MAX = 16, LINE_SIZE_MAX = 256 };

struct lines {
    char text[LINES_MAX][LINE_SIZE_MAX];
    int count;
};

static void read_lines(struct bytes *input, struct lines *lines)
{
    struct bytes line;

    lines->count = 0;
    while (lines->count < LINES_MAX && (line = input_line(input)).size > 0)
        snprintf(lines->text[lines->count++], LINE_SIZE_MAX, "%.*s", (int)line.size,
                 (const char *)line.data);
}

/* NAME=VALUE that means something to the settings; the file is ours to choose. */
static bool is_variable(const char *line)
{
    return strncmp(line, "SYNC_", 5) == 0 && strncmp(line, "SYNC_CONFIG", 11) != 0 &&
           strchr(line, '=') != NULL;
}

static void set_environment(struct lines *lines)
{
    for (int i = 0; i < lines->count; i++) {
        char *equals = strchr(lines->text[i], '=');

        if (!is_variable(lines->text[i]))
            continue;
        *equals = '\0';
        setenv(lines->text[i], equals + 1, 1);
    }
}

static void unset_environment(const struct lines *lines)
{
    for (int i = 0; i < lines->count; i++)
        if (strncmp(lines->text[i], "SYNC_", 5) == 0 && strchr(lines->text[i], '=') == NULL)
            unsetenv(lines->text[i]);
}

static void check_value(const struct settings *settings, size_t i)
{
    const struct setting *row = &syncd_settings[i];
    int64_t number;

    if (row->type == SETTING_TEXT || settings_text(settings, i) == NULL)
        return;
    number = settings_number(settings, i);
    assert(number >= 0);
    if (row->most > 0)
        assert(number >= row->least && number <= row->most);
    if (row->type == SETTING_SWITCH)
        assert(number <= 1);
}

static void check_settings(const struct settings *settings)
{
    struct why why = { .text = "" };
    struct syncd_config config;

    for (size_t i = 0; i < SYNCD_SETTING_COUNT; i++)
        check_value(settings, i);
    if (syncd_config_read(settings, &config, &why) != OK)
        assert(why.text[0] != '\0');
    else
        assert(config.rpc_threads > 0 &&
               config.queue.backoff_cap_ms >= config.queue.backoff_base_ms);
}

static void try(struct lines *arguments, char *path)
{
    struct settings *settings = settings_new(syncd_settings, SYNCD_SETTING_COUNT);
    char *argv[LINES_MAX + 3] = { (char *)"syncd", (char *)"--config", path };
    struct why why = { .text = "" };
    int argc = 3;

    for (int i = 0; i < arguments->count; i++)
        if (strncmp(arguments->text[i], "--config", 8) != 0)
            argv[argc++] = arguments->text[i];
    if (settings_read(settings, argc, argv, &why) == OK)
        check_settings(settings);
    else
        assert(why.text[0] != '\0');
    settings_free(settings);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes input = bytes_of(data, size);
    struct lines arguments, variables;
    char path[SCRATCH_PATH_SIZE];

    read_lines(&input, &arguments);
    read_lines(&input, &variables);
    scratch_write("sync.conf", input, path);
    set_environment(&variables);
    try(&arguments, path);
    unset_environment(&variables);
    return 0;
}
