#include "tools/syncctl/command.h"
#include "tools/syncctl/format.h"
#include "tools/syncctl/json.h"

#include <inttypes.h>
#include <stdio.h>

/* syncs, unschedule, reset-watermark: the definitions that jobs are executions of. */

enum {
    UNSCHEDULE_REASON = OPTION_OWN,
    UNSCHEDULE_SETTINGS,
    RESET_REASON = OPTION_OWN,
    RESET_ENTITY,
    RESET_VALUE,
    RESET_SETTINGS
};

/* clang-format off */
#define REASON { SETTING_FLAG("reason"), .help = "Kept in the audit log." }
static const struct setting settings[OPTION_OWN] = { OPTIONS_OF_ALL };
static const struct setting unschedule_settings[UNSCHEDULE_SETTINGS] = {
    OPTIONS_OF_ALL,
    [UNSCHEDULE_REASON] = REASON,
};
static const struct setting reset_settings[RESET_SETTINGS] = {
    OPTIONS_OF_ALL,
    [RESET_REASON] = REASON,
    [RESET_ENTITY] = { SETTING_FLAG("entity"), .help = "Only that of this entity." },
    [RESET_VALUE] = { SETTING_FLAG("value"), .placeholder = "TIME",
        .help = "What it is from now on; forgotten if absent." },
};
/* clang-format on */

static const char *number_text(struct session *session, uint64_t number)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRIu64, number);
    return session_text(session, text);
}

static void print_syncs(struct session *session, Sync__V1__Sync *const *syncs, size_t count)
{
    static const char *const headings[] = { "NAME",      "STATE",  "NEXT RUN", "LAST COMPLETED",
                                            "COMPLETED", "FAILED", "CANCELLED" };
    enum { COLUMNS = sizeof headings / sizeof *headings };
    struct table *table = table_new(session, headings, COLUMNS);

    for (size_t i = 0; i < count; i++) {
        const Sync__V1__Sync *sync = syncs[i];
        const Sync__V1__SyncStatistics *statistics = sync->statistics;
        const Sync__V1__SyncStatistics none = SYNC__V1__SYNC_STATISTICS__INIT;

        if (statistics == NULL)
            statistics = &none;
        table_add(table, (const char *const[COLUMNS]){
                             sync->name,
                             sync->paused             ? "paused"
                             : sync->live_job != NULL ? job_status_text(session, sync->live_job)
                                                      : "idle",
                             sync->n_next_runs > 0 ? time_text(session, sync->next_runs[0]) : "",
                             age_text(session, statistics->last_completed_at),
                             number_text(session, statistics->completed),
                             number_text(session, statistics->failed),
                             number_text(session, statistics->cancelled) });
    }
    table_print(table);
}

static void print_watermarks(struct session *session, const Sync__V1__Sync *sync)
{
    for (size_t i = 0; i < sync->n_watermarks; i++)
        printf("%s%-24s %s  by %s\n", i == 0 ? "\nWATERMARKS\n" : "",
               *sync->watermarks[i]->entity != '\0' ? sync->watermarks[i]->entity : "(all)",
               time_text(session, sync->watermarks[i]->value), sync->watermarks[i]->set_by_job);
}

/* Every answer about one sync is a message whose first field is the sync. */
static enum exit_status ask(struct session *session, const char *path,
                            const ProtobufCMessageDescriptor *response,
                            const ProtobufCMessage *request)
{
    enum exit_status status;
    ProtobufCMessage *answer = session_call(session, path, response, request, 0, &status);
    Sync__V1__Sync *sync;

    if (answer == NULL)
        return status;
    sync = ((Sync__V1__GetSyncResponse *)answer)->sync;
    if (session->output == OUTPUT_JSON) {
        print_json(session, answer);
    } else {
        print_syncs(session, &sync, 1);
        print_watermarks(session, sync);
    }
    protobuf_c_message_free_unpacked(answer, NULL);
    return EXIT_DONE;
}

