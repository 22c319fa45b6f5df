#include "tools/syncd/service.h"

#include "core/engine.h"
#include "gateway/gateway.h"
#include "rpc/call/call_metrics.h"
#include "rpc/standard/descriptor_index.h"
#include "rpc/standard/health.h"
#include "rpc/methods/methods.h"
#include "rpc/standard/reflection.h"
#include "rpc/server.h"
#include "tools/syncd/ports_file.h"
#include "tools/syncd/process_metrics.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct service {
    struct store *store;
    struct engine *engine;
    struct methods *methods;
    struct rpc_health *health;
    struct rpc_reflection *reflection;
    struct rpc_registry *registry;
    struct rpc_server *server;
    struct gateway *gateway;
    struct tls_context *tls; /* NULL: plain text */
    struct metrics *metrics;
    struct process_metrics own;
    struct call_metrics *calls;
};

static enum err open_store(struct service *service, const struct syncd_config *config,
                           struct why *why)
{
    char directory[PATH_MAX];
    struct store_rocksdb_options options = {
        .directory = directory,
        .cache_bytes = config->store_cache_bytes,
        .write_buffer_bytes = config->store_write_buffer_bytes,
    };
    int size = snprintf(directory, sizeof directory, "%s/store", config->data_directory);

    if (size < 0 || (size_t)size >= sizeof directory)
        return err_because(why, ERR_INVALID, "data-dir: the path is too long");
    if (mkdir(config->data_directory, 0700) != 0 && errno != EEXIST)
        return err_because(why, ERR_UNAVAILABLE, "data-dir: cannot create %.100s: %s",
                           config->data_directory, strerror(errno));
    return store_rocksdb_open(&options, &service->store, why);
}

static enum err open_engine(struct service *service, const struct syncd_config *config,
                            struct why *why)
{
    struct queue_deps deps = {
        .store = service->store,
        .clock = clock_real(),
        .random = random_real(),
        .options = config->queue,
    };

    return engine_open(&deps, &service->engine, why);
}

/* Healthy from the start: nothing listens before everything is there. */
static void add_health(struct service *service)
{
    size_t count;
    const struct rpc_service *const *services = rpc_registry_services(service->registry, &count);

    rpc_health_set(service->health, "", true);
    for (size_t i = 0; i < count; i++)
        rpc_health_set(service->health, services[i]->name, true);
    rpc_registry_add(service->registry, rpc_health_service(service->health));
}

static enum err open_methods(struct service *service, const struct syncd_config *config,
                             struct why *why)
{
    struct methods_options options = { .engine = service->engine,
                                       .version = SYNC_VERSION,
                                       .lease_ttl_ms = config->queue.lease_ttl_ms,
                                       .watch_heartbeat_ms = config->watch_heartbeat_ms };

    service->registry = rpc_registry_new();
    service->methods = methods_new(&options);
    service->health = rpc_health_new();
    if (service->registry == NULL || service->methods == NULL || service->health == NULL)
        return err_because(why, ERR_UNAVAILABLE, "out of memory");
    methods_register(service->methods, service->registry);
    add_health(service);
    service->reflection = rpc_reflection_new(service->registry, descriptor_set_built_in());
    if (service->reflection == NULL)
        return err_because(why, ERR_UNAVAILABLE, "out of memory");
    rpc_reflection_register(service->reflection, service->registry);
    return OK;
}

static enum err open_metrics(struct service *service, struct why *why)
{
    service->metrics = metrics_new();
    service->calls = call_metrics_new(service->registry, NULL);
    if (service->metrics == NULL || service->calls == NULL)
        return err_because(why, ERR_UNAVAILABLE, "out of memory");
    process_metrics_init(&service->own, service->engine);
    metrics_add(service->metrics, &service->own.source);
    metrics_add(service->metrics, call_metrics_source(service->calls));
    if (service->tls != NULL)
        metrics_add(service->metrics, tls_metrics_source(service->tls));
    return OK;
}

