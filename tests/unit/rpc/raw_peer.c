#include "tests/unit/rpc/raw_peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_MS = 20 * 1000 };

int raw_peer_connect(const struct rpc_server *server)
{
    const char *address = rpc_server_address(server);
    struct sockaddr_in name = { .sin_family = AF_INET };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    name.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof name), 0);
    return fd;
}

bool raw_peer_is_closed(int fd)
{
    char bytes[4096];
    ssize_t size;

    do
        size = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    while (size > 0);
    return size == 0 || errno == ECONNRESET;
}

bool raw_peer_await_close(int fd)
{
    struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
    bool closed = false;

    while (!closed && poll(&poll_fd, 1, PATIENCE_MS) == 1)
        closed = raw_peer_is_closed(fd);
    close(fd);
    return closed;
}
