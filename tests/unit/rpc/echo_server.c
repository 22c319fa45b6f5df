#include "core/base/log.h"
#include "rpc/standard/descriptor_index.h"
#include "rpc/standard/health.h"
#include "rpc/standard/reflection.h"
#include "rpc/server.h"
#include "tests/unit/rpc/echo_service.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A server to try foreign clients, load generators and fuzzers on:
 *
 *   echo_server [ADDRESS [THREADS]]     prints the address it listens on
 *
 * test.v1.Echo, health and reflection. SIGTERM drains it; environment
 * ECHO_..._MS shortens its time-outs. */

static int64_t from_environment(const char *name)
{
    const char *value = getenv(name);

    return value != NULL ? strtoll(value, NULL, 10) : 0;
}

static void serve(const struct rpc_server_options *options, struct rpc_health *health,
                  const sigset_t *signals)
{
    struct rpc_server *server;
    struct why why;
    int signal;

    if (rpc_server_open(options, &server, &why) != OK) {
        fprintf(stderr, "echo_server: %s\n", why.text);
        exit(EXIT_FAILURE);
    }
    printf("%s\n", rpc_server_address(server));
    fflush(stdout);
    sigwait(signals, &signal);
    rpc_health_drain(health);
    rpc_server_close(server, 2000);
}

int main(int argc, char **argv)
{
    struct rpc_server_options options = {
        .address = argc > 1 ? argv[1] : "127.0.0.1:0",
        .threads = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 1,
        .limits.handshake_ms = from_environment("ECHO_HANDSHAKE_MS"),
        .limits.write_ms = from_environment("ECHO_STALL_MS"),
        .limits.body_ms = from_environment("ECHO_STALL_MS"),
        .limits.keepalive_ms = from_environment("ECHO_KEEPALIVE_MS"),
    };
    struct rpc_registry *registry = rpc_registry_new();
    struct rpc_health *health = rpc_health_new();
    struct rpc_reflection *reflection = rpc_reflection_new(registry, descriptor_set_built_in());
    struct echo_service echo;
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    log_open(LOG_FORMAT_AUTO, LOG_WARNING);
    echo_service_init(&echo);
    rpc_registry_add(registry, &echo.service);
    rpc_registry_add(registry, rpc_health_service(health));
    rpc_reflection_register(reflection, registry);
    rpc_health_set(health, "", true);
    rpc_health_set(health, "test.v1.Echo", true);
    options.registry = registry;
    serve(&options, health, &signals);
    rpc_registry_free(registry);
    rpc_reflection_free(reflection);
    rpc_health_free(health);
    return EXIT_SUCCESS;
}