static void close_metrics(struct service *service)
{
    if (service->metrics != NULL && service->calls != NULL) {
        metrics_remove(service->metrics, &service->own.source);
        metrics_remove(service->metrics, call_metrics_source(service->calls));
        if (service->tls != NULL)
            metrics_remove(service->metrics, tls_metrics_source(service->tls));
    }
    call_metrics_free(service->calls);
    metrics_free(service->metrics);
}

static enum err open_server(struct service *service, const struct syncd_config *config,
                            struct why *why)
{
    struct rpc_server_options options = {
        .address = config->rpc_address,
        .registry = service->registry,
        .tls = service->tls,
        .threads = config->rpc_threads,
        .limits = config->rpc,
    };

    enum err e = rpc_server_open(&options, &service->server, why);

    if (e == OK)
        metrics_add(service->metrics, rpc_server_metrics(service->server));
    return e;
}

static enum err open_gateway(struct service *service, const struct syncd_config *config,
                             struct why *why)
{
    struct gateway_options options = {
        .address = config->http_address,
        .registry = service->registry,
        .tls = service->tls,
        .hosts = config->http_hosts,
        .metrics = service->metrics,
        .limits = config->http,
    };

    if (config->http_address == NULL)
        return OK;
    return gateway_open(&options, &service->gateway, why);
}

enum err service_open(const struct syncd_config *config, struct tls_context *tls,
                      struct service **service, struct why *why)
{
    struct service *opened = calloc(1, sizeof *opened);
    enum err e;

    if (opened == NULL)
        return err_because(why, ERR_UNAVAILABLE, "out of memory");
    opened->tls = tls;
    e = open_store(opened, config, why);
    if (e == OK)
        e = open_engine(opened, config, why);
    if (e == OK)
        e = open_methods(opened, config, why);
    if (e == OK)
        e = open_metrics(opened, why);
    if (e == OK)
        e = open_server(opened, config, why);
    if (e == OK)
        e = open_gateway(opened, config, why);
    if (e == OK && config->ports_file != NULL)
        e = ports_file_write(config->ports_file, service_rpc_address(opened),
                             service_http_address(opened), why);
    if (e != OK) {
        service_close(opened, 0);
        return e;
    }
    *service = opened;
    return OK;
}

bool service_has_failed(const struct service *service)
{
    return engine_has_failed(service->engine);
}

const char *service_rpc_address(const struct service *service)
{
    return rpc_server_address(service->server);
}

const char *service_http_address(const struct service *service)
{
    return service->gateway != NULL ? gateway_address(service->gateway) : NULL;
}

/* What is left of the grace, so that one slow part does not add up with the next. */
static int64_t left_ms(int64_t end_ms)
{
    int64_t left = end_ms - clock_mono_ms(clock_real());

    return left > 0 ? left : 0;
}

static void close_store(struct store *store)
{
    struct store_stats stats;

    if (store == NULL)
        return;
    stats = store->ops->stats(store);
    store->ops->close(store);
    log_event(LOG_INFO, "store closed", LOG_INT("commits", stats.commits),
              LOG_INT("written_bytes", stats.written_bytes));
}

void service_close(struct service *service, int64_t grace_ms)
{
    int64_t end_ms = clock_mono_ms(clock_real()) + grace_ms;

    if (service == NULL)
        return;
    if (service->server != NULL) {
        rpc_health_drain(service->health);
        methods_drain(service->methods);
    }
    if (service->server != NULL)
        metrics_remove(service->metrics, rpc_server_metrics(service->server));
    rpc_server_close(service->server, left_ms(end_ms));
    gateway_close(service->gateway, left_ms(end_ms));
    close_metrics(service);
    engine_close(service->engine);
    methods_free(service->methods);
    rpc_reflection_free(service->reflection);
    rpc_health_free(service->health);
    rpc_registry_free(service->registry);
    close_store(service->store);
    free(service);
}
