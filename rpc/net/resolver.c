#include "rpc/net/resolver.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct resolver {
    struct loop *loop;
    struct resolver_owner *owner; /* NULL: cancelled. Loop's. */
    pthread_t thread;
    struct loop_task finish;
    char *text;
    /* Written by the thread before it posts. */
    struct addresses addresses;
    enum err result;
    struct why why;
};

static void *resolve(void *context)
{
    struct resolver *resolver = context;

    resolver->result = address_resolve_list(resolver->text, &resolver->addresses, &resolver->why);
    loop_post(resolver->loop, &resolver->finish);
    return NULL;
}

static void free_resolver(struct resolver *resolver)
{
    free(resolver->text);
    free(resolver);
}

static void finish(struct loop_task *task)
{
    struct resolver *resolver = container_of(task, struct resolver, finish);
    struct resolver_owner *owner = resolver->owner;

    if (owner != NULL) {
        pthread_join(resolver->thread, NULL);
        owner->on_resolved(owner, resolver->result, &resolver->addresses, &resolver->why);
    }
    free_resolver(resolver);
}

struct resolver *resolver_start(struct loop *loop, const char *text, struct resolver_owner *owner)
{
    struct resolver *resolver = calloc(1, sizeof *resolver);

    if (resolver == NULL)
        return NULL;
    resolver->loop = loop;
    resolver->owner = owner;
    resolver->finish.run = finish;
    resolver->text = strdup(text);
    if (resolver->text == NULL || pthread_create(&resolver->thread, NULL, resolve, resolver) != 0) {
        free_resolver(resolver);
        return NULL;
    }
    return resolver;
}

/* The thread has posted when it ends, so finish() comes, at the latest when the
 * loop is freed. */
void resolver_cancel(struct resolver *resolver)
{
    resolver->owner = NULL;
    pthread_join(resolver->thread, NULL);
}
