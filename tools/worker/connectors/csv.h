#ifndef WORKER_CSV_H
#define WORKER_CSV_H

#include "tools/worker/connectors/buffer.h"

/* Comma-separated values (RFC 4180), one record at a time. */

enum { CSV_FIELDS_MAX = 1024 };

/* The fields of one record, quotes undone. */
struct csv_record {
    struct bytes fields[CSV_FIELDS_MAX];   /* into text */
    size_t count;
    struct buffer text;
};

/* A zeroed record is fine to begin with; the next call empties it. False: *reason. */
bool csv_parse(struct bytes line, char delimiter, struct csv_record *record,
               const char **reason);
void csv_free(struct csv_record *record);

#endif
