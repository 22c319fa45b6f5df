#include "tools/bench/report.h"
#include "tools/bench/report_fairness.h"
#include "tools/bench/report_history.h"
#include "tools/settings/tls_settings.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* sync-bench: full cycles against a server; what a backlog costs, and what it
 * costs others; whether what has passed through slows down what follows. */

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
    BENCH_PARTS,
    BENCH_ROUNDS,
    BENCH_HOLD,
    BENCH_SERVER,
    BENCH_TLS,
    BENCH_SYNCD = BENCH_TLS + TLS_SETTING_COUNT,
    BENCH_DIRECTORY,
    BENCH_OUTPUT,
    BENCH_VERSION,
    BENCH_HELP,
    BENCH_SETTINGS
};

enum {
    EXIT_WRONG_USE = 2,
    REPEAT_MAX = 100,
    PAYLOAD_MIN = 64,
    DRAIN_MS = 60 * 1000,
    HOLD_MS_MAX = 3000, /* half as much again: a pushed job must be acknowledged within 5 s */
    HISTORY_JOBS = 10000000,
    FAIRNESS_BACKLOG = 1000000,
};

/* In the order of --mode's words; the first two are load_mode's. */
enum bench_mode { MODE_UNARY, MODE_STREAM, MODE_HISTORY, MODE_FAIRNESS };

/* clang-format off */
static const struct setting settings_table[BENCH_SETTINGS] = {
    [BENCH_MODE] = { SETTING_FLAG("mode"), .type = SETTING_CHOICE, .fallback = "stream",
        .choices = "unary|stream|history|fairness",
        .help = "What is measured. unary, stream: full cycles, with workers by single calls (a lease"
                " and a completion for each job) or on Work streams. history: cycles on streams in"
                " equal parts, and single leases behind each, so that a trend shows. fairness: how"
                " many leases another organisation's backlog is given before a single job, and how"
                " long that waits, with idle workers and with busy ones." },
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
        .help = "Queue no more than so many; 0: no bound, and 10,000,000 in mode history." },
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
        .help = "In mode fairness: jobs that another organisation has waiting; 0: 1,000,000. Else,"
                " instead of cycles: queue so many jobs, print memory on the way (at a tenth and at"
                " the end), kill the server, and print how soon the next one hands out a job." },
    [BENCH_BATCH] = { SETTING_FLAG("batch"), .type = SETTING_NUMBER, .fallback = "500", .least = 1,
        .most = 1000, .help = "Jobs in a call while queueing the backlog." },
    [BENCH_PARTS] = { SETTING_FLAG("parts"), .type = SETTING_NUMBER, .fallback = "10", .least = 1,
        .most = 1000, .help = "Of mode history." },
    [BENCH_ROUNDS] = { SETTING_FLAG("rounds"), .type = SETTING_NUMBER, .fallback = "1000", .least = 1,
        .most = 1000000, .help = "Single jobs of mode fairness, with idle workers and with busy ones." },
    [BENCH_HOLD] = { SETTING_FLAG("hold"), .type = SETTING_DURATION, .fallback = "500ms", .least = 1,
        .most = HOLD_MS_MAX, .help = "How long busy workers of mode fairness work on a job of the backlog, about." },
    [BENCH_SERVER] = { SETTING_FLAG("server"), .letter = 's', .placeholder = "ADDRESS:PORT",
        .help = "A server that runs already, for cycles; else, and for all that kills it or needs it"
                " empty, one is started and its data thrown away." },
    TLS_SETTINGS(BENCH_TLS, SETTING_FLAG_ONLY),
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
    struct history_summary summary;
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

static void print_count(uint64_t count, uint64_t all, const char *what)
{
    char text[64];

    snprintf(text, sizeof text, "%llu %s", (unsigned long long)count, what);
    print_bar((double)count / (double)all, text);
}

static void on_backlog_tick(uint64_t queued, uint64_t jobs)
{
    print_count(queued, jobs, "queued");
}

static void on_history_tick(uint64_t passed, uint64_t jobs)
{
    print_count(passed, jobs, "passed");
}

static void on_fairness_tick(uint64_t done, uint64_t rounds)
{
    print_count(done, rounds, "single jobs");
}

