#include "tools/worker/connectors/csv.h"
#include "tools/worker/connectors/file_source.h"
#include "tools/worker/connectors/json_scan.h"
#include "tools/worker/connectors/line_reader.h"

#include "core/base/rfc3339.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads one file of source "file" from its beginning, or from where a
 * checkpoint says, and tells its records. */

/* One read of one file. */
struct reading {
    const struct files *files;
    const struct file_entity *entity;
    const struct read_request *request;
    struct sink *sink;
    struct problem *problem;
    struct line_reader lines;
    uint64_t line; /* number of the present record, from 1 */
    int64_t rejected;
    struct csv_record header, fields;
    size_t key_column, updated_column;
    struct buffer key, document, time;
    struct record record;
};

enum { NO_COLUMN = CSV_FIELDS_MAX };

static bool fail(struct reading *reading, enum problem_class class, const char *what)
{
    return problem_set(reading->problem, class, "%.200s: %s", reading->entity->path, what);
}

static bool is_updated_name(const struct reading *reading, struct bytes name)
{
    const char *wanted = reading->entity->options.updated_at;

    if (wanted != NULL)
        return bytes_equal(name, bytes_of_text(wanted));
    return bytes_equal(name, bytes_of_text("updatedAt")) ||
           bytes_equal(name, bytes_of_text("updated_at"));
}

/* What cannot be read as a time is not known: the record is told all the same. */
static int64_t read_time(struct bytes text)
{
    int64_t time_ms;

    return rfc3339_read(text, &time_ms) ? time_ms : 0;
}

static void see_member(void *context, struct bytes name, struct bytes value)
{
    struct reading *reading = context;

    if (bytes_equal(name, bytes_of_text(reading->entity->options.key))) {
        reading->key.size = 0;
        if (value.data[0] == '"')
            json_unescape(value, &reading->key);
        else if (value.data[0] == '-' || (value.data[0] >= '0' && value.data[0] <= '9'))
            buffer_add(&reading->key, value.data, value.size);
    } else if (is_updated_name(reading, name) && value.data[0] == '"') {
        reading->time.size = 0;
        json_unescape(value, &reading->time);
        reading->record.updated_at_ms = read_time(buffer_bytes(&reading->time));
    }
}

/* A byte order mark may stand in front of the file. */
static struct bytes without_mark(struct bytes line)
{
    if (line.size >= 3 && memcmp(line.data, "\xef\xbb\xbf", 3) == 0)
        return bytes_of(line.data + 3, line.size - 3);
    return line;
}

static bool take_json(struct reading *reading, struct bytes line, const char **reason)
{
    if (reading->line == 1)
        line = without_mark(line);
    reading->key.size = 0;
    reading->record = (struct record){ .document = line };
    if (!json_scan_object(line, see_member, reading, reason))
        return false;
    reading->record.key = buffer_bytes(&reading->key);
    return true;
}

static void make_document(struct reading *reading)
{
    struct buffer *document = &reading->document;

    document->size = 0;
    for (size_t i = 0; i < reading->header.count; i++) {
        buffer_add_char(document, i == 0 ? '{' : ',');
        buffer_add_json(document, reading->header.fields[i]);
        buffer_add_char(document, ':');
        buffer_add_json(document, reading->fields.fields[i]);
    }
    buffer_add_char(document, '}');
}

static bool take_csv(struct reading *reading, struct bytes line, const char **reason)
{
    *reason = "it has not as many fields as the header";
    if (!utf8_is_valid(line)) {
        *reason = "it is not UTF-8";
        return false;
    }
    if (!csv_parse(line, reading->entity->options.delimiter[0], &reading->fields, reason) ||
        reading->fields.count != reading->header.count)
        return false;
    make_document(reading);
    reading->record = (struct record){ .document = buffer_bytes(&reading->document),
                                       .key = reading->fields.fields[reading->key_column] };
    if (reading->updated_column != NO_COLUMN)
        reading->record.updated_at_ms = read_time(reading->fields.fields[reading->updated_column]);
    return true;
}

static bool take_record(struct reading *reading, struct bytes line, const char **reason)
{
    bool good =
        reading->entity->csv ? take_csv(reading, line, reason) : take_json(reading, line, reason);

    if (good && reading->record.key.size == 0) {
        *reason = "it has no key";
        return false;
    }
    return good;
}

