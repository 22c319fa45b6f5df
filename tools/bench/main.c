#include "tools/bench/report.h"
#include "tools/settings/settings.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* sync-bench: full cycles against a server, and what a backlog costs. */

enum {
    BENCH_MODE,
    BENCH_PRODUCERS,
    BENCH_IN_FLIGHT,
    BENCH_WORKERS,
    BENCH_SLOTS,
    BENCH_SECONDS,
    BENCH_JOBS,
    BENCH_NAMES,
    BENCH_PAYLOAD,
    BENCH_AHEAD,
    BENCH_REPEAT,
    BENCH_BACKLOG,
    BENCH_BATCH,
    BENCH_SERVER,
    BENCH_SYNCD,
    BENCH_DIRECTORY,
    BENCH_OUTPUT,
    BENCH_VERSION,
    BENCH_HELP,
    BENCH_SETTINGS
};

enum { EXIT_WRONG_USE = 2, REPEAT_MAX = 100, PAYLOAD_MIN = 64, DRAIN_MS = 60 * 1000 };

/* clang-format off */
static const struct setting settings_table[BENCH_SETTINGS] = {
    [BENCH_MODE] = { SETTING_FLAG("mode"), .type = SETTING_CHOICE, .fallback = "stream",
        .choices = "unary|stream",
        .help = "Workers by single calls (a lease and a completion for each job), or on Work"
                " streams." },
    [BENCH_PRODUCERS] = { SETTING_FLAG("producers"), .type = SETTING_NUMBER, .fallback = "8", .least = 1,
        .most = 1000, .help = "Connections that queue." },
    [BENCH_IN_FLIGHT] = { SETTING_FLAG("in-flight"), .type = SETTING_NUMBER, .fallback = "64", .least = 1,
        .most = 10000, .help = "Calls that each of them keeps unanswered." },
    [BENCH_WORKERS] = { SETTING_FLAG("workers"), .type = SETTING_NUMBER, .fallback = "8", .least = 1,
        .most = 1000, .help = "Connections that lease and complete." },
    [BENCH_SLOTS] = { SETTING_FLAG("slots"), .type = SETTING_NUMBER, .fallback = "64", .least = 1,
        .most = 256, .help = "Jobs that each of them holds at a time." },
    [BENCH_SECONDS] = { SETTING_FLAG("seconds"), .type = SETTING_NUMBER, .fallback = "10", .least = 1,
        .most = 86400, .help = "How long to queue; then what is open is completed." },
    [BENCH_JOBS] = { SETTING_FLAG("jobs"), .type = SETTING_NUMBER, .fallback = "0", .most = 100000000,
        .help = "Queue no more than so many; 0: no bound." },
    [BENCH_NAMES] = { SETTING_FLAG("names"), .type = SETTING_NUMBER, .fallback = "10000", .least = 1,
        .most = 4000000000, .help = "Syncs that the jobs take turns over." },
    [BENCH_PAYLOAD] = { SETTING_FLAG("payload"), .type = SETTING_SIZE, .fallback = "500",
        .least = PAYLOAD_MIN, .most = 512 << 10, .help = "The size of a job's data." },
    [BENCH_AHEAD] = { SETTING_FLAG("ahead"), .type = SETTING_NUMBER, .fallback = "2048", .least = 1,
        .most = 100000000, .help = "Jobs queued and not completed, before producers wait." },
    [BENCH_REPEAT] = { SETTING_FLAG("repeat"), .type = SETTING_NUMBER, .fallback = "1", .least = 1,
        .most = REPEAT_MAX, .help = "Runs, each on a new server; the median is reported." },
    [BENCH_BACKLOG] = { SETTING_FLAG("backlog"), .type = SETTING_NUMBER, .fallback = "0",
        .most = 100000000,
        .help = "Instead: queue so many jobs, print memory on the way (at a tenth and at the"
                " end), kill the server, and print how soon the next one hands out a job." },
    [BENCH_BATCH] = { SETTING_FLAG("batch"), .type = SETTING_NUMBER, .fallback = "500", .least = 1,
        .most = 1000, .help = "Jobs in a call while queueing the backlog." },
    [BENCH_SERVER] = { SETTING_FLAG("server"), .letter = 's', .placeholder = "ADDRESS:PORT",
        .help = "A server that runs already; else one is started and its data thrown away." },
    [BENCH_SYNCD] = { SETTING_FLAG("syncd"), .placeholder = "FILE",
        .help = "The server to start; else the one beside this program." },
    [BENCH_DIRECTORY] = { SETTING_FLAG("directory"), .placeholder = "DIR", .fallback = ".",
        .help = "Where its data may lie: on the disk that is to be measured." },
    [BENCH_OUTPUT] = { SETTING_FLAG("output"), .letter = 'o', .type = SETTING_CHOICE, .fallback = "text",
        .choices = "text|json", .help = "For people, or for programs." },
    [BENCH_VERSION] = { SETTING_FLAG("version"), .type = SETTING_SWITCH, .help = "Print the version." },
    [BENCH_HELP] = { SETTING_FLAG("help"), .letter = 'h', .type = SETTING_SWITCH, .help = "Print this." },
};
/* clang-format on */

