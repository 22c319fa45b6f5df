#ifndef WORKER_CONFIG_H
#define WORKER_CONFIG_H

#include "tools/worker/connectors/connector.h"

/* Reading a connection's JSON object, member by member. Each answers false with
 * PROBLEM_CONFIG if the member is there and wrong; absent, the default stays. */

/* At least `least`, at most `most`. */
bool config_number(const json_t *object, const char *name, int64_t least, int64_t most,
                     int64_t *value, struct problem *problem);
/* Lends text of the object. */
bool config_text(const json_t *object, const char *name, const char **value,
                   struct problem *problem);
/* RFC 3339. */
bool config_time(const json_t *object, const char *name, int64_t *time_ms,
                   struct problem *problem);
/* False if the object has a member that is not in the NULL-terminated list. */
bool config_known(const json_t *object, const char *const names[], struct problem *problem);

#endif
