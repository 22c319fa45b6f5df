#include "tests/unit/rpc/call_cases.h"

#include "rpc/server.h"
#include "tests/unit/rpc/tls_folder.h"

#include <string.h>

/* All cases of a channel, over TLS with certificates on both sides. */

static char folder[CERTIFICATES_PATH_SIZE];
static struct tls_context *context;

static int setup(void **state)
{
    static struct call_fixture f;
    struct rpc_server_options server = { .address = "127.0.0.1:0" };
    struct tls_client_options tls = { 0 };
    struct channel_options channel = { .tls = &tls };
    struct rpc_server *opened;
    struct why why;

    *state = &f;
    if (call_fixture_open(&f) != 0)
        return -1;
    server.registry = f.registry;
    server.tls = context;
    if (rpc_server_open(&server, &opened, &why) != OK) {
        print_error("%s\n", why.text);
        return -1;
    }
    f.carrier = opened;
    tls.ca_file = tls_folder_path(folder, "ca", "pem");
    tls.cert_file = tls_folder_path(folder, "alice", "pem");
    tls.key_file = tls_folder_path(folder, "alice", "key");
    channel.address = rpc_server_address(opened);
    if (channel_open(f.loop, &channel, &f.channel, &why) == OK)
        return 0;
    print_error("%s\n", why.text);
    return -1;
}

static int teardown(void **state)
{
    struct call_fixture *f = *state;

    channel_close(f->channel);
    rpc_server_close(f->carrier, 0);
    call_fixture_close(f);
    return 0;
}

int main(void)
{
    int failed;

    tls_folder_make(folder);
    context = tls_folder_server(folder, "server", "ca");
    failed = run_call_cases("TLS channel", setup, teardown);
    tls_context_free(context);
    tls_folder_remove(folder);
    return failed;
}
