#include "tools/syncctl/format.h"

#include <inttypes.h>
#include <stdio.h>

/* Tables for people: rows are kept until all are there, then each column is as
 * wide as its widest cell. */

struct row {
    struct row *next;
    const char *cells[];
};

struct table {
    struct session *session;
    size_t columns;
    struct row *first, **end;
};

struct table *table_new(struct session *session, const char *const headings[], size_t columns)
{
    struct table *table = session_alloc(session, sizeof *table);

    table->session = session;
    table->columns = columns;
    table->end = &table->first;
    table_add(table, headings);
    return table;
}

void table_add(struct table *table, const char *const cells[])
{
    size_t size = sizeof *cells * table->columns;
    struct row *row = session_alloc(table->session, sizeof *row + size);

    memcpy(row->cells, cells, size);
    *table->end = row;
    table->end = &row->next;
}

static size_t column_width(const struct table *table, size_t column)
{
    size_t width = 0;

    for (const struct row *row = table->first; row != NULL; row = row->next)
        if (strlen(row->cells[column]) > width)
            width = strlen(row->cells[column]);
    return width;
}

void table_print(const struct table *table)
{
    size_t *widths = session_alloc(table->session, sizeof *widths * table->columns);

    for (size_t i = 0; i < table->columns; i++)
        widths[i] = column_width(table, i);
    for (const struct row *row = table->first; row != NULL; row = row->next) {
        size_t last = table->columns;

        while (last > 1 && *row->cells[last - 1] == '\0')
            last--;
        for (size_t i = 0; i + 1 < last; i++)
            printf("%-*s  ", (int)widths[i], row->cells[i]);
        printf("%s\n", row->cells[last - 1]);
    }
}

static const char *records_text(struct session *session, const Sync__V1__Job *job)
{
    uint64_t done, total;
    char text[48];

    job_records(job, &done, &total);
    if (job->n_entities == 0)
        return "";
    if (total > 0)
        snprintf(text, sizeof text, "%" PRIu64 "/%" PRIu64, done, total);
    else
        snprintf(text, sizeof text, "%" PRIu64, done);
    return session_text(session, text);
}

void print_jobs(struct session *session, Sync__V1__Job *const *jobs, size_t count)
{
    static const char *const headings[] = { "ID",      "NAME",   "TYPE",  "STATUS", "PROGRESS",
                                            "RECORDS", "QUEUED", "ENDED", "ERROR" };
    enum { COLUMNS = sizeof headings / sizeof *headings };
    struct table *table = table_new(session, headings, COLUMNS);

    for (size_t i = 0; i < count; i++) {
        const Sync__V1__Job *job = jobs[i];

        table_add(table, (const char *const[COLUMNS]){
                             job->id, job->name,
                             word_of(session, &sync__v1__job_type__descriptor, (int)job->type),
                             job_status_text(session, job), job_progress_text(session, job),
                             records_text(session, job), age_text(session, job->queued_at),
                             age_text(session, job->ended_at),
                             job->error != NULL ? clean_text(session, job->error->message) : "" });
    }
    table_print(table);
}
