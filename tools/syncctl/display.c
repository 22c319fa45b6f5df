#include "tools/syncctl/display.h"
#include "tools/syncctl/json.h"

#include "core/base/clock.h"
#include "core/base/rfc3339.h"
#include "rpc/enum_word.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum { BARS_MAX = 30, BAR_WIDTH = 24, LINE_SIZE = 320, STATUS_SIZE = 64 };

struct bar {
    char id[24];
    char name[132], status[STATUS_SIZE];
    bool known;
    int progress;
    uint64_t done, total;
    int64_t ends_ms; /* 0: nobody knows */
};

struct display {
    struct session *session;
    bool terminal, dirty;
    struct bar bars[BARS_MAX];
    size_t count, drawn;
};

struct display *display_new(struct session *session)
{
    struct display *display = session_alloc(session, sizeof *display);

    display->session = session;
    display->terminal = session->output == OUTPUT_TABLE && isatty(STDOUT_FILENO);
    return display;
}

/* As job_status_text(), without memory of the session: a watch never ends. */
static void write_status(const Sync__V1__Job *job, char text[STATUS_SIZE])
{
    char word[ENUM_WORD_MAX] = "", reason[ENUM_WORD_MAX] = "";

    if (enum_word_write(&sync__v1__job_state__descriptor, (int32_t)job->state, word)) {
        snprintf(text, STATUS_SIZE, "%s", word);
        return;
    }
    enum_word_write(&sync__v1__job_status__descriptor, (int32_t)job->status, word);
    if (job->status == SYNC__V1__JOB_STATUS__JOB_STATUS_QUEUED &&
        enum_word_write(&sync__v1__wait_reason__descriptor, (int32_t)job->wait_reason, reason))
        snprintf(text, STATUS_SIZE, "%.24s (%.32s)", word, reason);
    else
        snprintf(text, STATUS_SIZE, "%s", word);
}

static void fill_bar(struct bar *bar, const Sync__V1__Job *job)
{
    snprintf(bar->id, sizeof bar->id, "%s", job->id);
    snprintf(bar->name, sizeof bar->name, "%s", job->name);
    write_status(job, bar->status);
    bar->known = job->progress_known_set_case != SYNC__V1__JOB__PROGRESS_KNOWN_SET_PROGRESS_KNOWN ||
                 job->progress_known;
    bar->progress = job->progress < 0 ? 0 : job->progress > 100 ? 100 : job->progress;
    job_records(job, &bar->done, &bar->total);
    bar->ends_ms =
        job->estimated_completion != NULL ? job->estimated_completion->seconds * 1000 : 0;
}

static void write_records(const struct bar *bar, char text[48])
{
    text[0] = '\0';
    if (bar->total > 0)
        snprintf(text, 48, "%" PRIu64 "/%" PRIu64, bar->done, bar->total);
    else if (bar->done > 0)
        snprintf(text, 48, "%" PRIu64, bar->done);
}

/* The job's error; what others wrote must not steer the terminal. */
static void write_error(const Sync__V1__Job *job, char text[LINE_SIZE])
{
    snprintf(text, LINE_SIZE, "%s", job->error != NULL ? job->error->message : "");
    for (char *at = text; *at != '\0'; at++)
        if (iscntrl((unsigned char)*at))
            *at = ' ';
}

static void print_line(const struct bar *bar, const Sync__V1__Job *job)
{
    char now[RFC3339_SIZE], records[48], error[LINE_SIZE];

    write_error(job, error);
    rfc3339_write(clock_now_ms(clock_real()) / 1000 * 1000, now);
    write_records(bar, records);
    printf("%s  %s  %s  %s  %d%%%s%s%s%s\n", now, bar->id, bar->name, bar->status, bar->progress,
           *records != '\0' ? "  " : "", records, *error != '\0' ? "  " : "", error);
}

static void print_bar(const struct bar *bar)
{
    char fill[BAR_WIDTH + 1], records[48], left[32] = "";
    int64_t left_s = (bar->ends_ms - clock_now_ms(clock_real())) / 1000;

    for (int i = 0; i < BAR_WIDTH; i++)
        fill[i] = i * 100 < bar->progress * BAR_WIDTH ? '#' : '.';
    fill[BAR_WIDTH] = '\0';
    write_records(bar, records);
    if (bar->ends_ms > 0 && left_s >= 0)
        snprintf(left, sizeof left, "%" PRId64 "s left", left_s);
    if (bar->known)
        printf("%-20.40s [%s] %3d%%  %-16s %-17s %s\n", bar->name, fill, bar->progress, bar->status,
               records, left);
    else
        printf("%-20.40s [%s]    ?  %-16s %s\n", bar->name, fill, bar->status, records);
}

/* Takes the bars off the screen again. */
static void erase(struct display *display)
{
    if (display->drawn > 0)
        printf("\033[%zuA\033[J", display->drawn);
    display->drawn = 0;
}

static size_t find(const struct display *display, const char *id)
{
    size_t i = 0;

    while (i < display->count && strcmp(display->bars[i].id, id) != 0)
        i++;
    return i;
}

static void remove_bar(struct display *display, size_t at)
{
    if (at == display->count)
        return;
    display->count--;
    memmove(&display->bars[at], &display->bars[at + 1],
            (display->count - at) * sizeof *display->bars);
}

static void note_ended(struct display *display, size_t at, const Sync__V1__Job *job)
{
    struct bar bar;

    fill_bar(&bar, job);
    erase(display);
    remove_bar(display, at);
    print_line(&bar, job);
}

static void note_live(struct display *display, size_t at, const Sync__V1__Job *job)
{
    if (at == BARS_MAX)
        return; /* a screen is full */
    if (at == display->count)
        display->count++;
    fill_bar(&display->bars[at], job);
}

void display_job(struct display *display, const Sync__V1__Job *job)
{
    size_t at = find(display, job->id);
    struct bar bar;

    display->dirty = true;
    if (display->session->output == OUTPUT_JSON) {
        print_json(display->session, &job->base);
    } else if (!display->terminal) {
        fill_bar(&bar, job);
        print_line(&bar, job);
    } else if (job_is_ended(job)) {
        note_ended(display, at, job);
    } else {
        note_live(display, at, job);
    }
}

void display_draw(struct display *display)
{
    if (!display->dirty)
        return;
    display->dirty = false;
    if (display->terminal) {
        erase(display);
        for (size_t i = 0; i < display->count; i++)
            print_bar(&display->bars[i]);
        display->drawn = display->count;
    }
    fflush(stdout);
}

void display_note(struct display *display, const char *text)
{
    erase(display);
    display->dirty = true;
    fprintf(stderr, "syncctl: %s\n", text);
}
