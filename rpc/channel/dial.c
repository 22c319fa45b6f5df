#include "rpc/channel/dial.h"

#include <errno.h>
#include <event2/event.h>
#include <string.h>
#include <unistd.h>

static int end(struct dial *dial)
{
    int fd = dial->fd;

    if (dial->writable != NULL)
        event_free(dial->writable);
    dial->writable = NULL;
    dial->fd = -1;
    loop_timer_stop(dial->loop, &dial->timer);
    return fd;
}

void dial_stop(struct dial *dial)
{
    int fd = end(dial);

    if (fd >= 0)
        close(fd);
}

static void on_timeout(struct loop_timer *timer)
{
    struct dial *dial = container_of(timer, struct dial, timer);

    dial_stop(dial);
    dial->on_failed(dial, "it takes too long");
}

static void on_writable(evutil_socket_t fd, short what, void *context)
{
    struct dial *dial = context;
    socklen_t size = sizeof(int);
    int error = 0;

    (void)what;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        error = errno;
    if (error == 0) {
        dial->on_connected(dial, end(dial));
        return;
    }
    dial_stop(dial);
    dial->on_failed(dial, strerror(error));
}

void dial_init(struct dial *dial, struct loop *loop)
{
    dial->loop = loop;
    dial->fd = -1;
    dial->timer.fire = on_timeout;
}

/* A connect() that succeeds or fails at once is reported by the same event as
 * one that takes time. */
const char *dial_start(struct dial *dial, const struct address *address, int64_t timeout_ms)
{
    const char *reason = NULL;

    dial->fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (dial->fd < 0)
        return strerror(errno);
    if (connect(dial->fd, (const struct sockaddr *)&address->storage, address->size) != 0 &&
        errno != EINPROGRESS) {
        reason = strerror(errno);
    } else {
        dial->writable =
            event_new(loop_event_base(dial->loop), dial->fd, EV_WRITE, on_writable, dial);
        if (dial->writable == NULL || event_add(dial->writable, NULL) != 0)
            reason = "out of memory";
    }
    if (reason != NULL)
        dial_stop(dial);
    else
        loop_timer_start(dial->loop, &dial->timer, timeout_ms);
    return reason;
}
