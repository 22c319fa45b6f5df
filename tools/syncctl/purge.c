#include "tools/syncctl/command.h"
#include "tools/syncctl/format.h"
#include "tools/syncctl/json.h"

#include <inttypes.h>
#include <stdio.h>

/* purge: deletes ended jobs. */

enum { PURGE_OLDER_THAN = OPTION_OWN, PURGE_NAME, PURGE_STATUS, PURGE_DRY_RUN, PURGE_REASON,
       PURGE_SETTINGS };

/* clang-format off */
static const struct setting settings[PURGE_SETTINGS] = {
    OPTIONS_OF_ALL,
    [PURGE_OLDER_THAN] = { SETTING_FLAG("older-than"), .placeholder = "TIME",
        .help = "Only those that ended before." },
    [PURGE_NAME] = { SETTING_FLAG("name"), .help = "Only those of this sync." },
    [PURGE_STATUS] = { SETTING_FLAG("status"), .type = SETTING_CHOICE,
        .choices = "completed|failed|cancelled", .help = "Only these." },
    [PURGE_DRY_RUN] = { SETTING_FLAG("dry-run"), .type = SETTING_SWITCH,
        .help = "Say what would be deleted and delete nothing." },
    [PURGE_REASON] = { SETTING_FLAG("reason"), .help = "Kept in the audit log." },
};
/* clang-format on */

static enum exit_status run(struct session *session)
{
    const struct settings *said = session->settings;
    Sync__V1__PurgeJobsRequest request = SYNC__V1__PURGE_JOBS_REQUEST__INIT;
    Sync__V1__PurgeJobsResponse *answer;
    const Sync__V1__PurgedJobs *purged;
    enum exit_status status;

    request.org_id = session->org;
    request.name = session_text(session, settings_text(said, PURGE_NAME));
    request.dry_run = settings_switch(said, PURGE_DRY_RUN);
    request.reason = session_text(session, settings_text(said, PURGE_REASON));
    if (settings_given(said, PURGE_STATUS))
        request.status = (Sync__V1__JobStatus)(SYNC__V1__JOB_STATUS__JOB_STATUS_COMPLETED +
                                               settings_choice(said, PURGE_STATUS));
    if (!read_time(session, PURGE_OLDER_THAN, "--older-than", &request.older_than))
        return EXIT_WRONG_USE;
    answer = (Sync__V1__PurgeJobsResponse *)session_call(session, "/sync.v1.SyncService/PurgeJobs",
                                                         &sync__v1__purge_jobs_response__descriptor,
                                                         &request.base, 0, &status);
    if (answer == NULL)
        return status;
    purged = answer->purged_jobs;
    if (session->output == OUTPUT_JSON)
        print_json(session, &answer->base);
    else
        printf("%s %" PRIu64 " completed, %" PRIu64 " failed, %" PRIu64 " cancelled\n",
               request.dry_run ? "would purge" : "purged", purged->completed, purged->failed,
               purged->cancelled);
    sync__v1__purge_jobs_response__free_unpacked(answer, NULL);
    return EXIT_DONE;
}

const struct command command_purge = {
    .name = "purge",
    .operands = "",
    .summary = "Delete ended jobs; syncs, schedules and counters stay",
    .help = "With a filter the answer comes when the last matching job is gone: give --timeout\n"
            "more where there are millions. A purge that has begun is carried through.\n",
    .settings = settings,
    .setting_count = PURGE_SETTINGS,
    .run = run,
};
