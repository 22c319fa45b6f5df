#ifndef WORKER_CONNECTIONS_H
#define WORKER_CONNECTIONS_H

#include "tools/worker/connectors/connector.h"

/* What the names in a job stand for at this worker: one JSON file for each
 * connection, {"kind": "demo", ...}, looked for in
 *
 *   DIR/ORG/NAME.json    of one organisation
 *   DIR/_default/NAME.json, DIR/NAME.json    of all others
 *
 * Files may hold credentials: one that others may read is refused. Without a
 * folder there is one source, "demo"; the target "local" is always there. A
 * name that is not known is an error, never something else's. */

/* Gives the connection's JSON object (json_decref() it). `dir` may be NULL. */
bool connection_find(const char *dir, const char *org, const char *name, json_t **config,
                     struct problem *problem);

struct connection_names {
    char names[CONNECTIONS_MAX][NAME_SIZE_MAX + 1];
    size_t count;
};

/* All that can be read from, and all that can be written to, by whatever
 * organisation. False: the folder cannot be read, or holds too many. A file that
 * cannot be used is listed as both, so that its jobs come here and say why. */
bool connection_list(const char *dir, struct connection_names *sources,
                     struct connection_names *targets, struct problem *problem);

#endif
