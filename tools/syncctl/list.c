#include "tools/syncctl/command.h"
#include "tools/syncctl/format.h"
#include "tools/syncctl/json.h"

#include <inttypes.h>
#include <stdio.h>

/* list and show: jobs as the server remembers them. */

enum {
    LIST_STATUS = OPTION_OWN,
    LIST_NAME,
    LIST_TYPE,
    LIST_SINCE,
    LIST_UNTIL,
    LIST_LIMIT,
    LIST_SETTINGS
};

enum { PAGE_SIZE_MAX = 1000 };

/* clang-format off */
static const struct setting list_settings[LIST_SETTINGS] = {
    OPTIONS_OF_ALL,
    [LIST_STATUS] = { SETTING_FLAG("status"), .type = SETTING_CHOICE,
        .choices = "queued|scheduled|active|paused|completed|failed|cancelled",
        .help = "Only these." },
    [LIST_NAME] = { SETTING_FLAG("name"), .help = "Only those of this sync." },
    [LIST_TYPE] = { SETTING_FLAG("type"), .type = SETTING_CHOICE,
        .choices = "full|incremental|entity|scheduled", .help = "Only these." },
    [LIST_SINCE] = { SETTING_FLAG("since"), .placeholder = "TIME", .help = "Queued then or later." },
    [LIST_UNTIL] = { SETTING_FLAG("until"), .placeholder = "TIME", .help = "Queued before." },
    [LIST_LIMIT] = { SETTING_FLAG("limit"), .letter = 'n', .type = SETTING_NUMBER, .fallback = "100",
        .least = 1, .most = 100000, .help = "At most so many." },
};
static const struct setting show_settings[OPTION_OWN] = { OPTIONS_OF_ALL };
/* clang-format on */

static bool read_filter(struct session *session, Sync__V1__ListJobsRequest *request)
{
    const struct settings *said = session->settings;

    request->org_id = session->org;
    request->name = session_text(session, settings_text(said, LIST_NAME));
    if (settings_given(said, LIST_STATUS))
        request->status = (Sync__V1__JobStatus)(settings_choice(said, LIST_STATUS) + 1);
    if (settings_given(said, LIST_TYPE))
        request->type = (Sync__V1__JobType)(settings_choice(said, LIST_TYPE) + 1);
    return read_time(session, LIST_SINCE, "--since", &request->since) &&
           read_time(session, LIST_UNTIL, "--until", &request->until);
}

static Sync__V1__ListJobsResponse *list_page(struct session *session,
                                             Sync__V1__ListJobsRequest *request, size_t left,
                                             enum exit_status *status)
{
    request->page_size = left < PAGE_SIZE_MAX ? (uint32_t)left : PAGE_SIZE_MAX;
    return (Sync__V1__ListJobsResponse *)session_call(session, "/sync.v1.SyncService/ListJobs",
                                                      &sync__v1__list_jobs_response__descriptor,
                                                      &request->base, 0, status);
}

/* Page after page, gathered into the first one. */
static Sync__V1__ListJobsResponse *
list_all(struct session *session, Sync__V1__ListJobsRequest *request, enum exit_status *status)
{
    size_t limit = (size_t)settings_number(session->settings, LIST_LIMIT), count = 0;
    Sync__V1__Job **jobs = session_alloc(session, limit * sizeof *jobs);
    Sync__V1__ListJobsResponse *all = session_alloc(session, sizeof *all);

    sync__v1__list_jobs_response__init(all);
    do {
        Sync__V1__ListJobsResponse *page = list_page(session, request, limit - count, status);

        if (page == NULL)
            return NULL;
        for (size_t i = 0; i < page->n_jobs && count < limit; i++) {
            jobs[count++] = page->jobs[i];
            page->jobs[i] = NULL;
        }
        request->page_token = session_text(session, page->next_page_token);
        page->n_jobs = 0;
        sync__v1__list_jobs_response__free_unpacked(page, NULL);
    } while (*request->page_token != '\0' && count < limit);
    all->jobs = jobs;
    all->n_jobs = count;
    all->next_page_token = request->page_token;
    return all;
}

static enum exit_status run_list(struct session *session)
{
    Sync__V1__ListJobsRequest request = SYNC__V1__LIST_JOBS_REQUEST__INIT;
    Sync__V1__ListJobsResponse *all;
    enum exit_status status = EXIT_DONE;

    if (!read_filter(session, &request))
        return EXIT_WRONG_USE;
    all = list_all(session, &request, &status);
    if (all == NULL)
        return status;
    if (session->output == OUTPUT_JSON)
        print_json(session, &all->base);
    else
        print_jobs(session, all->jobs, all->n_jobs);
    for (size_t i = 0; i < all->n_jobs; i++)
        sync__v1__job__free_unpacked(all->jobs[i], NULL);
    return EXIT_DONE;
}

static void print_line(const char *label, const char *text)
{
    if (text != NULL && *text != '\0')
        printf("%-12s%s\n", label, text);
}

