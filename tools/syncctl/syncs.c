#include "tools/syncctl/command.h"
#include "tools/syncctl/format.h"
#include "tools/syncctl/json.h"

#include <inttypes.h>
#include <stdio.h>

/* syncs: the definitions that jobs are executions of. */

static const struct setting settings[OPTION_OWN] = { OPTIONS_OF_ALL };

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

static enum exit_status show_one(struct session *session, const char *name)
{
    Sync__V1__GetSyncRequest request = SYNC__V1__GET_SYNC_REQUEST__INIT;
    Sync__V1__GetSyncResponse *answer;
    enum exit_status status;

    request.org_id = session->org;
    request.name = session_text(session, name);
    answer = (Sync__V1__GetSyncResponse *)session_call(session, "/sync.v1.SyncService/GetSync",
                                                       &sync__v1__get_sync_response__descriptor,
                                                       &request.base, 0, &status);
    if (answer == NULL)
        return status;
    if (session->output == OUTPUT_JSON) {
        print_json(session, &answer->base);
    } else {
        print_syncs(session, &answer->sync, 1);
        print_watermarks(session, answer->sync);
    }
    sync__v1__get_sync_response__free_unpacked(answer, NULL);
    return EXIT_DONE;
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

const struct command command_syncs = {
    .name = "syncs",
    .operands = "[NAME]",
    .summary = "The syncs: schedules, watermarks, how often they went well",
    .settings = settings,
    .setting_count = OPTION_OWN,
    .operands_most = 1,
    .run = run,
};
