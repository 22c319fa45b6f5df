#include "tools/syncctl/command.h"
#include "tools/syncctl/format.h"
#include "tools/syncctl/json.h"

#include <inttypes.h>
#include <stdio.h>

/* info: the service, or one organisation in it. */

static const struct setting settings[OPTION_OWN] = { OPTIONS_OF_ALL };

static void print_service(const Sync__V1__GetServiceInfoResponse *info)
{
    printf("version    %s\nstatus     %s\nuptime     %s\n", info->version, info->status,
           info->uptime);
    printf("active     %" PRIu64 "\nqueued     %" PRIu64 "\n", info->active_jobs,
           info->queued_jobs);
    printf("completed  %" PRIu64 "\nfailed     %" PRIu64 "\n", info->completed_jobs,
           info->failed_jobs);
}

static void print_org(struct session *session, const Sync__V1__GetOrgInfoResponse *info)
{
    const Sync__V1__OrgSyncStatus *status = info->sync_status;

    printf("organisation  %s\n", info->organization->id);
    if (*info->organization->name != '\0')
        printf("name          %s\n", clean_text(session, info->organization->name));
    if (status->last_sync != NULL)
        printf("last sync     %s ago\n", age_text(session, status->last_sync));
    printf("active        %" PRIu64 "\nqueued        %" PRIu64 "\n", status->active_jobs,
           status->queued_jobs);
    printf("completed     %" PRIu64 "\nfailed        %" PRIu64 "\n\n", status->completed_jobs,
           status->failed_jobs);
    print_jobs(session, info->sync_jobs, info->n_sync_jobs);
}

static ProtobufCMessage *ask_service(struct session *session, enum exit_status *status)
{
    Sync__V1__GetServiceInfoRequest request = SYNC__V1__GET_SERVICE_INFO_REQUEST__INIT;

    return session_call(session, "/sync.v1.SyncService/GetServiceInfo",
                        &sync__v1__get_service_info_response__descriptor, &request.base, 0, status);
}

static ProtobufCMessage *ask_org(struct session *session, enum exit_status *status)
{
    Sync__V1__GetOrgInfoRequest request = SYNC__V1__GET_ORG_INFO_REQUEST__INIT;

    request.org_id = session->org;
    return session_call(session, "/sync.v1.SyncService/GetOrgInfo",
                        &sync__v1__get_org_info_response__descriptor, &request.base, 0, status);
}

static enum exit_status run(struct session *session)
{
    bool of_org = *session->org != '\0';
    enum exit_status status;
    ProtobufCMessage *answer = of_org ? ask_org(session, &status) : ask_service(session, &status);

    if (answer == NULL)
        return status;
    if (session->output == OUTPUT_JSON)
        print_json(session, answer);
    else if (of_org)
        print_org(session, (Sync__V1__GetOrgInfoResponse *)answer);
    else
        print_service((Sync__V1__GetServiceInfoResponse *)answer);
    protobuf_c_message_free_unpacked(answer, NULL);
    return EXIT_DONE;
}

const struct command command_info = {
    .name = "info",
    .operands = "",
    .summary = "The service; with --org, that organisation",
    .settings = settings,
    .setting_count = OPTION_OWN,
    .without_org = true,
    .run = run,
};
