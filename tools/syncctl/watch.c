#include "tools/syncctl/watch.h"

#include "core/base/list.h"
#include "tools/syncctl/command.h"
#include "tools/syncctl/display.h"

#include <pthread.h>
#include <stdio.h>

/* watch: the server's stream of changes, drawn as it comes. The stream lives on
 * the loop's thread, and so does the display; the main thread waits. A server
 * that goes away is asked again from the last event seen. */

enum { WATCH_UNTIL_DONE = OPTION_OWN, WATCH_SETTINGS };

enum { DRAW_MS = 100, AGAIN_MS = 1000 };

/* clang-format off */
static const struct setting settings[WATCH_SETTINGS] = {
    OPTIONS_OF_ALL,
    [WATCH_UNTIL_DONE] = { SETTING_FLAG("until-done"), .type = SETTING_SWITCH,
        .help = "End when no job is waiting or running any more; exit 6 unless all completed"
                " that ended meanwhile." },
};
/* clang-format on */

struct watching {
    struct session *session;
    struct display *display;
    struct client_call call;
    Sync__V1__WatchJobsRequest request;
    struct loop_task start;
    struct loop_timer draw, again;
    bool until_done, synced, failed, relist;
    char **live; /* ids of jobs that have not ended */
    size_t live_count, live_room;
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    bool over;
    enum exit_status status;
};

static void end(struct watching *watching, enum exit_status status)
{
    pthread_mutex_lock(&watching->lock);
    watching->over = true;
    watching->status = status;
    pthread_cond_signal(&watching->changed);
    pthread_mutex_unlock(&watching->lock);
}

static size_t find_live(const struct watching *watching, const char *id)
{
    size_t i = 0;

    while (i < watching->live_count && strcmp(watching->live[i], id) != 0)
        i++;
    return i;
}

static void add_live(struct watching *watching, const char *id)
{
    if (watching->live_count == watching->live_room) {
        size_t room = watching->live_room * 2 + 16;
        char **more = session_alloc(watching->session, room * sizeof *more);

        if (watching->live_count > 0)
            memcpy(more, watching->live, watching->live_count * sizeof *more);
        watching->live = more;
        watching->live_room = room;
    }
    watching->live[watching->live_count++] = session_text(watching->session, id);
}

/* Keeps count of what has not ended, where the end is waited for. */
static void follow(struct watching *watching, const Sync__V1__Job *job)
{
    size_t at = find_live(watching, job->id);

    if (!job_is_ended(job)) {
        if (at == watching->live_count)
            add_live(watching, job->id);
        return;
    }
    if (at < watching->live_count)
        watching->live[at] = watching->live[--watching->live_count];
    else if (*watching->request.id == '\0')
        return; /* it had ended before we looked */
    if (job->status != SYNC__V1__JOB_STATUS__JOB_STATUS_COMPLETED)
        watching->failed = true;
}

static void on_job(struct watching *watching, const Sync__V1__Job *job)
{
    if (!watching->synced && job_is_ended(job) && *watching->request.id == '\0')
        return; /* the opening list's history is `list`'s business */
    display_job(watching->display, job);
    if (watching->until_done)
        follow(watching, job);
}

static void on_message(struct client_call *call, const ProtobufCMessage *message)
{
    struct watching *watching = container_of(call, struct watching, call);
    const Sync__V1__WatchJobsResponse *event = (const Sync__V1__WatchJobsResponse *)message;

    watching->request.after_sequence = event->sequence;
    if (event->event_case == SYNC__V1__WATCH_JOBS_RESPONSE__EVENT_JOB)
        on_job(watching, event->job);
    else if (event->event_case == SYNC__V1__WATCH_JOBS_RESPONSE__EVENT_SYNCED)
        watching->synced = true;
    else if (event->event_case == SYNC__V1__WATCH_JOBS_RESPONSE__EVENT_RELIST) {
        watching->relist = true;
        client_call_cancel(call);
    }
    if (watching->until_done && watching->synced && watching->live_count == 0)
        client_call_cancel(call);
}

static void start(struct watching *watching)
{
    client_call_start(watching->session->channel, &watching->call);
}

static void on_start(struct loop_task *task)
{
    struct watching *watching = container_of(task, struct watching, start);

    loop_timer_start(watching->session->loop, &watching->draw, DRAW_MS);
    start(watching);
}

static void on_again(struct loop_timer *timer)
{
    start(container_of(timer, struct watching, again));
}

static void on_draw(struct loop_timer *timer)
{
    struct watching *watching = container_of(timer, struct watching, draw);

    display_draw(watching->display);
    loop_timer_start(watching->session->loop, timer, DRAW_MS);
}

static void finish(struct watching *watching, enum exit_status status)
{
    loop_timer_stop(watching->session->loop, &watching->draw);
    display_draw(watching->display);
    end(watching, status);
}

static void on_done(struct client_call *call, const struct rpc_status *status)
{
    struct watching *watching = container_of(call, struct watching, call);
    bool lost = status->code == RPC_UNAVAILABLE && watching->synced;
    bool again = lost || watching->relist || status->code == RPC_OK;

    if (watching->relist)
        watching->request.after_sequence = 0;
    watching->relist = false;
    if (watching->until_done && watching->synced && watching->live_count == 0 && !lost) {
        finish(watching, watching->failed ? EXIT_JOB_FAILED : EXIT_DONE);
    } else if (again) {
        if (lost)
            display_note(watching->display, "the server went away; asking again");
        loop_timer_start(watching->session->loop, &watching->again, lost ? AGAIN_MS : 0);
    } else {
        finish(watching, session_fail(watching->session, status));
    }
}

static enum exit_status watch(struct session *session, const char *operand, bool until_done)
{
    struct watching *watching = session_alloc(session, sizeof *watching);

    watching->session = session;
    watching->display = display_new(session);
    watching->until_done = until_done;
    watching->draw.fire = on_draw;
    watching->again.fire = on_again;
    watching->start.run = on_start;
    pthread_mutex_init(&watching->lock, NULL);
    pthread_cond_init(&watching->changed, NULL);
    sync__v1__watch_jobs_request__init(&watching->request);
    watching->request.org_id = session->org;
    if (operand != NULL)
        *(is_job_id(operand) ? &watching->request.id : &watching->request.name) =
            session_text(session, operand);
    watching->call = (struct client_call){
        .path = "/sync.v1.SyncService/WatchJobs",
        .response = &sync__v1__watch_jobs_response__descriptor,
        .request = &watching->request.base,
        .on_message = on_message,
        .on_done = on_done,
    };
    loop_post(session->loop, &watching->start);

    pthread_mutex_lock(&watching->lock);
    while (!watching->over)
        pthread_cond_wait(&watching->changed, &watching->lock);
    pthread_mutex_unlock(&watching->lock);
    return watching->status;
}

enum exit_status watch_until_ended(struct session *session, const char *id)
{
    return watch(session, id, true);
}

static enum exit_status run(struct session *session)
{
    const char *operand = settings_operand_count(session->settings) > 0
                              ? settings_operand(session->settings, 0)
                              : NULL;

    return watch(session, operand,
                 settings_switch(session->settings, WATCH_UNTIL_DONE) ||
                     (operand != NULL && is_job_id(operand)));
}

const struct command command_watch = {
    .name = "watch",
    .operands = "[NAME|ID]",
    .summary = "Follow jobs: bars on a terminal, a line for each change elsewhere",
    .help = "Ends with Ctrl-C; with an id, or --until-done, when there is nothing left to see.\n",
    .settings = settings,
    .setting_count = WATCH_SETTINGS,
    .operands_most = 1,
    .run = run,
};