static void end_bar(const struct bench *bench)
{
    if (bench->progress)
        fputs("\r\033[K", stderr);
}

static struct load_options load_options_of(const struct bench *bench)
{
    return (struct load_options){
        .org = "bench",
        .mode = LOAD_STREAM,
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
    };
}

static enum err load_once(struct bench *bench, const char *address, struct measurement *measurement,
                          struct why *why)
{
    struct load_options options = load_options_of(bench);
    struct load_result *result = calloc(1, sizeof *result);
    struct tls_client_options tls;
    int64_t cpu_ms = process_own_cpu_ms();
    enum err e;

    if (result == NULL)
        return err_because(why, ERR_UNAVAILABLE, "out of memory");
    options.address = address;
    options.tls = tls_settings_read(bench->settings, BENCH_TLS, &tls);
    options.mode = (enum load_mode)settings_choice(bench->settings, BENCH_MODE);
    options.on_tick = on_tick;
    options.ctx = bench;
    e = load_run(&options, result, why);
    end_bar(bench);
    measurement_take(measurement, result);
    measurement->own_cpu_ms = process_own_cpu_ms() - cpu_ms;
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

static int failed(const struct why *why)
{
    fprintf(stderr, "sync-bench: %s\n", why->text);
    return EXIT_FAILURE;
}

static int run_load(struct bench *bench)
{
    static struct measurement runs[REPEAT_MAX];
    unsigned count = number(bench, BENCH_REPEAT);
    struct why why = { .text = "" };
    bool sound = true;

    if (measure(bench, runs, count, &why) != OK)
        return failed(&why);
    for (unsigned i = 0; i < count; i++)
        sound = sound && measurement_is_sound(&runs[i]);
    if (count > 1 && !bench->json)
        report_median(runs, count);
    return sound ? EXIT_SUCCESS : EXIT_FAILURE;
}

static struct backlog_options backlog_options_of(const struct bench *bench)
{
    return (struct backlog_options){
        .program = bench->syncd,
        .parent = settings_text(bench->settings, BENCH_DIRECTORY),
        .jobs = (uint64_t)settings_number(bench->settings, BENCH_BACKLOG),
        .batch = number(bench, BENCH_BATCH),
        .payload_bytes = number(bench, BENCH_PAYLOAD),
        .on_tick = bench->progress ? on_backlog_tick : NULL,
    };
}

static int run_backlog(struct bench *bench)
{
    struct backlog_options options = backlog_options_of(bench);
    struct backlog_result result;
    struct why why = { .text = "" };
    enum err e;

    options.small_jobs = options.jobs / 10;
    e = backlog_run(&options, &result, &why);
    end_bar(bench);
    if (e != OK)
        return failed(&why);
    if (bench->json)
        report_backlog_json(&result);
    else
        report_backlog(&result);
    return EXIT_SUCCESS;
}

static void on_part(const struct history_part *part, unsigned part_number, void *ctx)
{
    struct bench *bench = ctx;

    history_summary_add(&bench->summary, part, part_number);
    end_bar(bench);
    if (bench->json)
        report_history_part_json(part, part_number);
    else
        report_history_part(part, part_number);
    fflush(stdout);
}

static int run_history(struct bench *bench)
{
    struct history_options options = {
        .program = bench->syncd,
        .parent = settings_text(bench->settings, BENCH_DIRECTORY),
        .load = load_options_of(bench),
        .jobs = (uint64_t)settings_number(bench->settings, BENCH_JOBS),
        .parts = number(bench, BENCH_PARTS),
        .on_tick = bench->progress ? on_history_tick : NULL,
        .on_part = on_part,
        .ctx = bench,
    };
    struct restart restart;
    struct why why = { .text = "" };
    enum err e;

    if (options.jobs == 0)
        options.jobs = HISTORY_JOBS;
    options.load.run_ms = INT32_MAX; /* by their number, however long it takes */
    e = history_run(&options, &restart, &why);
    end_bar(bench);
    if (e != OK)
        return failed(&why);
    if (bench->json)
        report_history_json(&bench->summary, &restart);
    else
        report_history(&bench->summary, &restart);
    return bench->summary.sound ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int run_fairness(struct bench *bench)
{
    struct fairness_options options = {
        .backlog = backlog_options_of(bench),
        .load = load_options_of(bench),
        .rounds = (uint64_t)settings_number(bench->settings, BENCH_ROUNDS),
        .on_tick = bench->progress ? on_fairness_tick : NULL,
    };
    static struct fairness_result result;
    struct why why = { .text = "" };
    enum err e;

    if (options.backlog.jobs == 0)
        options.backlog.jobs = FAIRNESS_BACKLOG;
    options.load.hold_ms = settings_number(bench->settings, BENCH_HOLD);
    e = fairness_run(&options, &result, &why);
    end_bar(bench);
    if (e != OK)
        return failed(&why);
    if (bench->json)
        report_fairness_json(&result);
    else
        report_fairness(&result);
    return fairness_is_sound(&result) ? EXIT_SUCCESS : EXIT_FAILURE;
}

static void print_help(void)
{
    puts("sync-bench: full cycles (queue, lease, complete), also with much history behind\n"
         "them; what a backlog costs, and what it costs others\n"
         "\n"
         "usage: sync-bench [FLAG]...\n");
    settings_help(stdout, settings_table, BENCH_SETTINGS);
    puts("\n"
         "Every job carries a number; in the end each acknowledged one must have been\n"
         "completed exactly once. Every answer of the server is one after an fsync. JSON is\n"
         "one object a line: for each run or part, and for the whole. Exit status: 0 so it\n"
         "was, 1 not, 2 wrong use.");
}

static enum err check_parts(const struct settings *settings, struct why *why)
{
    int64_t jobs = settings_number(settings, BENCH_JOBS);

    if (jobs == 0 || jobs >= settings_number(settings, BENCH_PARTS))
        return OK;
    return err_because(why, ERR_INVALID, "--jobs must be as many as --parts, at least");
}

/* Some of it kills its server, some counts on what is in it. */
static enum err check_server(const struct settings *settings, struct why *why)
{
    struct tls_client_options tls;

    if (settings_text(settings, BENCH_SERVER) == NULL)
        return tls_settings_read(settings, BENCH_TLS, &tls) == NULL
                   ? OK
                   : err_because(why, ERR_INVALID, "--tls goes with --server only");
    if (settings_choice(settings, BENCH_MODE) <= MODE_STREAM &&
        settings_number(settings, BENCH_BACKLOG) == 0)
        return OK;
    return err_because(why, ERR_INVALID,
                       "--server goes with --mode unary and stream only, and not"
                       " with --backlog");
}

static int measure_mode(struct bench *bench)
{
    switch ((enum bench_mode)settings_choice(bench->settings, BENCH_MODE)) {
    case MODE_HISTORY:
        return run_history(bench);
    case MODE_FAIRNESS:
        return run_fairness(bench);
    case MODE_UNARY:
    case MODE_STREAM:
        break;
    }
    return settings_number(bench->settings, BENCH_BACKLOG) > 0 ? run_backlog(bench)
                                                               : run_load(bench);
}

static int run(const struct settings *settings, enum err e, struct why *why)
{
    static struct bench bench;

    if (settings_switch(settings, BENCH_HELP)) {
        print_help();
        return EXIT_SUCCESS;
    }
    if (settings_switch(settings, BENCH_VERSION)) {
        puts("sync-bench " SYNC_VERSION);
        return EXIT_SUCCESS;
    }
    if (e == OK)
        e = check_server(settings, why);
    if (e == OK && settings_choice(settings, BENCH_MODE) == MODE_HISTORY)
        e = check_parts(settings, why);
    if (e == OK && settings_operand_count(settings) > 0)
        e = err_because(why, ERR_INVALID, "\"%.80s\" is not a flag; --help lists them",
                        settings_operand(settings, 0));
    if (e != OK) {
        fprintf(stderr, "sync-bench: %s\n", why->text);
        return EXIT_WRONG_USE;
    }
    bench.settings = settings;
    find_syncd(&bench);
    bench.json = settings_choice(settings, BENCH_OUTPUT) == 1;
    bench.progress = !bench.json && isatty(STDERR_FILENO);
    return measure_mode(&bench);
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
