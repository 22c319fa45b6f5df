#include "tools/syncd/config.h"
#include "tools/syncd/service.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

/* The server. The main thread opens it, waits for a signal, and closes it: all
 * else happens on threads of the layers below. */

enum { EXIT_WRONG_USE = 2, EXIT_STORE_FAILED = 3, BLOCK_MAPPED_BYTES = 128 << 10 };

static void print_help(void)
{
    puts("syncd: a durable, multi-tenant service for data-synchronisation jobs\n"
         "\n"
         "usage: syncd [--flag VALUE | --flag=VALUE]...\n");
    settings_help(stdout, syncd_settings, SYNCD_SETTING_COUNT);
    puts("\n"
         "SIGTERM and SIGINT let calls end and workers save where they are, then exit 0.\n"
         "Exit status: 0 done, 1 could not start, 2 wrong settings, 3 the store failed: start\n"
         "it again, and it goes on from what is on disk.");
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

static void log_listening(const struct syncd_config *config, const struct service *service)
{
    const char *http = service_http_address(service);

    log_event(LOG_INFO, "listening", LOG_TEXT("rpc", service_rpc_address(service)),
              LOG_TEXT("http", http != NULL ? http : "none"),
              LOG_TEXT("data_dir", config->data_directory), LOG_TEXT("version", SYNC_VERSION),
              LOG_INT("rpc_threads", config->rpc_threads), LOG_INT("pid", getpid()));
    log_event(LOG_WARNING, "no authentication: whoever reaches these addresses may do everything",
              LOG_TEXT("rpc", service_rpc_address(service)),
              LOG_TEXT("http", http != NULL ? http : "none"));
}

/* A second signal finds its default action again and ends the process at once:
 * what was acknowledged is on disk. */
static void leave_signals_alone(const sigset_t *ending)
{
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, ending, NULL);
}

/* Waits for a signal; 0 if the store failed instead. Nobody knows what that has
 * on disk until it is opened anew, and a new process is the surest way. */
static int wait_for_end(const struct service *service, const sigset_t *ending)
{
    static const struct timespec look = { .tv_sec = 1 };

    while (!service_has_failed(service)) {
        int which = sigtimedwait(ending, NULL, &look);

        if (which > 0)
            return which;
    }
    return 0;
}

static int serve(const struct syncd_config *config)
{
    struct service *service = NULL;
    struct why why = { .text = "" };
    sigset_t ending;
    int which;

    /* A fixed bound: the C library would raise it to the largest block ever
     * freed, and the store's memtables would tear the heap to pieces. */
    mallopt(M_MMAP_THRESHOLD, BLOCK_MAPPED_BYTES);
    block_signals(&ending);
    log_open(config->log_format, config->log_level);
    if (service_open(config, &service, &why) != OK) {
        log_event(LOG_ERROR, "cannot start", LOG_TEXT("why", why.text));
        return EXIT_FAILURE;
    }
    log_listening(config, service);
    which = wait_for_end(service, &ending);
    leave_signals_alone(&ending);
    if (which == 0)
        log_event(LOG_ERROR, "store failed", LOG_TEXT("advice", "look at the disk; start syncd again"));
    else
        log_event(LOG_INFO, "draining", LOG_TEXT("signal", which == SIGINT ? "SIGINT" : "SIGTERM"));
    service_close(service, config->shutdown_grace_ms);
    log_event(LOG_INFO, "stopped", LOG_INT("pid", getpid()));
    return which == 0 ? EXIT_STORE_FAILED : EXIT_SUCCESS;
}

static int run(const struct settings *settings, enum err e, struct why *why)
{
    struct syncd_config config;

    if (settings_switch(settings, SYNCD_HELP)) {
        print_help();
        return EXIT_SUCCESS;
    }
    if (settings_switch(settings, SYNCD_VERSION)) {
        puts("syncd " SYNC_VERSION);
        return EXIT_SUCCESS;
    }
    if (e == OK && settings_operand_count(settings) > 0)
        e = err_because(why, ERR_INVALID, "\"%.80s\" is not a flag; --help lists them",
                        settings_operand(settings, 0));
    if (e == OK)
        e = syncd_config_read(settings, &config, why);
    if (e != OK) {
        fprintf(stderr, "syncd: %s\n", why->text);
        return EXIT_WRONG_USE;
    }
    if (settings_switch(settings, SYNCD_CHECK_CONFIG)) {
        puts("the settings are fine");
        return EXIT_SUCCESS;
    }
    return serve(&config);
}

int main(int argc, char **argv)
{
    struct settings *settings = settings_new(syncd_settings, SYNCD_SETTING_COUNT);
    struct why why = { .text = "" };
    int status = EXIT_FAILURE;

    if (settings == NULL)
        fputs("syncd: out of memory\n", stderr);
    else
        status = run(settings, settings_read(settings, argc, argv, &why), &why);
    settings_free(settings);
    return status;
}
