#ifndef TOOLS_SYNCCTL_COMMAND_H
#define TOOLS_SYNCCTL_COMMAND_H

#include "tools/syncctl/session.h"

/* One command: a row in main.c's table, a file of its own (or one shared with
 * its sisters). */
struct command {
    const char *name;
    const char *operands;           /* "NAME|ID" */
    const char *summary;            /* one line */
    const char *help;               /* what else there is to say; may be NULL */
    const struct setting *settings;
    size_t setting_count;
    size_t operands_least, operands_most;
    bool without_org;
    enum exit_status (*run)(struct session *session);
};

extern const struct command command_info, command_queue, command_list, command_show,
    command_watch, command_pause, command_resume, command_cancel, command_retry, command_purge,
    command_syncs, command_unschedule, command_reset_watermark, command_audit, command_orgs,
    command_drain, command_backup;

#endif
