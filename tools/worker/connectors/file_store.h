#ifndef WORKER_FILE_STORE_H
#define WORKER_FILE_STORE_H

#include "tools/worker/connectors/connector.h"

/* Inside of target "file": the folder of one sync, with what is stored in it
 * and sync_state.json, which is replaced in one step after the data it speaks
 * of is on the disk. */

struct file_store;

/* What sync_state.json says of one entity. */
struct file_entry {
    char run[NAME_SIZE_MAX + 1];     /* the latest run, and the attempt that writes */
    uint32_t run_generation;
    uint64_t epoch;
    struct entity_state state;
    bool replacing;                  /* it writes ENTITY.ndjson.part */
    uint64_t part_size;
    uint64_t size;                   /* of ENTITY.ndjson, what counts */
    uint64_t rows;                   /* of the last whole read */
};

/* Gives the folder's store, made if needed; NULL: failed. */
struct file_store *file_store_open(const char *data_dir, const char *org, const char *sync,
                                   struct problem *problem);
void file_store_close(struct file_store *store);

/* Keeps other threads and processes out of the folder. */
MUST_USE bool file_store_lock(struct file_store *store, struct problem *problem);
void file_store_unlock(struct file_store *store);

/* An entity that is not known yet is all zeros. */
bool file_store_load(struct file_store *store, const char *entity, struct file_entry *entry,
                     struct problem *problem);
bool file_store_save(struct file_store *store, const char *entity,
                     const struct file_entry *entry, struct problem *problem);

/* What the file (or its .part) holds; 0 if it is not there. */
bool file_store_size(struct file_store *store, const char *entity, bool part, uint64_t *size,
                     struct problem *problem);
/* Cuts the file (or its .part) to `size`, no more than it has, and puts the bytes behind it, on the
 * disk when it returns true. */
bool file_store_append(struct file_store *store, const char *entity, bool part, uint64_t size,
                       struct bytes bytes, struct problem *problem);
/* Puts ENTITY.ndjson.part, cut to `size`, in the place of ENTITY.ndjson. Fine if
 * that was done before. */
bool file_store_replace(struct file_store *store, const char *entity, uint64_t size,
                        struct problem *problem);

#endif
