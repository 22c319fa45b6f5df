#ifndef RPC_SERVER_COUNTS_H
#define RPC_SERVER_COUNTS_H

#include "core/base/metrics.h"
#include "rpc/net/connection.h"
#include "rpc/places.h"

/* What a server counts of its connections and their streams, all threads
 * together. Zeroed: nothing yet. */

struct server_counts {
    atomic_uint_fast64_t open, accepted;
    atomic_uint_fast64_t refused[PLACE_REFUSAL_COUNT];
    atomic_uint_fast64_t closed[CONNECTION_END_COUNT];
    struct h2_counts streams;
};

void server_counts_open(struct server_counts *counts);
void server_counts_refuse(struct server_counts *counts, enum place_refusal why);
void server_counts_close(struct server_counts *counts, enum connection_end why);

void server_counts_write(const struct server_counts *counts, struct metrics_text *text);

#endif
