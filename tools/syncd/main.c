#include "core/base/rfc3339.h"
#include "tools/syncd/config.h"
#include "tools/syncd/service.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* The server. The main thread opens it, waits for a signal, and closes it: all
 * else happens on threads of the layers below. */

enum {
    EXIT_WRONG_USE = 2,
    EXIT_STORE_FAILED = 3,
    BLOCK_MAPPED_BYTES = 128 << 10,
    EXPIRY_IS_CLOSE_MS = 14 * 24 * 3600 * 1000, /* two weeks */
};

static void print_help(void)
{
    puts("syncd: a durable, multi-tenant service for data-synchronisation jobs\n"
         "\n"
         "usage: syncd [--flag VALUE | --flag=VALUE]...\n");
    settings_help(stdout, syncd_settings, SYNCD_SETTING_COUNT);
    puts("\n"
         "SIGHUP reads certificates and keys again; if they are wrong, the old ones stay.\n"
         "SIGTERM and SIGINT let calls end and workers save where they are, then exit 0.\n"
         "Exit status: 0 done, 1 could not start, 2 wrong settings, 3 the store failed: start\n"
         "it again, and it goes on from what is on disk.");
}

/* Taken by sigwait() in the main thread: blocked before there is any other. */
static void block_signals(sigset_t *awaited)
{
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(awaited);
    sigaddset(awaited, SIGTERM);
    sigaddset(awaited, SIGINT);
    sigaddset(awaited, SIGHUP);
    pthread_sigmask(SIG_BLOCK, awaited, NULL);
}

/* An expiry that comes close is for whoever watches the log; the metric is for
 * those who watch that. */
static void log_certificate(const char *event, const struct tls_context *tls)
{
    int64_t expiry_ms = tls_context_expiry_ms(tls);
    bool is_close = expiry_ms - clock_now_ms(clock_real()) < EXPIRY_IS_CLOSE_MS;
    char expiry[RFC3339_SIZE];

    rfc3339_write(expiry_ms, expiry);
    log_event(is_close ? LOG_WARNING : LOG_INFO, event, LOG_TEXT("certificate_expires", expiry));
}

static void reload(struct tls_context *tls)
{
    struct why why = { .text = "" };

    if (tls == NULL)
        log_event(LOG_INFO, "nothing to read again", LOG_TEXT("why", "TLS is not set up"));
    else if (tls_server_reload(tls, &why) == OK)
        log_certificate("certificates were read again", tls);
    else
        log_event(LOG_ERROR, "the old certificates stay", LOG_TEXT("why", why.text));
}

static void log_listening(const struct syncd_config *config, const struct service *service)
{
    const char *http = service_http_address(service);

    log_event(LOG_INFO, "listening", LOG_TEXT("rpc", service_rpc_address(service)),
              LOG_TEXT("http", http != NULL ? http : "none"),
              LOG_TEXT("tls", config->tls.cert_file != NULL ? "yes" : "no"),
              LOG_TEXT("data_dir", config->data_directory), LOG_TEXT("version", SYNC_VERSION),
              LOG_INT("rpc_threads", config->rpc_threads), LOG_INT("pid", getpid()));
    if (config->tls.client_ca_file != NULL)
        return;
    log_event(LOG_WARNING, "no authentication: whoever reaches these addresses may do everything",
              LOG_TEXT("rpc", service_rpc_address(service)),
              LOG_TEXT("http", http != NULL ? http : "none"));
}

/* A second signal finds its default action again and ends the process at once:
 * what was acknowledged is on disk. */
static void leave_signals_alone(const sigset_t *awaited)
{
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    signal(SIGHUP, SIG_IGN);
    pthread_sigmask(SIG_UNBLOCK, awaited, NULL);
}

/* Waits for a signal that ends it; 0 if the store failed instead. Nobody knows what that has
 * on disk until it is opened anew, and a new process is the surest way. */
static int wait_for_end(const struct service *service, struct tls_context *tls,
                        const sigset_t *awaited)
{
    static const struct timespec look = { .tv_sec = 1 };

    while (!service_has_failed(service)) {
        int which = sigtimedwait(awaited, NULL, &look);

        if (which == SIGHUP)
            reload(tls);
        else if (which > 0)
            return which;
    }
    return 0;
}

/* A connection is a descriptor, and so is a file of the store. What shells allow
 * by default is less than the connections that the settings do. */
static void allow_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static int serve(const struct syncd_config *config, struct tls_context *tls)
{
    struct service *service = NULL;
    struct why why = { .text = "" };
    sigset_t awaited;
    int which;

    /* A fixed bound: the C library would raise it to the largest block ever
     * freed, and the store's memtables would tear the heap to pieces. */
    mallopt(M_MMAP_THRESHOLD, BLOCK_MAPPED_BYTES);
    allow_descriptors();
    block_signals(&awaited);
    log_open(config->log_format, config->log_level);
    if (service_open(config, tls, &service, &why) != OK) {
        log_event(LOG_ERROR, "cannot start", LOG_TEXT("why", why.text));
        return EXIT_FAILURE;
    }
    log_listening(config, service);
    if (tls != NULL)
        log_certificate("TLS", tls);
    which = wait_for_end(service, tls, &awaited);
    leave_signals_alone(&awaited);
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
    struct tls_context *tls = NULL;
    int status = EXIT_SUCCESS;

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
    if (e == OK && config.tls.cert_file != NULL)
        e = tls_server_new(&config.tls, &tls, why);
    if (e != OK) {
        fprintf(stderr, "syncd: %s\n", why->text);
        return EXIT_WRONG_USE;
    }
    if (settings_switch(settings, SYNCD_CHECK_CONFIG))
        puts("the settings are fine");
    else
        status = serve(&config, tls);
    tls_context_free(tls);
    return status;
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
