#ifndef TESTS_UNIT_RPC_ECHO_SERVICE_H
#define TESTS_UNIT_RPC_ECHO_SERVICE_H

#include "echo.pb-c.h"
#include "rpc/call.h"

#include <stdatomic.h>

/* test.v1.Echo. Request header "x-echo-initial" comes back as initial metadata,
 * "x-echo-bin" as a trailer, all their values; "x-compress" chooses "always" or
 * anything else, which is never. A Say with delay_ms waits on the call's loop. */
struct echo_service {
    struct rpc_service service;
    /* What a test observes. */
    atomic_int started, over, cancelled, sent, received, compressed;
    atomic_bool slow_reader; /* Collect and Chat pause after each message */
    struct rpc_call *_Atomic paused; /* the call that did, to be resumed by the test */
};

void echo_service_init(struct echo_service *echo);

#endif