static enum exit_status show_one(struct session *session, const char *name)
{
    Sync__V1__GetSyncRequest request = SYNC__V1__GET_SYNC_REQUEST__INIT;

    request.org_id = session->org;
    request.name = session_text(session, name);
    return ask(session, "/sync.v1.SyncService/GetSync", &sync__v1__get_sync_response__descriptor,
               &request.base);
}

/* One page after the other, each printed as it comes. */
static enum exit_status show_all(struct session *session)
{
    Sync__V1__ListSyncsRequest request = SYNC__V1__LIST_SYNCS_REQUEST__INIT;

    request.org_id = session->org;
    request.page_size = 1000;
    do {
        enum exit_status status;
        Sync__V1__ListSyncsResponse *page = (Sync__V1__ListSyncsResponse *)session_call(
            session, "/sync.v1.SyncService/ListSyncs", &sync__v1__list_syncs_response__descriptor,
            &request.base, 0, &status);

        if (page == NULL)
            return status;
        if (session->output == OUTPUT_JSON)
            print_json(session, &page->base);
        else
            print_syncs(session, page->syncs, page->n_syncs);
        request.page_token = session_text(session, page->next_page_token);
        sync__v1__list_syncs_response__free_unpacked(page, NULL);
    } while (*request.page_token != '\0');
    return EXIT_DONE;
}

static enum exit_status run(struct session *session)
{
    if (settings_operand_count(session->settings) > 0)
        return show_one(session, settings_operand(session->settings, 0));
    return show_all(session);
}

static enum exit_status run_unschedule(struct session *session)
{
    const struct settings *said = session->settings;
    Sync__V1__DeleteScheduleRequest request = SYNC__V1__DELETE_SCHEDULE_REQUEST__INIT;

    request.org_id = session->org;
    request.name = session_text(session, settings_operand(said, 0));
    request.reason = session_text(session, settings_text(said, UNSCHEDULE_REASON));
    return ask(session, "/sync.v1.SyncService/DeleteSchedule",
               &sync__v1__delete_schedule_response__descriptor, &request.base);
}

static enum exit_status run_reset(struct session *session)
{
    const struct settings *said = session->settings;
    Sync__V1__ResetWatermarkRequest request = SYNC__V1__RESET_WATERMARK_REQUEST__INIT;

    request.org_id = session->org;
    request.name = session_text(session, settings_operand(said, 0));
    request.entity = session_text(session, settings_text(said, RESET_ENTITY));
    request.reason = session_text(session, settings_text(said, RESET_REASON));
    if (!read_time(session, RESET_VALUE, "--value", &request.value))
        return EXIT_WRONG_USE;
    return ask(session, "/sync.v1.SyncService/ResetWatermark",
               &sync__v1__reset_watermark_response__descriptor, &request.base);
}

const struct command command_syncs = {
    .name = "syncs",
    .operands = "[NAME]",
    .summary = "The syncs: schedules, watermarks, how often they went well",
    .settings = settings,
    .setting_count = OPTION_OWN,
    .operands_most = 1,
    .run = run,
};

const struct command command_unschedule = {
    .name = "unschedule",
    .operands = "NAME",
    .summary = "Delete a sync's schedule; a run that is under way goes on",
    .settings = unschedule_settings,
    .setting_count = UNSCHEDULE_SETTINGS,
    .operands_least = 1,
    .operands_most = 1,
    .run = run_unschedule,
};

const struct command command_reset_watermark = {
    .name = "reset-watermark",
    .operands = "NAME",
    .summary = "Set or forget how far back incremental runs look",
    .help = "Without --entity it is that of every entity. Where it is forgotten the next\n"
            "incremental run reads everything.\n",
    .settings = reset_settings,
    .setting_count = RESET_SETTINGS,
    .operands_least = 1,
    .operands_most = 1,
    .run = run_reset,
};
