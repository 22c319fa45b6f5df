#ifndef TOOLS_SYNCD_PORTS_FILE_H
#define TOOLS_SYNCD_PORTS_FILE_H

#include "core/base/err.h"

/* Tells other programs where a server listens that took any free port:
 * {"rpc": "127.0.0.1:PORT", "http": "127.0.0.1:PORT"}. The file appears whole
 * or not at all. http may be NULL. */
MUST_USE enum err ports_file_write(const char *path, const char *rpc, const char *http,
                                   struct why *why);

#endif
