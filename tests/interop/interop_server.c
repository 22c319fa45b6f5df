#include "core/base/log.h"
#include "rpc/health.h"
#include "rpc/reflection.h"
#include "rpc/server.h"
#include "rpc/tls.h"
#include "tests/interop/interop_service.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* The server of the interop cases:
 *
 *   interop_server [--address ADDRESS] [--threads N] [--descriptors FILE]
 *                  [--tls-cert FILE --tls-key FILE]
 *
 * prints the address it listens on; SIGTERM drains it. Besides TestService it
 * has health and, with descriptors of what it serves, reflection. */

struct flags {
    struct rpc_server_options server;
    struct tls_server_options tls;
    const char *descriptors;
};

static void refuse(const char *text)
{
    fprintf(stderr, "interop_server: %s\n", text);
    exit(EXIT_FAILURE);
}

static struct flags read_flags(int argc, char **argv)
{
    static const struct option options[] = { { "address", required_argument, NULL, 'a' },
                                             { "threads", required_argument, NULL, 't' },
                                             { "tls-cert", required_argument, NULL, 'c' },
                                             { "tls-key", required_argument, NULL, 'k' },
                                             { "descriptors", required_argument, NULL, 'd' },
                                             { 0 } };
    struct flags flags = { .server.address = "127.0.0.1:0" };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
        switch (option) {
        case 'a':
            flags.server.address = optarg;
            break;
        case 't':
            flags.server.threads = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'c':
            flags.tls.cert_file = optarg;
            break;
        case 'k':
            flags.tls.key_file = optarg;
            break;
        case 'd':
            flags.descriptors = optarg;
            break;
        default:
            exit(EXIT_FAILURE);
        }
    return flags;
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
    struct flags flags = read_flags(argc, argv);
    struct bytes descriptors =
        flags.descriptors != NULL ? read_file(flags.descriptors) : bytes_of(NULL, 0);
    struct rpc_registry *registry = rpc_registry_new();
    struct rpc_health *health = rpc_health_new();
    struct rpc_reflection *reflection = NULL;
    sigset_t signals;
    struct why why;

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
    if (flags.tls.cert_file != NULL && tls_server_new(&flags.tls, &flags.server.tls, &why) != OK)
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
