#include "tests/support/estimate_rules.h"

#include <stddef.h>

static bool lies_between(const struct run_info *info, int64_t shown_ms, int64_t now_ms)
{
    return info->estimate_low_ms >= now_ms && info->estimate_low_ms <= shown_ms &&
           shown_ms <= info->estimate_high_ms;
}

const char *estimate_broken_rule(const struct run_info *info, int64_t now_ms)
{
    int64_t start_ms = info->estimated_start_ms, end_ms = info->estimated_completion_ms;
    int64_t shown_ms = info->wait != WAIT_NONE ? start_ms : end_ms;
    bool hopeless = info->wait == WAIT_PAUSED || info->wait == WAIT_NO_WORKER;

    if (info->run.state == RUN_QUEUED && info->wait == WAIT_NONE)
        return "what waits says why";
    if (start_ms != 0 && start_ms < now_ms)
        return "no start lies in the past";
    if (end_ms != 0 && end_ms < now_ms)
        return "no end lies in the past";
    if (info->run.state != RUN_ACTIVE && end_ms != 0 && start_ms == 0)
        return "what has no known start has no known end";
    if ((shown_ms == 0) != (info->estimate_basis == NULL))
        return "an estimate has a basis";
    if (shown_ms != 0 && !lies_between(info, shown_ms, now_ms))
        return "an estimate lies between its low and its high";
    if (hopeless && (start_ms != 0 || end_ms != 0))
        return "nothing is estimated while paused or without a worker";
    return NULL;
}
