#include "rpc/transport.h"

#include "rpc/net/tls_session.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static enum transport_outcome outcome_of(struct transport *transport, ssize_t result)
{
    if (result > 0)
        return TRANSPORT_DONE;
    if (result < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return TRANSPORT_BLOCKED;
    transport->is_broken = transport->is_broken || result < 0;
    return TRANSPORT_CLOSED;
}

bool transport_open(struct transport *transport, int fd, struct tls_context *tls,
                    enum transport_protocol protocol)
{
    *transport = (struct transport){ .fd = fd };
    if (tls == NULL)
        return true;
    transport->tls = tls_session_new(tls, transport, protocol);
    return transport->tls != NULL;
}

enum transport_outcome transport_handshake(struct transport *transport)
{
    return transport->tls != NULL ? tls_session_handshake(transport->tls) : TRANSPORT_DONE;
}

enum transport_outcome transport_read(struct transport *transport, uint8_t *data, size_t room,
                                      size_t *size)
{
    if (transport->tls != NULL)
        return tls_session_read(transport->tls, data, room, size);
    return transport_receive(transport, data, room, size);
}

enum transport_outcome transport_write(struct transport *transport, struct bytes bytes,
                                       size_t *size)
{
    if (transport->tls != NULL)
        return tls_session_write(transport->tls, bytes, size);
    return transport_send(transport, bytes, size);
}

enum transport_outcome transport_flush(struct transport *transport)
{
    return transport->tls != NULL ? tls_session_flush(transport->tls) : TRANSPORT_DONE;
}

bool transport_has_input(const struct transport *transport)
{
    return transport->tls != NULL && tls_session_has_input(transport->tls);
}

bool transport_needs_input(const struct transport *transport)
{
    return transport->tls != NULL && tls_session_needs_input(transport->tls);
}

bool transport_has_unsent(const struct transport *transport)
{
    return transport->tls != NULL && tls_session_has_unsent(transport->tls);
}

int64_t transport_stuck_since_ms(const struct transport *transport)
{
    return transport->tls != NULL ? tls_session_stuck_since_ms(transport->tls) : INT64_MAX;
}

void transport_shut_down(struct transport *transport)
{
    if (transport->tls != NULL)
        tls_session_say_goodbye(transport->tls);
    shutdown(transport->fd, SHUT_WR);
}

void transport_close(struct transport *transport)
{
    if (transport->tls != NULL) {
        tls_session_say_goodbye(transport->tls);
        tls_session_free(transport->tls);
    }
    close(transport->fd);
}

const char *transport_why(const struct transport *transport)
{
    return transport->tls != NULL ? tls_session_why(transport->tls)
                                  : "the peer closed the connection";
}

const char *transport_peer_name(const struct transport *transport)
{
    return transport->tls != NULL ? tls_session_peer_name(transport->tls) : NULL;
}

enum transport_outcome transport_receive(struct transport *transport, uint8_t *data, size_t room,
                                         size_t *size)
{
    ssize_t result = recv(transport->fd, data, room, 0);

    *size = result > 0 ? (size_t)result : 0;
    return outcome_of(transport, result);
}

enum transport_outcome transport_send(struct transport *transport, struct bytes bytes, size_t *size)
{
    ssize_t result = send(transport->fd, bytes.data, bytes.size, MSG_NOSIGNAL);

    *size = result > 0 ? (size_t)result : 0;
    transport->sent += *size;
    return outcome_of(transport, result);
}
