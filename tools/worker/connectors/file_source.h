#ifndef WORKER_FILE_SOURCE_H
#define WORKER_FILE_SOURCE_H

#include "tools/worker/connectors/connector.h"

/* Inside of source "file": file_source.c finds the files, file_read.c reads them. */

struct file_options {
    const char *key, *updated_at, *delimiter;
};

struct file_entity {
    char name[NAME_SIZE_MAX + 1];
    char *path;
    bool csv;
    struct file_options options;
};

struct files {
    struct source base;
    json_t *config;                          /* a copy: options point into it */
    int64_t bad_records_max;
    struct file_entity entities[RUN_ENTITIES_MAX];
    size_t count;
};

/* The read() and count() of its source_kind. */
enum read_end files_read(struct source *source, const struct read_request *request,
                         struct sink *sink, struct problem *problem);
bool files_count(struct source *source, const struct read_request *request, uint64_t *total);

#endif