struct bench {
    const struct settings *settings;
    char syncd[PATH_MAX];
    bool json, progress;
};

static unsigned number(const struct bench *bench, size_t setting)
{
    return (unsigned)settings_number(bench->settings, setting);
}

/* syncd lies where this program lies. */
static void find_syncd(struct bench *bench)
{
    const char *given = settings_text(bench->settings, BENCH_SYNCD);
    ssize_t size = readlink("/proc/self/exe", bench->syncd, sizeof bench->syncd - 8);
    char *slash;

    bench->syncd[size > 0 ? size : 0] = '\0';
    slash = strrchr(bench->syncd, '/');
    strcpy(slash != NULL ? slash + 1 : bench->syncd, "syncd");
    if (given != NULL)
        snprintf(bench->syncd, sizeof bench->syncd, "%s", given);
}

static void print_bar(double part, const char *text)
{
    int filled = (int)(part * 30);

    fprintf(stderr, "\r[%.*s%.*s] %s\033[K", filled, "##############################", 30 - filled,
            "..............................", text);
}

static void on_tick(const struct ledger *ledger, int64_t elapsed_ms, void *ctx)
{
    const struct bench *bench = ctx;
    double part = (double)elapsed_ms / 1e3 / (double)number(bench, BENCH_SECONDS);
    char text[96];

    if (!bench->progress)
        return;
    snprintf(text, sizeof text, "%.0f cycles/s, %llu open",
             (double)ledger->completed * 1e3 / (double)(elapsed_ms > 0 ? elapsed_ms : 1),
             (unsigned long long)ledger_open(ledger));
    print_bar(part < 1 ? part : 1, text);
}

static void on_backlog_tick(uint64_t queued, uint64_t jobs)
{
    char text[64];

    snprintf(text, sizeof text, "%llu queued", (unsigned long long)queued);
    print_bar((double)queued / (double)jobs, text);
}

static void end_bar(const struct bench *bench)
{
    if (bench->progress)
        fputs("\r\033[K", stderr);
}

