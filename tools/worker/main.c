#include "tools/settings/tls_settings.h"
#include "tools/worker/client.h"
#include "tools/worker/connectors/connectors.h"

#include "core/base/log.h"
#include "core/base/random.h"
#include "core/limits.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The worker: leases jobs from a server and moves the data. The main thread
 * starts it, waits for a signal, and has it give its jobs back. */

enum { EXIT_WRONG_USE = 2, SLOTS_MAX = 256, WORKER_ID_SIZE = WORKER_SIZE_MAX + 1 };

enum {
    WORKER_SERVER,
    WORKER_TLS,
    WORKER_CONNECTIONS = WORKER_TLS + TLS_SETTING_COUNT,
    WORKER_ANY_CONNECTION,
    WORKER_DATA_DIR,
    WORKER_SLOTS,
    WORKER_LEASE_TTL,
    WORKER_ID,
    WORKER_LOG_FORMAT,
    WORKER_LOG_LEVEL,
    WORKER_CONFIG,
    WORKER_CHECK_CONFIG,
    WORKER_HELP,
    WORKER_VERSION,
    WORKER_SETTING_COUNT
};

/* clang-format off */
static const struct setting table[WORKER_SETTING_COUNT] = {
    [WORKER_SERVER] = {
        .name = "server", .fallback = "127.0.0.1:9470", .placeholder = "ADDRESS:PORT",
        .help = "Where syncd listens for gRPC; several with commas between are tried in order." },
    TLS_SETTINGS(WORKER_TLS, SETTING_EVERYWHERE),
    [WORKER_CONNECTIONS] = {
        .name = "connections", .placeholder = "DIR",
        .help = "What jobs may name: DIR/ORG/NAME.json of one organisation, DIR/_default/NAME.json"
                " or DIR/NAME.json of all others, each {\"kind\": \"demo\", ...} and mode 0600."
                " Absent: the source \"demo\" only. The target \"local\" is always there." },
    [WORKER_ANY_CONNECTION] = {
        .name = "any-connection", .type = SETTING_SWITCH,
        .help = "Take jobs whatever connections they name; those not known here fail." },
    [WORKER_DATA_DIR] = {
        .name = "data-dir", .fallback = "./sync-worker-data", .placeholder = "DIR",
        .help = "Where the targets local (DIR/ORG.db) and file (DIR/ORG/SYNC/) write; created if"
                " it does not exist." },
    [WORKER_SLOTS] = {
        .name = "slots", .type = SETTING_NUMBER, .fallback = "4", .least = 1, .most = SLOTS_MAX,
        .help = "Jobs at a time." },
    [WORKER_LEASE_TTL] = {
        .name = "lease-ttl", .type = SETTING_DURATION, .least = LEASE_TTL_MS_MIN,
        .most = LEASE_TTL_MS_MAX,
        .help = "How long the server waits for news of a job before it gives it to another"
                " worker; absent: the server's." },
    [WORKER_ID] = {
        .name = "worker-id", .placeholder = "NAME",
        .help = "Its name at the server, another for each worker; absent: host and process." },
    [WORKER_LOG_FORMAT] = {
        .name = "log-format", .type = SETTING_CHOICE, .fallback = "auto",
        .choices = "auto|text|json",
        .help = "auto is text on a terminal and JSON elsewhere." },
    [WORKER_LOG_LEVEL] = {
        .name = "log-level", .type = SETTING_CHOICE, .fallback = "info",
        .choices = "debug|info|warning|error", .help = "The least serious event to log." },
    [WORKER_CONFIG] = {
        .name = "config", .reach = SETTING_NOT_IN_FILE, .placeholder = "FILE",
        .help = "Settings, one a line: data-dir = /var/lib/sync-worker" },
    [WORKER_CHECK_CONFIG] = {
        .name = "check-config", .type = SETTING_SWITCH, .reach = SETTING_FLAG_ONLY,
        .help = "Check the settings and the connections, and end." },
    [WORKER_HELP] = {
        .name = "help", .letter = 'h', .type = SETTING_SWITCH, .reach = SETTING_FLAG_ONLY,
        .help = "Show this and end." },
    [WORKER_VERSION] = {
        .name = "version", .type = SETTING_SWITCH, .reach = SETTING_FLAG_ONLY,
        .help = "Show the version and end." },
};
/* clang-format on */

static void print_help(void)
{
    puts("sync-worker: takes jobs from syncd and moves their data\n"
         "\n"
         "usage: sync-worker [--flag VALUE | --flag=VALUE]...\n");
    settings_help(stdout, table, WORKER_SETTING_COUNT);
    puts("\n"
         "SIGTERM and SIGINT: running jobs save where they are and go back to the server,\n"
         "then exit 0. A second signal ends it at once; nothing that was stored is lost.\n"
         "Exit status: 0 done, 1 could not start, 2 wrong settings.");
}

static void choose_id(char id[WORKER_ID_SIZE], const char *given)
{
    char host[64] = "worker";

    if (given != NULL) {
        snprintf(id, WORKER_ID_SIZE, "%s", given);
        return;
    }
    gethostname(host, sizeof host - 1);
    snprintf(id, WORKER_ID_SIZE, "%s-%d-%04x", host, (int)getpid(),
             (unsigned)random_below(random_real(), 0x10000));
}

static enum err make_data_dir(const char *path, struct why *why)
{
    if (mkdir(path, 0777) < 0 && errno != EEXIST)
        return err_because(why, ERR_INVALID, "--data-dir %.150s: %s", path, strerror(errno));
    if (access(path, R_OK | W_OK | X_OK) < 0)
        return err_because(why, ERR_INVALID, "--data-dir %.150s: %s", path, strerror(errno));
    return OK;
}

