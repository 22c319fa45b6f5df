#include "rpc/net/listener.h"

#include "core/base/log.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    BACKLOG = 1024,
    ACCEPTS_PER_TURN = 64,
    PAUSE_MS = 100, /* without descriptors, accepting again at once spins */
};

struct listener {
    struct loop *loop;
    struct listener_owner *owner;
    int fd;
    struct event *acceptable;
    struct loop_timer pause;
};

/* Gives a listening socket, or -1 with errno. */
static int open_socket(struct address *address, bool shared)
{
    const int on = 1;
    int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr *name = (struct sockaddr *)&address->storage;
    int error;

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (shared)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (bind(fd, name, address->size) == 0 && listen(fd, BACKLOG) == 0 &&
        getsockname(fd, name, &address->size) == 0)
        return fd;
    error = errno;
    close(fd);
    errno = error;
    return -1;
}

static void resume(struct loop_timer *timer)
{
    event_add(container_of(timer, struct listener, pause)->acceptable, NULL);
}

static void pause_accepting(struct listener *listener)
{
    log_event(LOG_WARNING, "cannot accept connections", LOG_TEXT("why", strerror(errno)));
    event_del(listener->acceptable);
    loop_timer_start(listener->loop, &listener->pause, PAUSE_MS);
}

static void on_acceptable(evutil_socket_t fd, short what, void *context)
{
    struct listener *listener = context;

    (void)what;
    for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++) {
        struct address peer = { .size = sizeof peer.storage };
        int accepted =
            accept4(fd, (struct sockaddr *)&peer.storage, &peer.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (accepted >= 0) {
            listener->owner->on_accept(listener->owner, accepted, &peer);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            pause_accepting(listener);
        if (errno != EINTR && errno != ECONNABORTED)
            return;
    }
}

static enum err cannot_listen(const struct address *address, struct why *why)
{
    const char *reason = strerror(errno);
    char text[ADDRESS_TEXT_SIZE];

    address_write(address, text);
    return err_because(why, ERR_UNAVAILABLE, "cannot listen on %s: %s", text, reason);
}

enum err listener_probe(const struct address *address, struct why *why)
{
    struct address copy = *address;
    int fd = open_socket(&copy, false);

    if (fd < 0)
        return cannot_listen(address, why);
    close(fd);
    return OK;
}

enum err listener_open(struct loop *loop, struct address *address, struct listener_owner *owner,
                       struct listener **opened, struct why *why)
{
    struct listener *listener = calloc(1, sizeof *listener);

    if (listener == NULL)
        return err_because(why, ERR_UNAVAILABLE, "out of memory");
    listener->loop = loop;
    listener->owner = owner;
    listener->pause.fire = resume;
    listener->fd = open_socket(address, true);
    if (listener->fd < 0) {
        free(listener);
        return cannot_listen(address, why);
    }
    listener->acceptable = event_new(loop_event_base(loop), listener->fd, EV_READ | EV_PERSIST,
                                     on_acceptable, listener);
    if (listener->acceptable == NULL) {
        listener_close(listener);
        return err_because(why, ERR_UNAVAILABLE, "out of memory");
    }
    *opened = listener;
    return OK;
}

void listener_start(struct listener *listener)
{
    event_add(listener->acceptable, NULL);
}

void listener_close(struct listener *listener)
{
    if (listener == NULL)
        return;
    loop_timer_stop(listener->loop, &listener->pause);
    if (listener->acceptable != NULL)
        event_free(listener->acceptable);
    close(listener->fd);
    free(listener);
}
