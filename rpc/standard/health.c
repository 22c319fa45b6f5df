#include "rpc/standard/health.h"

#include "core/base/list.h"
#include "grpc/health/v1/health.pb-c.h"
#include "rpc/call.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

typedef Grpc__Health__V1__HealthCheckResponse__ServingStatus serving_status;

#define SERVING         GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
#define NOT_SERVING     GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING
#define SERVICE_UNKNOWN GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN

enum { WATCHES_MAX = 1000 };

struct known_service {
    struct known_service *next;
    bool serving;
    char name[];
};

struct rpc_health {
    struct rpc_service service;
    pthread_mutex_t lock;
    /* Under the lock. */
    struct known_service *known;
    struct link watches;
    size_t watch_count;
    bool draining;
};

/* In its call's arena. Each time something changes, a task on the call's loop
 * looks and tells. */
struct watch {
    struct rpc_health *health;
    struct rpc_call *call;
    const char *name;
    serving_status told; /* loop's */
    struct loop_task task;
    /* Under the lock. */
    struct link link;    /* in none once the call is over */
    bool task_is_posted; /* holds the call */
};

static struct known_service *find(const struct rpc_health *health, const char *name)
{
    struct known_service *known = health->known;

    while (known != NULL && strcmp(known->name, name) != 0)
        known = known->next;
    return known;
}

/* Under the lock. */
static serving_status status_of(const struct rpc_health *health, const char *name)
{
    const struct known_service *known = find(health, name);

    if (known == NULL)
        return SERVICE_UNKNOWN;
    return known->serving && !health->draining ? SERVING : NOT_SERVING;
}

static void check(struct rpc_call *call, void *context, const ProtobufCMessage *message)
{
    const Grpc__Health__V1__HealthCheckRequest *request =
        (const Grpc__Health__V1__HealthCheckRequest *)message;
    Grpc__Health__V1__HealthCheckResponse response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
    struct rpc_health *health = context;
    struct rpc_status unknown;

    pthread_mutex_lock(&health->lock);
    response.status = status_of(health, request->service);
    pthread_mutex_unlock(&health->lock);
    if (response.status != SERVICE_UNKNOWN) {
        call_reply(call, &response.base);
        return;
    }
    rpc_status_set(&unknown, RPC_NOT_FOUND, "there is no service \"%s\"", request->service);
    call_fail(call, &unknown);
}

static void tell(struct watch *watch, serving_status status)
{
    Grpc__Health__V1__HealthCheckResponse response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;

    if (status == watch->told)
        return;
    watch->told = status;
    response.status = status;
    call_send(watch->call, &response.base);
}

static void look(struct loop_task *task)
{
    struct watch *watch = container_of(task, struct watch, task);
    struct rpc_health *health = watch->health;
    serving_status status;
    bool draining;

    pthread_mutex_lock(&health->lock);
    watch->task_is_posted = false;
    status = status_of(health, watch->name);
    draining = health->draining;
    pthread_mutex_unlock(&health->lock);
    tell(watch, status);
    if (draining)
        call_finish(watch->call);
    call_release(watch->call);
}

/* Under the lock. */
static void post_look(struct watch *watch)
{
    if (watch->task_is_posted)
        return;
    watch->task_is_posted = true;
    watch->task.run = look;
    call_hold(watch->call);
    call_post(watch->call, &watch->task);
}

static void forget_watch(struct rpc_call *call)
{
    struct watch *watch = call_tag(call);

    pthread_mutex_lock(&watch->health->lock);
    list_remove(&watch->link);
    watch->health->watch_count--;
    pthread_mutex_unlock(&watch->health->lock);
}

static bool add_watch(struct watch *watch)
{
    struct rpc_health *health = watch->health;
    bool added;

    pthread_mutex_lock(&health->lock);
    added = health->watch_count < WATCHES_MAX;
    if (added) {
        health->watch_count++;
        list_append(&health->watches, &watch->link);
        post_look(watch);
    }
    pthread_mutex_unlock(&health->lock);
    return added;
}

static void start_watch(struct rpc_call *call, void *context, const ProtobufCMessage *message)
{
    const Grpc__Health__V1__HealthCheckRequest *request =
        (const Grpc__Health__V1__HealthCheckRequest *)message;
    struct watch *watch = arena_alloc(call_arena(call), sizeof *watch);

    if (watch == NULL) {
        call_fail_err(call, ERR_LIMIT, NULL);
        return;
    }
    watch->health = context;
    watch->call = call;
    watch->name = request->service;
    call_set_tag(call, watch);
    if (!add_watch(watch)) {
        call_fail_err(call, ERR_LIMIT, &(struct why){ .text = "too many watches" });
        return;
    }
    call_on_over(call, forget_watch);
}

static const struct rpc_method methods[] = {
    { "Check", RPC_UNARY, RPC_RIGHT_NONE, &grpc__health__v1__health_check_request__descriptor,
      &grpc__health__v1__health_check_response__descriptor, check },
    { "Watch", RPC_SERVER_STREAM, RPC_RIGHT_NONE,
      &grpc__health__v1__health_check_request__descriptor,
      &grpc__health__v1__health_check_response__descriptor, start_watch },
};

struct rpc_health *rpc_health_new(void)
{
    struct rpc_health *health = calloc(1, sizeof *health);

    if (health == NULL)
        return NULL;
    health->service = (struct rpc_service){ "grpc.health.v1.Health", methods, 2, health };
    pthread_mutex_init(&health->lock, NULL);
    link_init(&health->watches);
    return health;
}

void rpc_health_free(struct rpc_health *health)
{
    if (health == NULL)
        return;
    assert(health->watch_count == 0);
    while (health->known != NULL) {
        struct known_service *known = health->known;
        health->known = known->next;
        free(known);
    }
    pthread_mutex_destroy(&health->lock);
    free(health);
}

const struct rpc_service *rpc_health_service(const struct rpc_health *health)
{
    return &health->service;
}

/* Under the lock. */
static struct known_service *add_known(struct rpc_health *health, const char *name)
{
    size_t size = strlen(name) + 1;
    struct known_service *known = calloc(1, sizeof *known + size);

    if (known == NULL)
        abort(); /* at start-up, from our own list */
    memcpy(known->name, name, size);
    known->next = health->known;
    health->known = known;
    return known;
}

/* Under the lock. */
static void post_all(struct rpc_health *health)
{
    list_each(link, &health->watches) post_look(container_of(link, struct watch, link));
}

void rpc_health_set(struct rpc_health *health, const char *service, bool serving)
{
    struct known_service *known;

    pthread_mutex_lock(&health->lock);
    known = find(health, service);
    if (known == NULL)
        known = add_known(health, service);
    known->serving = serving;
    post_all(health);
    pthread_mutex_unlock(&health->lock);
}

void rpc_health_drain(struct rpc_health *health)
{
    pthread_mutex_lock(&health->lock);
    health->draining = true;
    post_all(health);
    pthread_mutex_unlock(&health->lock);
}
