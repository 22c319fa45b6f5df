#ifndef TESTS_UNIT_RPC_REMOTE_FIXTURE_H
#define TESTS_UNIT_RPC_REMOTE_FIXTURE_H

#include "rpc/server.h"
#include "tests/unit/rpc/call_cases.h"

/* call_fixture with a server on a thread of its own, and the channel to it over
 * a socket. The options are those of the test; addresses and registry are filled
 * in. 0 if it opened. */
int remote_fixture_open(struct call_fixture *f, struct rpc_server_options server,
                        struct channel_options channel);
int remote_fixture_close(struct call_fixture *f);

#endif
