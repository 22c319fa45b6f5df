#ifndef TESTS_SUPPORT_ESTIMATE_RULES_H
#define TESTS_SUPPORT_ESTIMATE_RULES_H

#include "core/queue.h"

/* What holds of every estimate at the time it is shown, whatever happens later.
 * Lends the first rule that is broken; NULL: none is. */
const char *estimate_broken_rule(const struct run_info *info, int64_t now_ms);

#endif
