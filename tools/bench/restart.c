#include "tools/bench/restart.h"

#include "tools/bench/client.h"
#include "tools/bench/load.h"

enum err restart_run(struct process *server, const char *program, struct restart *restart,
                     struct why *why)
{
    struct client client = { .loop = NULL };
    struct client_lease lease;
    int64_t start_us;
    enum err e;

    process_kill(server);
    start_us = load_now_us();
    e = process_start(server, program, why);
    restart->open_ms = (load_now_us() - start_us) / 1000;
    if (e == OK)
        e = client_open(&client, server->address, why);
    if (e == OK)
        e = client_lease(&client, &lease, why);
    restart->first_lease_ms = (load_now_us() - start_us) / 1000;
    restart->bytes = process_usage(server).memory_bytes;
    client_close(&client);
    return e;
}
