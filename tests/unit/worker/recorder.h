#ifndef TESTS_WORKER_RECORDER_H
#define TESTS_WORKER_RECORDER_H

#include "tools/worker/connectors/buffer.h"
#include "tools/worker/connectors/connector.h"

/* A sink that remembers what it was told, up to a number of records. */

struct told {
    char key[64];
    char *document;              /* "" if deleted */
    int64_t updated_at_ms;
    bool deleted;
};

struct recorder {
    struct sink sink;
    size_t records_max;          /* then it says stop; 0: never */
    struct told *told;
    size_t count;
    uint64_t total;
    unsigned rejected;
    int64_t waited_ms;
    size_t position_size;
    char position[POSITION_SIZE_MAX];
};

void recorder_init(struct recorder *recorder);
void recorder_free(struct recorder *recorder);

/* By key; NULL if it was not told. The latest, if it was more than once. */
const struct told *recorder_find(const struct recorder *recorder, const char *key);

/* Opens a source from its configuration as JSON text; fails the test if it will not. */
struct source *source_open(const char *kind, const char *config, const char *data);
/* The same, for configurations that are refused: fills the problem. */
void source_refuses(const char *kind, const char *config, const char *data,
                    struct problem *problem);

enum read_end source_read(struct source *source, const char *entity, int64_t low_ms,
                          struct recorder *recorder);

#endif
