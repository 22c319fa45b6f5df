#include "tests/fuzz/services.h"

#include "rpc/standard/descriptor_index.h"
#include "rpc/standard/health.h"
#include "rpc/methods/method.h"
#include "rpc/standard/reflection.h"
#include "tests/fuzz/turned_loop.h"

#include <assert.h>

enum { TURNS = 4, QUIET_ROUNDS = 3, ROUNDS_MAX = 1000 };
static const int64_t start_ms = INT64_C(1767225600000); /* 2026-01-01T00:00:00Z */

static void open_engine(struct services *s)
{
    struct queue_deps deps = {
        .clock = &s->clock.base, .random = &s->random.base, .store = &s->store.base
    };
    enum err e;

    queue_options_default(&deps.options);
    deps.options.audit_submits = true;
    e = engine_open(&deps, &s->engine, NULL);
    assert(e == OK);
}

/* Made once, for good: an index of all descriptors is no small work. The
 * methods are given the engine of the day. */
static struct rpc_registry *registry;
static struct methods *methods;

static void make_registry(void)
{
    static struct rpc_reflection *reflection;
    static struct rpc_health *health;

    registry = rpc_registry_new();
    methods = methods_new(&(struct methods_options){ .version = "1.0.0" });
    methods_register(methods, registry);
    health = rpc_health_new();
    rpc_health_set(health, "", true);
    rpc_registry_add(registry, rpc_health_service(health));
    reflection = rpc_reflection_new(registry, descriptor_set_built_in());
    rpc_reflection_register(reflection, registry);
}

void services_init(struct services *s)
{
    *s = (struct services){ .loop = loop_new() };
    fake_clock_init(&s->clock, start_ms);
    fake_store_init(&s->store);
    random_seeded_init(&s->random, 1);
    open_engine(s);
    if (registry == NULL)
        make_registry();
    methods->engine = s->engine;
    s->registry = registry;
}

void services_settle(struct services *s)
{
    int quiet = 0, rounds = 0;

    while (quiet < QUIET_ROUNDS) {
        loop_turn(s->loop, TURNS);
        quiet = turned_engine_turn(s->engine) ? 0 : quiet + 1;
        assert(++rounds < ROUNDS_MAX);
    }
}

void services_pass(struct services *s, int64_t ms)
{
    fake_clock_advance(&s->clock, ms);
    services_settle(s);
}

static void check_store(struct services *s)
{
    open_engine(s);
    queue_check(turned_engine_queue(s->engine));
    engine_close(s->engine);
}

void services_free(struct services *s)
{
    queue_check(turned_engine_queue(s->engine));
    engine_close(s->engine);
    loop_free(s->loop);
    check_store(s);
    fake_store_free(&s->store);
}

size_t services_method_count(const struct services *s)
{
    size_t count, sum = 0;
    const struct rpc_service *const *all = rpc_registry_services(s->registry, &count);

    for (size_t i = 0; i < count; i++)
        sum += all[i]->method_count;
    return sum;
}

const struct rpc_method *services_method(const struct services *s, size_t index,
                                         const struct rpc_service **service)
{
    size_t count;
    const struct rpc_service *const *all = rpc_registry_services(s->registry, &count);

    for (size_t i = 0; i < count; i++) {
        *service = all[i];
        if (index < all[i]->method_count)
            return &all[i]->methods[index];
        index -= all[i]->method_count;
    }
    return NULL;
}

const struct message_words services_words = {
    .words = {
        { "org_id", "acme" }, { "name", "a" }, { "name", "nightly" },
        { "source", "demo" }, { "target", "local" }, { "sources", "*" }, { "targets", "*" },
        { "sources", "demo" }, { "targets", "local" }, { "entity", "products" },
        { "json", "{\"source\":\"demo\",\"target\":\"local\"}" },
        { "timezone", "Europe/Berlin" }, { "cron", "*/5 * * * *" }, { "cron", "0 2 * * mon" },
        { "time", "02:30" }, { "interval", "PT5M" }, { "worker_id", "w1" }, { "worker_id", "w2" },
        { "request_id", "key-1" }, { "reason", "why not" }, { "directory", "backup" },
        { "list_services", "" }, { "file_by_filename", "sync/v1/sync.proto" },
        { "file_containing_symbol", "sync.v1.Job" },
        { "all_extension_numbers_of_type", "sync.v1.Job" }, { "service", "sync.v1.SyncService" },
    },
    .count = 26,
};