static int64_t own_cpu_ms(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

static enum err load_once(struct bench *bench, const char *address, struct measurement *measurement,
                          struct why *why)
{
    struct load_options options = {
        .address = address,
        .mode = (enum load_mode)settings_choice(bench->settings, BENCH_MODE),
        .producers = number(bench, BENCH_PRODUCERS),
        .in_flight = number(bench, BENCH_IN_FLIGHT),
        .workers = number(bench, BENCH_WORKERS),
        .slots = number(bench, BENCH_SLOTS),
        .names = number(bench, BENCH_NAMES),
        .payload_bytes = number(bench, BENCH_PAYLOAD),
        .ahead_max = number(bench, BENCH_AHEAD),
        .run_ms = settings_number(bench->settings, BENCH_SECONDS) * 1000,
        .jobs_max = (uint64_t)settings_number(bench->settings, BENCH_JOBS),
        .drain_ms_max = DRAIN_MS,
        .on_tick = on_tick,
        .ctx = bench,
    };
    struct load_result *result = calloc(1, sizeof *result);
    int64_t cpu_ms = own_cpu_ms();
    enum err e;

    if (result == NULL)
        return err_because(why, ERR_UNAVAILABLE, "out of memory");
    e = load_run(&options, result, why);
    end_bar(bench);
    measurement_take(measurement, result);
    measurement->own_cpu_ms = own_cpu_ms() - cpu_ms;
    ledger_free(&result->ledger);
    free(result);
    return e;
}

static void note_server(struct measurement *measurement, struct process *server, int64_t cpu_ms)
{
    struct process_usage usage = process_usage(server), last;

    measurement->own_server = true;
    measurement->memory_bytes = usage.memory_bytes;
    measurement->server_cpu_ms = usage.cpu_ms - cpu_ms;
    process_stop(server);
    last = process_usage(server);
    measurement->commits_known = last.commits_known;
    measurement->commits = last.commits;
}

static enum err load_own_server(struct bench *bench, struct measurement *measurement,
                                struct why *why)
{
    struct process server;
    enum err e = process_prepare(&server, settings_text(bench->settings, BENCH_DIRECTORY), why);

    if (e != OK)
        return e;
    e = process_start(&server, bench->syncd, why);
    if (e == OK) {
        int64_t cpu_ms = process_usage(&server).cpu_ms;

        e = load_once(bench, server.address, measurement, why);
        note_server(measurement, &server, cpu_ms);
    }
    process_stop(&server);
    if (e == OK)
        process_clean(&server);
    return e;
}

static enum err measure(struct bench *bench, struct measurement *runs, unsigned count,
                        struct why *why)
{
    const char *address = settings_text(bench->settings, BENCH_SERVER);
    enum err e = OK;

    for (unsigned i = 0; e == OK && i < count; i++) {
        if (address != NULL)
            e = load_once(bench, address, &runs[i], why);
        else
            e = load_own_server(bench, &runs[i], why);
        if (e == OK && bench->json)
            report_json(&runs[i]);
        else if (e == OK)
            report_run(&runs[i], i + 1);
        fflush(stdout);
    }
    return e;
}

static int run_load(struct bench *bench)
{
    static struct measurement runs[REPEAT_MAX];
    unsigned count = number(bench, BENCH_REPEAT);
    struct why why = { .text = "" };
    bool sound = true;

    if (measure(bench, runs, count, &why) != OK) {
        fprintf(stderr, "sync-bench: %s\n", why.text);
        return EXIT_FAILURE;
    }
    for (unsigned i = 0; i < count; i++)
        sound = sound && measurement_is_sound(&runs[i]);
    if (count > 1 && !bench->json)
        report_median(runs, count);
    return sound ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int run_backlog(struct bench *bench)
{
    struct backlog_options options = {
        .program = bench->syncd,
        .parent = settings_text(bench->settings, BENCH_DIRECTORY),
        .jobs = (uint64_t)settings_number(bench->settings, BENCH_BACKLOG),
        .batch = number(bench, BENCH_BATCH),
        .payload_bytes = number(bench, BENCH_PAYLOAD),
        .on_tick = bench->progress ? on_backlog_tick : NULL,
    };
    struct backlog_result result;
    struct why why = { .text = "" };
    enum err e;

    options.small_jobs = options.jobs / 10;
    e = backlog_run(&options, &result, &why);
    end_bar(bench);
    if (e != OK) {
        fprintf(stderr, "sync-bench: %s\n", why.text);
        return EXIT_FAILURE;
    }
    if (bench->json)
        report_backlog_json(&result);
    else
        report_backlog(&result);
    return EXIT_SUCCESS;
}

static void print_help(void)
{
    puts("sync-bench: full cycles (queue, lease, complete) and what a backlog costs\n"
         "\n"
         "usage: sync-bench [FLAG]...\n");
    settings_help(stdout, settings_table, BENCH_SETTINGS);
    puts("\n"
         "Every job carries a number; in the end each acknowledged one must have been\n"
         "completed exactly once. Exit status: 0 so it was, 1 not, 2 wrong use.");
}

static int run(const struct settings *settings, enum err e, struct why *why)
{
    struct bench bench = { .settings = settings };

    if (settings_switch(settings, BENCH_HELP)) {
        print_help();
        return EXIT_SUCCESS;
    }
    if (settings_switch(settings, BENCH_VERSION)) {
        puts("sync-bench " SYNC_VERSION);
        return EXIT_SUCCESS;
    }
    if (e == OK && settings_operand_count(settings) > 0)
        e = err_because(why, ERR_INVALID, "\"%.80s\" is not a flag; --help lists them",
                        settings_operand(settings, 0));
    if (e != OK) {
        fprintf(stderr, "sync-bench: %s\n", why->text);
        return EXIT_WRONG_USE;
    }
    find_syncd(&bench);
    bench.json = settings_choice(settings, BENCH_OUTPUT) == 1;
    bench.progress = !bench.json && isatty(STDERR_FILENO);
    return settings_number(settings, BENCH_BACKLOG) > 0 ? run_backlog(&bench) : run_load(&bench);
}

int main(int argc, char **argv)
{
    struct settings *settings = settings_new(settings_table, BENCH_SETTINGS);
    struct why why = { .text = "" };
    int status = EXIT_FAILURE;

    signal(SIGPIPE, SIG_IGN);
    if (settings == NULL)
        fputs("sync-bench: out of memory\n", stderr);
    else
        status = run(settings, settings_read(settings, argc, argv, &why), &why);
    settings_free(settings);
    return status;
}