static void print_entities(const Sync__V1__Job *job)
{
    for (size_t i = 0; i < job->n_entities; i++) {
        const Sync__V1__EntityProgress *entity = job->entities[i];

        printf("%-12s%s: %" PRIu64, i == 0 ? "entities" : "", entity->entity, entity->done);
        if (entity->total_set_case == SYNC__V1__ENTITY_PROGRESS__TOTAL_SET_TOTAL)
            printf(" of %" PRIu64, entity->total);
        if (entity->deleted > 0)
            printf(", %" PRIu64 " deleted", entity->deleted);
        puts(entity->complete ? ", complete" : "");
    }
}

static void print_action(struct session *session, const Sync__V1__Action *action)
{
    if (action == NULL || *action->actor == '\0')
        return;
    printf("%-12s%s, %s", "last action", action->actor, time_text(session, action->at));
    printf(*action->reason != '\0' ? ": %s\n" : "%s\n", clean_text(session, action->reason));
}

static void print_job(struct session *session, const Sync__V1__Job *job)
{
    print_line("id", job->id);
    print_line("name", job->name);
    print_line("type", word_of(session, &sync__v1__job_type__descriptor, (int)job->type));
    print_line("priority",
               word_of(session, &sync__v1__job_priority__descriptor, (int)job->priority));
    print_line("status", job_status_text(session, job));
    print_line("progress", job_progress_text(session, job));
    if (job->data != NULL) {
        print_line("source", job->data->source);
        print_line("target", job->data->target);
        print_line("entity", job->data->entity);
    }
    print_line("queued", time_text(session, job->queued_at));
    print_line("runs at", time_text(session, job->scheduled_for));
    print_line("not before", time_text(session, job->not_before));
    print_line("started", time_text(session, job->started_at));
    print_line("paused", time_text(session, job->paused_at));
    print_line("resumed", time_text(session, job->resumed_at));
    print_line("ended", time_text(session, job->ended_at));
    print_line("to start", time_text(session, job->estimated_start));
    print_line("to end", time_text(session, job->estimated_completion));
    print_line("worker", clean_text(session, job->worker_id));
    if (job->error != NULL)
        printf("%-12s%s (%s)\n", "error", clean_text(session, job->error->message),
               job->error->class_);
    print_entities(job);
    print_action(session, job->last_action);
    for (size_t i = 0; i < job->n_next_runs; i++)
        print_line(i == 0 ? "next runs" : "", time_text(session, job->next_runs[i]));
}

static enum exit_status show(struct session *session, const ProtobufCMessage *answer,
                             const Sync__V1__Job *job)
{
    if (session->output == OUTPUT_JSON)
        print_json(session, answer);
    else
        print_job(session, job);
    return EXIT_DONE;
}

static enum exit_status show_by_id(struct session *session, const char *id)
{
    Sync__V1__GetJobRequest request = SYNC__V1__GET_JOB_REQUEST__INIT;
    enum exit_status status;
    Sync__V1__GetJobResponse *answer;

    request.org_id = session->org;
    request.id = session_text(session, id);
    answer = (Sync__V1__GetJobResponse *)session_call(session, "/sync.v1.SyncService/GetJob",
                                                      &sync__v1__get_job_response__descriptor,
                                                      &request.base, 0, &status);
    if (answer == NULL)
        return status;
    status = show(session, &answer->base, answer->job);
    sync__v1__get_job_response__free_unpacked(answer, NULL);
    return status;
}

/* The newest job of a sync. */
static enum exit_status show_by_name(struct session *session, const char *name)
{
    Sync__V1__ListJobsRequest request = SYNC__V1__LIST_JOBS_REQUEST__INIT;
    Sync__V1__GetJobResponse shown = SYNC__V1__GET_JOB_RESPONSE__INIT;
    enum exit_status status;
    Sync__V1__ListJobsResponse *answer;

    request.org_id = session->org;
    request.name = session_text(session, name);
    answer = list_page(session, &request, 1, &status);
    if (answer == NULL)
        return status;
    if (answer->n_jobs == 0) {
        fprintf(stderr, "syncctl: no job of that name; `syncctl list` shows what there is\n");
        status = EXIT_NOT_FOUND;
    } else {
        shown.job = answer->jobs[0];
        status = show(session, &shown.base, shown.job);
    }
    sync__v1__list_jobs_response__free_unpacked(answer, NULL);
    return status;
}

static enum exit_status run_show(struct session *session)
{
    const char *operand = settings_operand(session->settings, 0);

    return is_job_id(operand) ? show_by_id(session, operand) : show_by_name(session, operand);
}

const struct command command_list = {
    .name = "list",
    .operands = "",
    .summary = "List jobs, newest first",
    .settings = list_settings,
    .setting_count = LIST_SETTINGS,
    .run = run_list,
};

const struct command command_show = {
    .name = "show",
    .operands = "NAME|ID",
    .summary = "Show one job; by name the newest of that sync",
    .settings = show_settings,
    .setting_count = OPTION_OWN,
    .operands_least = 1,
    .operands_most = 1,
    .run = run_show,
};
