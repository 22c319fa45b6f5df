#ifndef TESTS_UNIT_RPC_CALL_CASES_H
#define TESTS_UNIT_RPC_CALL_CASES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rpc/channel.h"
#include "tests/unit/rpc/echo_service.h"

/* What every channel must do, whatever carries its calls. A test program sets
 * up the fixture with its kind of channel and runs all cases on it. */

struct call_fixture {
    struct loop *loop; /* the client's; the test's thread runs it */
    struct rpc_registry *registry;
    struct echo_service echo;
    struct rpc_hooks hooks; /* admit() refuses a call with the header x-refuse */
    atomic_int ended, ended_code;
    struct channel *channel; /* a case may close it and set NULL */
    void *carrier;           /* what the program keeps for the channel */
};

int call_fixture_open(struct call_fixture *f); /* all but the channel */
void call_fixture_close(struct call_fixture *f);

/* A call that notes what comes. */
struct noted_call {
    struct client_call call;
    struct call_fixture *f;
    Test__V1__EchoRequest request;
    bool done;
    struct rpc_status status;
    size_t status_text_size;
    bool status_text_is_asked; /* it is request.fail_message, all of it */
    int messages, compressed_messages, writable;
    int64_t bytes, last_index, last_total_bytes, last_time_left_ms;
    char text[64];
    char initial[64], second_initial[64], trailer[64];
    size_t trailer_size, trailer_count;
    bool pause_each, cancel_at_first;
};

void noted_call_init(struct noted_call *noted, struct call_fixture *f, const char *method);
/* Runs the loop until the call is done; the test fails if that takes 20 s. */
void noted_call_wait(struct noted_call *noted);

/* Runs the loop until it holds. */
void run_until(struct call_fixture *f, bool (*holds)(void *context), void *context);

int run_call_cases(const char *name, CMFixtureFunction setup, CMFixtureFunction teardown);

#endif
