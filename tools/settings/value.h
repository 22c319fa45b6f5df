#ifndef TOOLS_SETTINGS_VALUE_H
#define TOOLS_SETTINGS_VALUE_H

#include "tools/settings/settings.h"

/* Checks one value against its row. `where` is how the error names it:
 * "--rpc-threads", "SYNC_RPC_THREADS", "sync.conf:3: rpc-threads". A choice
 * gives its index, a switch 0 or 1. */
MUST_USE enum err setting_value_read(const struct setting *row, const char *where,
                                     const char *text, int64_t *number, struct why *why);

#endif
