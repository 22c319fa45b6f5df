#ifndef GATEWAY_TRAFFIC_H
#define GATEWAY_TRAFFIC_H

#include "core/base/metrics.h"
#include "gateway/http/http_server.h"
#include "gateway/route.h"

/* What the gateway has answered: how often, by route, method and status, and
 * how long it took. The loop's; bounded by the table of routes. */

struct traffic;

struct traffic *traffic_new(void);      /* NULL if out of memory */
void traffic_free(struct traffic *traffic);

/* route: NULL if none was found. */
void traffic_count(struct traffic *traffic, const struct route *route, int status,
                   int64_t duration_us);

void traffic_write(const struct traffic *traffic, struct metrics_text *text);

#endif
