#include "core/store.h"

#include <assert.h>

/* The names are on disk: a family may be added at the end, never renamed. */
const char *store_family_name(enum store_family family)
{
    static const char *const names[STORE_FAMILY_COUNT] = {
        [FAMILY_META] = "meta",
        [FAMILY_ORG] = "org",
        [FAMILY_COUNTERS] = "counters",
        [FAMILY_SYNC] = "sync",
        [FAMILY_SPEC] = "spec",
        [FAMILY_WAITING] = "waiting",
        [FAMILY_ACTIVE] = "active",
        [FAMILY_ENDED] = "ended",
        [FAMILY_CHECKPOINT] = "checkpoint",
        [FAMILY_READY] = "ready",
        [FAMILY_BEHIND] = "behind",
        [FAMILY_TIMER] = "timer",
        [FAMILY_SCHEDULE] = "schedule",
        [FAMILY_WATERMARK] = "watermark",
        [FAMILY_IDEMPOTENCY] = "idempotency",
        [FAMILY_AUDIT] = "audit",
        [FAMILY_ENDINGS] = "endings",
        [FAMILY_HISTORY] = "history",
        [FAMILY_PURGE] = "purge",
    };

    assert(family < STORE_FAMILY_COUNT && names[family] != NULL);
    return names[family];
}
