#include "rpc/service.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* The registry: a hash table from path to method, filled at start-up and only
 * read afterwards, by all threads. */

struct entry {
    char *path; /* "/package.Service/Method"; NULL: free */
    size_t path_size;
    const struct rpc_service *service;
    const struct rpc_method *method;
};

struct rpc_registry {
    const struct rpc_service **services;
    size_t service_count;
    struct entry *entries;    /* open addressing, at most half full */
    size_t entry_count, room; /* room: a power of two */
    struct rpc_hooks *hooks;
};

/* Start-up cannot go on without memory, and nobody could do better above. */
static void *must_have(void *memory)
{
    if (memory == NULL)
        abort();
    return memory;
}

struct rpc_registry *rpc_registry_new(void)
{
    struct rpc_registry *registry = calloc(1, sizeof *registry);

    if (registry == NULL)
        return NULL;
    registry->room = 64;
    registry->entries = calloc(registry->room, sizeof *registry->entries);
    if (registry->entries == NULL) {
        free(registry);
        return NULL;
    }
    return registry;
}

void rpc_registry_free(struct rpc_registry *registry)
{
    if (registry == NULL)
        return;
    for (size_t i = 0; i < registry->room; i++)
        free(registry->entries[i].path);
    free(registry->entries);
    free(registry->services);
    free(registry);
}

static uint64_t hash(struct bytes path) /* FNV-1a */
{
    uint64_t h = 14695981039346656037u;

    for (size_t i = 0; i < path.size; i++)
        h = (h ^ path.data[i]) * 1099511628211u;
    return h;
}

/* Where the path is, or the free place where it belongs. */
static struct entry *place_of(const struct rpc_registry *registry, struct bytes path)
{
    size_t i = (size_t)hash(path);

    for (;; i++) {
        struct entry *entry = &registry->entries[i & (registry->room - 1)];
        if (entry->path == NULL || bytes_equal(bytes_of(entry->path, entry->path_size), path))
            return entry;
    }
}

static void grow(struct rpc_registry *registry)
{
    struct entry *old = registry->entries;
    size_t old_room = registry->room;

    registry->room *= 2;
    registry->entries = must_have(calloc(registry->room, sizeof *registry->entries));
    for (size_t i = 0; i < old_room; i++)
        if (old[i].path != NULL)
            *place_of(registry, bytes_of(old[i].path, old[i].path_size)) = old[i];
    free(old);
}

static void add_method(struct rpc_registry *registry, const struct rpc_service *service,
                       const struct rpc_method *method)
{
    struct entry *entry;
    char *path;
    int size = asprintf(&path, "/%s/%s", service->name, method->name);

    if (size < 0)
        abort();
    entry = place_of(registry, bytes_of(path, (size_t)size));
    assert(entry->path == NULL && "a method is added once");
    *entry = (struct entry){ path, (size_t)size, service, method };
    registry->entry_count++;
    if (registry->entry_count * 2 > registry->room)
        grow(registry);
}

void rpc_registry_add(struct rpc_registry *registry, const struct rpc_service *service)
{
    registry->services = must_have(
        realloc(registry->services, (registry->service_count + 1) * sizeof(struct rpc_service *)));
    registry->services[registry->service_count++] = service;
    for (size_t i = 0; i < service->method_count; i++)
        add_method(registry, service, &service->methods[i]);
}

const struct rpc_method *rpc_registry_find(const struct rpc_registry *registry, struct bytes path,
                                           const struct rpc_service **service)
{
    const struct entry *entry = place_of(registry, path);

    *service = entry->service;
    return entry->method;
}

const struct rpc_service *const *rpc_registry_services(const struct rpc_registry *registry,
                                                       size_t *count)
{
    *count = registry->service_count;
    return registry->services;
}

void rpc_registry_set_hooks(struct rpc_registry *registry, struct rpc_hooks *hooks)
{
    registry->hooks = hooks;
}

struct rpc_hooks *rpc_registry_hooks(const struct rpc_registry *registry)
{
    return registry->hooks;
}
