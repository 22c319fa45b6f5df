#include "tools/syncctl/command.h"
#include "tools/syncctl/json.h"

#include "sync/v1/admin.pb-c.h"

#include <inttypes.h>
#include <stdio.h>

/* drain, backup: what operators do to the whole server. */

static const struct setting settings[OPTION_OWN] = { OPTIONS_OF_ALL };

static enum exit_status run_drain(struct session *session)
{
    Sync__V1__DrainRequest request = SYNC__V1__DRAIN_REQUEST__INIT;
    Sync__V1__DrainResponse *answer;
    enum exit_status status;

    answer = (Sync__V1__DrainResponse *)session_call(session, "/sync.v1.AdminService/Drain",
                                                     &sync__v1__drain_response__descriptor,
                                                     &request.base, 0, &status);
    if (answer == NULL)
        return status;
    if (session->output == OUTPUT_JSON)
        print_json(session, &answer->base);
    else
        printf("draining; leases held: %" PRIu64 "\n", answer->leases_held);
    sync__v1__drain_response__free_unpacked(answer, NULL);
    return EXIT_DONE;
}

static enum exit_status run_backup(struct session *session)
{
    const char *directory = settings_operand(session->settings, 0);
    Sync__V1__BackupRequest request = SYNC__V1__BACKUP_REQUEST__INIT;
    Sync__V1__BackupResponse *answer;
    enum exit_status status;

    session->is_not_about_jobs = true;
    request.directory = session_text(session, directory);
    answer = (Sync__V1__BackupResponse *)session_call(session, "/sync.v1.AdminService/Backup",
                                                      &sync__v1__backup_response__descriptor,
                                                      &request.base, 0, &status);
    if (answer == NULL)
        return status;
    if (session->output == OUTPUT_JSON)
        print_json(session, &answer->base);
    else
        printf("%s: %" PRIu64 " bytes\n", directory, answer->bytes);
    sync__v1__backup_response__free_unpacked(answer, NULL);
    return EXIT_DONE;
}

const struct command command_drain = {
    .name = "drain",
    .operands = "",
    .summary = "Hand out no more jobs and tell the workers to let go",
    .help = "Jobs are still accepted and wait. `syncctl info` tells how many are active yet; a\n"
            "restart of the server ends it.\n",
    .settings = settings,
    .setting_count = OPTION_OWN,
    .without_org = true,
    .run = run_drain,
};

const struct command command_backup = {
    .name = "backup",
    .operands = "DIRECTORY",
    .summary = "Write a consistent copy of the store, while it is in use",
    .help = "DIRECTORY is an absolute path on the server's machine and must not exist yet. A\n"
            "server that is given the copy as its data goes on from there.\n",
    .settings = settings,
    .setting_count = OPTION_OWN,
    .operands_least = 1,
    .operands_most = 1,
    .without_org = true,
    .run = run_backup,
};