static bool reject(struct reading *reading, const char *reason)
{
    char where[64];

    snprintf(where, sizeof where, "record %" PRIu64, reading->line);
    if (++reading->rejected > reading->files->bad_records_max)
        return problem_set(reading->problem, PROBLEM_CONFIG, "%.200s, %s: %s",
                           reading->entity->path, where, reason);
    return reading->sink->reject(reading->sink, where, reason);
}

static uint64_t hash(struct bytes text) /* FNV-1a */
{
    uint64_t sum = 0xcbf29ce484222325u;

    for (size_t i = 0; i < text.size; i++)
        sum = (sum ^ text.data[i]) * 0x100000001b3u;
    return sum;
}

/* Where the next record begins, its number, and what the one before it was, by
 * which a later read knows that it is still the same file. */
static bool tell_position(struct reading *reading, uint64_t begin, struct bytes line)
{
    char text[128];
    int size = snprintf(text, sizeof text, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %zu %" PRIx64,
                        reading->lines.offset, reading->line, begin, line.size, hash(line));

    return reading->sink->position(reading->sink, bytes_of(text, (size_t)size));
}

static bool is_wanted(const struct reading *reading)
{
    return reading->record.updated_at_ms == 0 ||
           reading->record.updated_at_ms >= reading->request->low_ms;
}

/* False: stopped, or failed if the problem is set. */
static bool tell_line(struct reading *reading, uint64_t begin, struct bytes line)
{
    const char *reason = NULL;

    reading->line++;
    if (line.size == 0)
        return true;
    if (!take_record(reading, line, &reason)) {
        if (!reject(reading, reason))
            return false;
    } else if (is_wanted(reading) && !reading->sink->record(reading->sink, &reading->record)) {
        return false;
    }
    return tell_position(reading, begin, line);
}

static enum line_result next_line(struct reading *reading, struct bytes *line)
{
    enum line_result result = line_reader_next(&reading->lines, line);

    if (result == LINE_TOO_LONG)
        fail(reading, PROBLEM_CONFIG, "a record is larger than 16 MiB");
    else if (result == LINE_ERROR)
        fail(reading, PROBLEM_TRANSIENT, strerror(errno));
    return result;
}

static size_t find_column(const struct csv_record *header, const char *name)
{
    for (size_t i = 0; i < header->count; i++)
        if (bytes_equal(header->fields[i], bytes_of_text(name)))
            return i;
    return NO_COLUMN;
}

static bool check_header(struct reading *reading)
{
    const struct csv_record *header = &reading->header;

    for (size_t i = 0; i < header->count; i++) {
        if (header->fields[i].size == 0)
            return fail(reading, PROBLEM_CONFIG, "a column has no name");
        for (size_t j = 0; j < i; j++)
            if (bytes_equal(header->fields[i], header->fields[j]))
                return fail(reading, PROBLEM_CONFIG, "two columns have the same name");
    }
    reading->key_column = find_column(header, reading->entity->options.key);
    if (reading->key_column == NO_COLUMN)
        return problem_set(reading->problem, PROBLEM_CONFIG,
                           "%.200s has no column \"%.60s\": name its key column with \"key\"",
                           reading->entity->path, reading->entity->options.key);
    reading->updated_column = NO_COLUMN;
    for (size_t i = 0; i < header->count; i++)
        if (is_updated_name(reading, header->fields[i]))
            reading->updated_column = i;
    return true;
}

static bool read_header(struct reading *reading)
{
    const char *reason = NULL;
    struct bytes line;

    switch (next_line(reading, &line)) {
    case LINE:
        break;
    case LINE_END:
        return fail(reading, PROBLEM_CONFIG, "the header line is missing");
    case LINE_TOO_LONG:
    case LINE_ERROR:
        return false;
    }
    reading->line++;
    line = without_mark(line);
    if (!utf8_is_valid(line))
        return fail(reading, PROBLEM_CONFIG, "the header line is not UTF-8");
    if (!csv_parse(line, reading->entity->options.delimiter[0], &reading->header, &reason))
        return fail(reading, PROBLEM_CONFIG, reason);
    return check_header(reading);
}

/* The record before the position must still be what it was. */
static bool is_same_file(struct reading *reading, uint64_t begin, size_t size, uint64_t sum)
{
    struct bytes line;

    return line_reader_seek(&reading->lines, begin) &&
           line_reader_next(&reading->lines, &line) == LINE && line.size == size &&
           hash(line) == sum;
}

