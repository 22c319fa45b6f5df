#ifndef TOOLS_SYNCCTL_WATCH_H
#define TOOLS_SYNCCTL_WATCH_H

#include "tools/syncctl/session.h"

/* Follows one job until it has ended: EXIT_DONE if it completed, else
 * EXIT_JOB_FAILED. */
enum exit_status watch_until_ended(struct session *session, const char *id);

#endif
