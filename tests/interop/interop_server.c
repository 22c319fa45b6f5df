#include "core/base/log.h"
#include "rpc/standard/health.h"
#include "rpc/standard/reflection.h"
#include "rpc/server.h"
#include "rpc/tls.h"
#include "tests/interop/interop_service.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* The server of the interop cases, with the flags that such servers have:
 *
 *   interop_server [--port PORT] [--use_tls=true --tls_cert_file FILE --tls_key_file FILE]
 *                  [--threads N] [--descriptors FILE]
 *
 * listens on 127.0.0.1 and prints the address; SIGTERM drains it. Besides
 * TestService it has health and, with descriptors of what it serves, reflection. */

struct flags {
    char address[32];
    bool use_tls;
    struct rpc_server_options server;
    struct tls_server_options tls;
    const char *descriptors;
};

static void refuse(const char *text)
{
    fprintf(stderr, "interop_server: %s\n", text);
    exit(EXIT_FAILURE);
}

static void read_flags(struct flags *flags, int argc, char **argv)
{
    static const struct option options[] = { { "port", required_argument, NULL, 'p' },
                                             { "use_tls", required_argument, NULL, 'u' },
                                             { "tls_cert_file", required_argument, NULL, 'c' },
                                             { "tls_key_file", required_argument, NULL, 'k' },
                                             { "threads", required_argument, NULL, 't' },
                                             { "descriptors", required_argument, NULL, 'd' },
                                             { 0 } };
    const char *port = "0";
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        switch (option) {
        case 'p':
            port = optarg;
            break;
        case 'u':
            flags->use_tls = strcmp(optarg, "true") == 0;
            break;
        case 'c':
            flags->tls.cert_file = optarg;
            break;
        case 'k':
            flags->tls.key_file = optarg;
            break;
        case 't':
            flags->server.threads = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'd':
            flags->descriptors = optarg;
            break;
        default:
            exit(EXIT_FAILURE);
        }
    snprintf(flags->address, sizeof flags->address, "127.0.0.1:%s", port);
    flags->server.address = flags->address;
}

/* Gives the file's bytes. */
static struct bytes read_file(const char *name)
{
    enum { FILE_MAX = 1 << 20 };
    FILE *file = fopen(name, "rb");
    uint8_t *data = malloc(FILE_MAX);
    size_t size = file != NULL && data != NULL ? fread(data, 1, FILE_MAX, file) : 0;

    if (size == 0 || size == FILE_MAX)
        refuse("the descriptors cannot be read");
    fclose(file);
    return bytes_of(data, size);
}

static void serve(const struct rpc_server_options *options, struct rpc_health *health,
                  const sigset_t *signals)
{
    struct rpc_server *server;
    struct why why;
    int number;

    if (rpc_server_open(options, &server, &why) != OK)
        refuse(why.text);
    printf("%s\n", rpc_server_address(server));
    fflush(stdout);
    sigwait(signals, &number);
    rpc_health_drain(health);
    rpc_server_close(server, 2000);
}

static void block_signals(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGTERM);
    sigaddset(signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, signals, NULL);
}

int main(int argc, char **argv)
{
    struct flags flags = { .use_tls = false };
    struct bytes descriptors = { NULL, 0 };
    struct rpc_registry *registry = rpc_registry_new();
    struct rpc_health *health = rpc_health_new();
    struct rpc_reflection *reflection = NULL;
    sigset_t signals;
    struct why why;

    read_flags(&flags, argc, argv);
    if (flags.descriptors != NULL)
        descriptors = read_file(flags.descriptors);
    block_signals(&signals);
    log_open(LOG_FORMAT_AUTO, LOG_WARNING);
    rpc_registry_add(registry, &interop_service);
    rpc_registry_add(registry, rpc_health_service(health));
    rpc_health_set(health, "", true);
    rpc_health_set(health, interop_service.name, true);
    if (descriptors.size > 0) {
        reflection = rpc_reflection_new(registry, descriptors);
        if (reflection == NULL)
            refuse("the descriptors do not parse");
        rpc_reflection_register(reflection, registry);
    }
    if (flags.use_tls && tls_server_new(&flags.tls, &flags.server.tls, &why) != OK)
        refuse(why.text);
    flags.server.registry = registry;
    serve(&flags.server, health, &signals);
    tls_context_free(flags.server.tls);
    rpc_registry_free(registry);
    rpc_reflection_free(reflection);
    rpc_health_free(health);
    free((void *)(uintptr_t)descriptors.data);
    return EXIT_SUCCESS;
}
