#ifndef TOOLS_SYNCD_PROCESS_METRICS_H
#define TOOLS_SYNCD_PROCESS_METRICS_H

#include "core/base/metrics.h"
#include "core/engine.h"

/* What the server shows of its core and of itself: store, workers, leases,
 * watches, memory. */
struct process_metrics {
    struct metrics_source source;
    struct engine *engine;      /* borrowed */
};

void process_metrics_init(struct process_metrics *metrics, struct engine *engine);

#endif
