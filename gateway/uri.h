#ifndef GATEWAY_URI_H
#define GATEWAY_URI_H

#include "core/base/arena.h"
#include "core/base/err.h"
#include "gateway/limits.h"

#include <stdbool.h>

/* A request target, "/sync/pause/product-sync?wait=5", taken apart. Every part
 * is decoded exactly once, after it was cut out; invalid percent-encoding,
 * control bytes and bytes that are not UTF-8 are refused. */

struct uri_parameter {
    const char *name, *value;
};

struct uri {
    const char *segments[ROUTE_SEGMENTS_MAX];          /* of the path, decoded */
    size_t segment_count;
    bool too_many_segments;                            /* then no route can match */
    struct uri_parameter parameters[QUERY_PARAMETERS_MAX];
    size_t parameter_count;
};

/* What uri then points at lies in mem. ERR_INVALID, ERR_LIMIT. */
MUST_USE enum err uri_parse(const char *target, struct arena *mem, struct uri *uri,
                            struct why *why);

#endif