static bool go_on(struct reading *reading)
{
    uint64_t offset, begin, sum, line;
    char text[128];
    size_t size;

    if (reading->request->position.size == 0)
        return true;
    snprintf(text, sizeof text, "%.*s", (int)reading->request->position.size,
             (const char *)reading->request->position.data);
    if (sscanf(text, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %zu %" SCNx64, &offset, &line, &begin,
               &size, &sum) != 5)
        return fail(reading, PROBLEM_FATAL, "the checkpoint's position is not one of a file");
    if (!is_same_file(reading, begin, size, sum))
        return fail(reading, PROBLEM_CONFIG,
                    "the file has changed since the checkpoint: queue the job again");
    reading->line = line;
    return line_reader_seek(&reading->lines, offset) ||
           fail(reading, PROBLEM_TRANSIENT, strerror(errno));
}

static enum read_end read_lines(struct reading *reading)
{
    enum line_result result;
    struct bytes line;

    for (;;) {
        uint64_t begin = reading->lines.offset;

        result = next_line(reading, &line);
        if (result == LINE_END)
            return READ_DONE;
        if (result != LINE)
            return READ_FAILED;
        if (!tell_line(reading, begin, line))
            return reading->problem->class != PROBLEM_NONE ? READ_FAILED : READ_STOPPED;
    }
}

static enum read_end read_file(struct reading *reading)
{
    if ((reading->entity->csv && !read_header(reading)) || !go_on(reading))
        return READ_FAILED;
    return read_lines(reading);
}

static const struct file_entity *find_entity(const struct files *files, const char *name)
{
    for (size_t i = 0; i < files->count; i++)
        if (strcmp(files->entities[i].name, name) == 0)
            return &files->entities[i];
    return NULL;
}

static int open_entity(const struct file_entity *entity, struct problem *problem)
{
    int fd = open(entity->path, O_RDONLY | O_CLOEXEC);
    struct stat stat;

    if (fd < 0 || fstat(fd, &stat) < 0 || !S_ISREG(stat.st_mode)) {
        problem_set(problem, PROBLEM_CONFIG, "%.200s: %s", entity->path,
                    fd < 0 ? strerror(errno) : "it is not a file");
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

/* Gives a reading at the file's beginning; NULL: failed. */
static struct reading *reading_new(const struct files *files, const struct read_request *request,
                                   struct problem *problem)
{
    const struct file_entity *entity = find_entity(files, request->entity);
    struct reading *reading;
    int fd;

    problem->class = PROBLEM_NONE;
    if (entity == NULL) {
        problem_set(problem, PROBLEM_CONFIG, "there is no file for entity \"%s\"", request->entity);
        return NULL;
    }
    fd = open_entity(entity, problem);
    if (fd < 0)
        return NULL;
    reading = calloc(1, sizeof *reading);
    if (reading == NULL) {
        close(fd);
        problem_set(problem, PROBLEM_TRANSIENT, "out of memory");
        return NULL;
    }
    *reading = (struct reading){
        .files = files, .entity = entity, .request = request, .problem = problem
    };
    line_reader_init(&reading->lines, fd, entity->csv, entity->options.delimiter[0]);
    return reading;
}

static void reading_free(struct reading *reading)
{
    line_reader_close(&reading->lines);
    csv_free(&reading->header);
    csv_free(&reading->fields);
    buffer_free(&reading->key);
    buffer_free(&reading->document);
    buffer_free(&reading->time);
    free(reading);
}

enum read_end files_read(struct source *source, const struct read_request *request,
                         struct sink *sink, struct problem *problem)
{
    struct reading *reading = reading_new((const struct files *)source, request, problem);
    enum read_end end;

    if (reading == NULL)
        return READ_FAILED;
    reading->sink = sink;
    end = read_file(reading);
    reading_free(reading);
    return end;
}

static bool count_lines(struct reading *reading, uint64_t *total)
{
    enum line_result result;
    struct bytes line;

    *total = 0;
    if (reading->entity->csv && !read_header(reading))
        return false;
    while ((result = next_line(reading, &line)) == LINE)
        *total += line.size > 0;
    return result == LINE_END;
}

/* Which of them have changed is only known when they are read. */
bool files_count(struct source *source, const struct read_request *request, uint64_t *total)
{
    struct problem problem;
    struct reading *reading;
    bool known;

    if (request->low_ms != 0)
        return false;
    reading = reading_new((const struct files *)source, request, &problem);
    known = reading != NULL && count_lines(reading, total);
    if (reading != NULL)
        reading_free(reading);
    return known;
}