/* Now rather than when it connects. */
static enum err check_tls(const struct client_settings *client, struct why *why)
{
    struct tls_context *context = NULL;
    enum err e = OK;

    if (client->tls != NULL)
        e = tls_client_new(client->tls, client->server, &context, why);
    tls_context_free(context);
    return e;
}

static enum err check(const struct client_settings *client, struct why *why)
{
    struct connection_names sources, targets;
    struct problem problem;

    if (strlen(client->worker_id) > WORKER_SIZE_MAX)
        return err_because(why, ERR_INVALID, "--worker-id: at most %d characters", WORKER_SIZE_MAX);
    if (!client->any_connection &&
        !connection_list(client->connections_dir, &sources, &targets, &problem))
        return err_because(why, ERR_INVALID, "--connections: %.200s", problem.text);
    return check_tls(client, why);
}

/* Taken by sigwait() in the main thread: blocked before there is any other. */
static void block_signals(sigset_t *ending)
{
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(ending);
    sigaddset(ending, SIGTERM);
    sigaddset(ending, SIGINT);
    pthread_sigmask(SIG_BLOCK, ending, NULL);
}

/* A second signal finds its default action again and ends the process at once. */
static void wait_for_end(const sigset_t *ending)
{
    int which = 0;

    while (sigwait(ending, &which) != 0)
        continue;
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, ending, NULL);
    log_event(LOG_INFO, "draining", LOG_TEXT("signal", which == SIGINT ? "SIGINT" : "SIGTERM"));
}

static enum err work(struct client_settings *settings, const sigset_t *ending, struct why *why)
{
    struct client *client = NULL;
    enum err e = loop_start(settings->loop, "work");

    if (e != OK)
        return err_because(why, e, "no thread could be started");
    e = client_start(settings, &client, why);
    if (e == OK) {
        log_event(LOG_INFO, "started", LOG_TEXT("server", settings->server),
                  LOG_TEXT("worker", settings->worker_id), LOG_TEXT("data_dir", settings->data_dir),
                  LOG_TEXT("version", SYNC_VERSION), LOG_INT("slots", settings->slots),
                  LOG_INT("pid", getpid()));
        wait_for_end(ending);
        client_drain(client);
    }
    loop_join(settings->loop);
    client_free(client);
    return e;
}

static int serve(struct client_settings *settings)
{
    struct why why = { .text = "" };
    sigset_t ending;
    enum err e;

    block_signals(&ending);
    settings->loop = loop_new();
    e = settings->loop != NULL ? work(settings, &ending, &why)
                               : err_because(&why, ERR_UNAVAILABLE, "out of memory");
    loop_free(settings->loop);
    connectors_close();
    if (e != OK) {
        log_event(LOG_ERROR, "cannot start", LOG_TEXT("why", why.text));
        return EXIT_FAILURE;
    }
    log_event(LOG_INFO, "stopped", LOG_INT("pid", getpid()));
    return EXIT_SUCCESS;
}

static int run(const struct settings *settings, enum err e, struct why *why)
{
    char id[WORKER_ID_SIZE];
    struct tls_client_options tls;
    struct client_settings client = {
        .server = settings_text(settings, WORKER_SERVER),
        .tls = tls_settings_read(settings, WORKER_TLS, &tls),
        .worker_id = id,
        .connections_dir = settings_text(settings, WORKER_CONNECTIONS),
        .data_dir = settings_text(settings, WORKER_DATA_DIR),
        .slots = (unsigned)settings_number(settings, WORKER_SLOTS),
        .lease_ttl_ms = settings_number(settings, WORKER_LEASE_TTL),
        .any_connection = settings_switch(settings, WORKER_ANY_CONNECTION),
    };

    choose_id(id, settings_text(settings, WORKER_ID));
    if (e == OK && settings_operand_count(settings) > 0)
        e = err_because(why, ERR_INVALID, "\"%.80s\" is not a flag; --help lists them",
                        settings_operand(settings, 0));
    if (e == OK)
        e = check(&client, why);
    if (e == OK && !settings_switch(settings, WORKER_CHECK_CONFIG))
        e = make_data_dir(client.data_dir, why);
    if (e != OK) {
        fprintf(stderr, "sync-worker: %s\n", why->text);
        return EXIT_WRONG_USE;
    }
    if (settings_switch(settings, WORKER_CHECK_CONFIG)) {
        puts("the settings are fine");
        return EXIT_SUCCESS;
    }
    log_open((enum log_format)settings_choice(settings, WORKER_LOG_FORMAT),
             (enum log_level)settings_choice(settings, WORKER_LOG_LEVEL));
    return serve(&client);
}

int main(int argc, char **argv)
{
    struct settings *settings = settings_new(table, WORKER_SETTING_COUNT);
    struct why why = { .text = "" };
    int status = EXIT_FAILURE;
    enum err e;

    if (settings == NULL) {
        fputs("sync-worker: out of memory\n", stderr);
        return EXIT_FAILURE;
    }
    e = settings_read(settings, argc, argv, &why);
    if (settings_switch(settings, WORKER_HELP)) {
        print_help();
        status = EXIT_SUCCESS;
    } else if (settings_switch(settings, WORKER_VERSION)) {
        puts("sync-worker " SYNC_VERSION);
        status = EXIT_SUCCESS;
    } else {
        status = run(settings, e, &why);
    }
    settings_free(settings);
    return status;
}
