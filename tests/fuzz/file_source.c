#include "tests/fuzz/input.h"
#include "tests/fuzz/scratch.h"
#include "tools/worker/connectors/connector.h"
#include "tools/worker/connectors/json_scan.h"

#include <assert.h>

/* A file of somebody's (first byte: CSV with one of some delimiters, or
 * NDJSON). Its records are JSON objects with keys; and a read that goes on at
 * some position tells what the first one told behind it. */

enum { BAD_RECORDS_MAX = 1000000 }; /* counted anew by each read */

struct recorder {
    struct sink sink;
    uint64_t digest;        /* of the records so far */
    uint64_t records, rejected;
    size_t position_count;
    /* Where to go on, and what was told by then. */
    size_t stop_at;         /* position; 0: never */
    char position[POSITION_SIZE_MAX + 1];
    size_t position_size;
};

static uint64_t mix(uint64_t digest, struct bytes bytes)
{
    for (size_t i = 0; i < bytes.size; i++)
        digest = (digest ^ bytes.data[i]) * 1099511628211u;
    return digest * 1099511628211u + bytes.size;
}

static void see_nothing(void *context, struct bytes name, struct bytes value)
{
    (void)context;
    (void)name;
    (void)value;
}

static bool on_record(struct sink *sink, const struct record *record)
{
    struct recorder *recorder = (struct recorder *)(void *)sink;
    const char *reason;

    assert(record->key.size > 0 && !record->deleted);
    assert(json_scan_object(record->document, see_nothing, NULL, &reason));
    recorder->records++;
    recorder->digest = mix(mix(recorder->digest, record->key), record->document);
    return true;
}

static bool on_position(struct sink *sink, struct bytes position)
{
    struct recorder *recorder = (struct recorder *)(void *)sink;

    assert(position.size > 0 && position.size <= POSITION_SIZE_MAX);
    memcpy(recorder->position, position.data, position.size);
    recorder->position_size = position.size;
    return ++recorder->position_count != recorder->stop_at;
}

static bool on_reject(struct sink *sink, const char *where, const char *reason)
{
    assert(where[0] != '\0' && reason != NULL && reason[0] != '\0');
    ((struct recorder *)(void *)sink)->rejected++;
    return true;
}

static const struct sink sink = { .record = on_record, .position = on_position,
                                  .reject = on_reject };

static enum read_end read_on(struct source *source, struct recorder *recorder)
{
    struct problem problem = { .class = PROBLEM_NONE };
    struct read_request request = {
        .entity = "rows", .position = bytes_of(recorder->position, recorder->position_size)
    };
    enum read_end end = source->kind->read(source, &request, &recorder->sink, &problem);

    if (end == READ_FAILED)
        assert(problem.class != PROBLEM_NONE && problem.text[0] != '\0');
    return end;
}

static void check_source(struct source *source)
{
    struct recorder whole = { .sink = sink }, parts = { .sink = sink };
    enum read_end end = read_on(source, &whole), again = READ_STOPPED;

    /* The file's second half, or so, by another read. */
    parts.stop_at = 1 + whole.position_count / 2;
    again = read_on(source, &parts);
    if (again == READ_STOPPED)
        again = read_on(source, &parts);
    assert(again == end && parts.digest == whole.digest && parts.records == whole.records);
    assert(parts.rejected == whole.rejected && parts.position_count == whole.position_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const delimiters[] = { ",", ";", "\t" };
    struct bytes input = bytes_of(data, size);
    uint8_t form = input_byte(&input) % 4;
    char path[SCRATCH_PATH_SIZE];
    struct problem problem;
    struct source *source = NULL;
    json_t *config;
    bool good;

    scratch_write(form < 3 ? "rows.csv" : "rows.ndjson", input, path);
    config = json_pack("{s:s, s:s, s:s, s:i}", "kind", "file", "path", path, "delimiter",
                       delimiters[form % 3], "maxBadRecords", BAD_RECORDS_MAX);
    good = source_kind_find("file")->open(config, NULL, &source, &problem);
    assert(good);
    check_source(source);
    source->kind->close(source);
    json_decref(config);
    return 0;
}
