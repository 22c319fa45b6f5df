#ifndef WORKER_LINE_READER_H
#define WORKER_LINE_READER_H

#include "tools/worker/connectors/buffer.h"

#include <stdint.h>

/* Cuts a file into records: lines, or with quotes (CSV, RFC 4180) what may
 * contain line ends between quotes. Reads ahead in blocks; says at which byte
 * each record ends, so that a later reader can go on behind it. */

struct line_reader {
    int fd;
    bool quotes;
    char delimiter;              /* of CSV: a quote counts only where a field begins */
    bool at_end;
    uint64_t offset;             /* where the next record begins */
    struct buffer ahead;
    size_t used;                 /* of `ahead` */
};

/* Takes the descriptor: line_reader_close() closes it. */
void line_reader_init(struct line_reader *reader, int fd, bool quotes, char delimiter);
void line_reader_close(struct line_reader *reader);
/* Goes on at that byte. False: errno says why. */
bool line_reader_seek(struct line_reader *reader, uint64_t offset);

enum line_result { LINE, LINE_END, LINE_TOO_LONG, LINE_ERROR };

/* Lends the next record without its line end; it is gone with the next call.
 * LINE_ERROR: errno says why. */
enum line_result line_reader_next(struct line_reader *reader, struct bytes *line);

#endif
