#include "tests/unit/rpc/remote_fixture.h"
#include "tests/unit/rpc/tls_folder.h"

/* All cases of a channel, over TLS with certificates on both sides. */

static char folder[CERTIFICATES_PATH_SIZE];
static struct tls_context *context;

static int setup(void **state)
{
    static struct call_fixture f;
    const struct tls_client_options tls = {
        .ca_file = tls_folder_path(folder, "ca", "pem"),
        .cert_file = tls_folder_path(folder, "alice", "pem"),
        .key_file = tls_folder_path(folder, "alice", "key"),
    };

    *state = &f;
    return remote_fixture_open(&f, (struct rpc_server_options){ .tls = context },
                               (struct channel_options){ .tls = &tls });
}

static int teardown(void **state)
{
    return remote_fixture_close(*state);
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
