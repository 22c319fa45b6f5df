#include "tools/syncctl/session.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { MEMORY_BYTES_MAX = 256 << 20 };

enum err session_open(struct session *session, struct settings *settings, struct why *why)
{
    struct tls_client_options tls;
    struct channel_options options = { .address = settings_text(settings, OPTION_SERVER),
                                       .tls = tls_settings_read(settings, OPTION_TLS, &tls) };
    enum err e;

    *session = (struct session){
        .settings = settings,
        .mem = arena_new(MEMORY_BYTES_MAX),
        .loop = loop_new(),
        .server = options.address,
        .output = (enum output)settings_choice(settings, OPTION_OUTPUT),
        .timeout_ms = settings_number(settings, OPTION_TIMEOUT),
    };
    options.connect_timeout_ms = session->timeout_ms;
    if (session->mem == NULL || session->loop == NULL)
        return err_because(why, ERR_UNAVAILABLE, "out of memory");
    session->org = session_text(session, settings_text(settings, OPTION_ORG));
    e = channel_open(session->loop, &options, &session->channel, why);
    return e == OK ? loop_start(session->loop, "rpc") : e;
}

void session_close(struct session *session)
{
    if (session->loop != NULL)
        loop_join(session->loop);
    channel_close(session->channel);
    if (session->loop != NULL)
        loop_free(session->loop);
    arena_free(session->mem);
}

ProtobufCMessage *session_call(struct session *session, const char *path,
                               const ProtobufCMessageDescriptor *response,
                               const ProtobufCMessage *request, int64_t extra_ms,
                               enum exit_status *status)
{
    struct rpc_status outcome = { .code = RPC_OK };
    ProtobufCMessage *answer = channel_call_wait(session->channel, path, response, request, NULL, 0,
                                                 session->timeout_ms + extra_ms, &outcome);

    *status = answer != NULL ? EXIT_DONE : session_fail(session, &outcome);
    return answer;
}

struct advice {
    enum exit_status status;
    const char *text; /* NULL: the server's own words say it */
};

/* clang-format off */
static const struct advice advices[RPC_CODE_COUNT] = {
    [RPC_CANCELLED]           = { EXIT_FAILED, NULL },
    [RPC_UNKNOWN]             = { EXIT_FAILED,
        "whether it happened is not known: look with `syncctl list` before you repeat it" },
    [RPC_INVALID_ARGUMENT]    = { EXIT_WRONG_USE, NULL },
    [RPC_DEADLINE_EXCEEDED]   = { EXIT_UNREACHABLE,
        "it may still happen; ask with `syncctl list`, or allow more time with --timeout" },
    [RPC_NOT_FOUND]           = { EXIT_NOT_FOUND,
        "`syncctl list` shows what there is; is --org the right one?" },
    [RPC_ALREADY_EXISTS]      = { EXIT_REFUSED,
        "`syncctl show NAME` shows it; --on-duplicate says what to do about it" },
    [RPC_PERMISSION_DENIED]   = { EXIT_FAILED, NULL },
    [RPC_RESOURCE_EXHAUSTED]  = { EXIT_FAILED, "try again later" },
    [RPC_FAILED_PRECONDITION] = { EXIT_REFUSED, "`syncctl show` tells its present state" },
    [RPC_ABORTED]             = { EXIT_REFUSED, "try again" },
    [RPC_OUT_OF_RANGE]        = { EXIT_WRONG_USE, NULL },
    [RPC_UNIMPLEMENTED]       = { EXIT_FAILED, "the server is of a version without it" },
    [RPC_INTERNAL]            = { EXIT_FAILED, "the server's log says more" },
    [RPC_UNAVAILABLE]         = { EXIT_UNREACHABLE,
        "is syncd running there? --server or SYNC_SERVER names another address, --tls says that it"
        " speaks TLS" },
    [RPC_DATA_LOSS]           = { EXIT_FAILED, "the server's log says more" },
    [RPC_UNAUTHENTICATED]     = { EXIT_FAILED, NULL },
};
/* clang-format on */

enum exit_status session_fail(const struct session *session, const struct rpc_status *status)
{
    const struct advice *advice = &advices[status->code];
    bool is_job_advice = advice->status == EXIT_NOT_FOUND || advice->status == EXIT_REFUSED;

    fprintf(stderr, "syncctl: %s: %s\n", rpc_code_name(status->code), status->message);
    if (status->violation.field[0] != '\0')
        fprintf(stderr, "  %s: %s\n", status->violation.field, status->violation.description);
    if (advice->status == EXIT_UNREACHABLE)
        fprintf(stderr, "  server: %s\n", session->server);
    if (advice->text != NULL && !(is_job_advice && session->is_not_about_jobs))
        fprintf(stderr, "  %s\n", advice->text);
    return advice->status;
}

enum exit_status session_wrong_use(const char *format, ...)
{
    va_list args;

    fputs("syncctl: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return EXIT_WRONG_USE;
}

void *session_alloc(struct session *session, size_t size)
{
    void *memory = arena_alloc(session->mem, size);

    if (memory == NULL) {
        fputs("syncctl: out of memory\n", stderr);
        exit(EXIT_FAILED);
    }
    return memory;
}

char *session_text(struct session *session, const char *text)
{
    size_t size = text != NULL ? strlen(text) : 0;
    char *copy = session_alloc(session, size + 1);

    if (size > 0)
        memcpy(copy, text, size);
    return copy;
}
