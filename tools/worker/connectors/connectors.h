#ifndef WORKER_CONNECTORS_H
#define WORKER_CONNECTORS_H

#include "tools/worker/connectors/connector.h"

/* One row of functions for each connector; its file says what its connection
 * file may hold. */
extern const struct source_kind demo_source;     /* demo.c */
extern const struct source_kind file_source;     /* file_source.c */
extern const struct target_kind local_target;    /* local.c */
extern const struct target_kind file_target;     /* file_target.c */

/* At the end of the program, or before a fork: lets go of what is kept open. */
void connectors_close(void);

#endif
