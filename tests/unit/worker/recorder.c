#include "tests/unit/worker/recorder.h"

#include "core/base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static struct recorder *recorder_of(struct sink *sink)
{
    return container_of(sink, struct recorder, sink);
}

static bool on_record(struct sink *sink, const struct record *record)
{
    struct recorder *recorder = recorder_of(sink);
    struct told *told;

    if (recorder->records_max > 0 && recorder->count == recorder->records_max)
        return false;
    recorder->told = realloc(recorder->told, (recorder->count + 1) * sizeof *recorder->told);
    assert_non_null(recorder->told);
    told = &recorder->told[recorder->count++];
    *told = (struct told){ .updated_at_ms = record->updated_at_ms, .deleted = record->deleted };
    assert_true(record->key.size < sizeof told->key);
    memcpy(told->key, record->key.data, record->key.size);
    told->document = record->document.size > 0
                         ? strndup((const char *)record->document.data, record->document.size)
                         : strdup("");
    return true;
}

static bool on_position(struct sink *sink, struct bytes position)
{
    struct recorder *recorder = recorder_of(sink);

    assert_true(position.size <= POSITION_SIZE_MAX);
    memcpy(recorder->position, position.data, position.size);
    recorder->position_size = position.size;
    return true;
}

static bool on_reject(struct sink *sink, const char *where, const char *reason)
{
    assert_true(strlen(where) > 0 && strlen(reason) > 0);
    recorder_of(sink)->rejected++;
    return true;
}

static bool on_wait(struct sink *sink, int64_t ms)
{
    recorder_of(sink)->waited_ms += ms;
    return true;
}

void recorder_init(struct recorder *recorder)
{
    *recorder = (struct recorder){ .sink = { .record = on_record,
                                             .position = on_position,
                                             .reject = on_reject,
                                             .wait = on_wait } };
}

void recorder_free(struct recorder *recorder)
{
    for (size_t i = 0; i < recorder->count; i++)
        free(recorder->told[i].document);
    free(recorder->told);
    recorder->told = NULL;
    recorder->count = 0;
}

const struct told *recorder_find(const struct recorder *recorder, const char *key)
{
    for (size_t i = recorder->count; i-- > 0;)
        if (strcmp(recorder->told[i].key, key) == 0)
            return &recorder->told[i];
    return NULL;
}

static bool try_open(const char *kind, const char *config, const char *data, struct source **source,
                     struct problem *problem)
{
    json_t *parsed = json_loads(config, 0, NULL), *job = json_loads(data, 0, NULL);
    bool good;

    assert_non_null(parsed);
    assert_non_null(job);
    good = source_kind_find(kind)->open(parsed, job, source, problem);
    json_decref(parsed);
    json_decref(job);
    return good;
}

struct source *source_open(const char *kind, const char *config, const char *data)
{
    struct source *source = NULL;
    struct problem problem = { 0 };

    if (!try_open(kind, config, data, &source, &problem))
        fail_msg("%s", problem.text);
    return source;
}

void source_refuses(const char *kind, const char *config, const char *data, struct problem *problem)
{
    struct source *source = NULL;

    assert_false(try_open(kind, config, data, &source, problem));
    assert_true(strlen(problem->text) > 0);
}

enum read_end source_read(struct source *source, const char *entity, int64_t low_ms,
                          struct recorder *recorder)
{
    char position[POSITION_SIZE_MAX];
    struct read_request request = { .entity = entity,
                                    .low_ms = low_ms,
                                    .position = bytes_of(position, recorder->position_size) };
    struct problem problem = { 0 };
    enum read_end end;

    recorder->total = 0;
    (void)source->kind->count(source, &request, &recorder->total);
    memcpy(position, recorder->position, recorder->position_size);
    end = source->kind->read(source, &request, &recorder->sink, &problem);
    if (end == READ_FAILED)
        assert_int_not_equal(problem.class, PROBLEM_NONE);
    return end;
}
