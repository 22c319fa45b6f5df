#ifndef TOOLS_SYNCCTL_SESSION_H
#define TOOLS_SYNCCTL_SESSION_H

#include "core/base/arena.h"
#include "rpc/channel.h"
#include "tools/settings/tls_settings.h"

/* What every command has in hand: what it was told, a channel to the server,
 * memory that lasts as long as the program, and one way to fail. */

/* Documented in --help and the manual page. */
enum exit_status {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,        /* the server could not do it */
    EXIT_WRONG_USE = 2,     /* wrong flags, or a request the server refuses as wrong */
    EXIT_NOT_FOUND = 3,
    EXIT_REFUSED = 4,       /* the job's present state does not allow it */
    EXIT_UNREACHABLE = 5,   /* no server, or no answer in time */
    EXIT_JOB_FAILED = 6     /* --wait: the job ended failed or cancelled */
};

enum output { OUTPUT_TABLE, OUTPUT_JSON };

/* The settings every command begins with; its own follow from OPTION_OWN. */
enum {
    OPTION_SERVER, OPTION_ORG, OPTION_OUTPUT, OPTION_TIMEOUT, OPTION_TLS,
    OPTION_HELP = OPTION_TLS + TLS_SETTING_COUNT, OPTION_OWN
};

/* clang-format off */
#define OPTIONS_OF_ALL                                                                           \
    [OPTION_SERVER] = { .name = "server", .letter = 's', .fallback = "127.0.0.1:9470",           \
        .placeholder = "ADDRESS:PORT", .help = "Where syncd listens for gRPC; several"           \
            " with commas between are tried in order." },                                      \
    [OPTION_ORG] = { .name = "org", .placeholder = "ORG", .help = "The organisation." },         \
    [OPTION_OUTPUT] = { .name = "output", .letter = 'o', .type = SETTING_CHOICE,                 \
        .fallback = "table", .choices = "table|json", .help = "For people, or for programs." },  \
    [OPTION_TIMEOUT] = { .name = "timeout", .type = SETTING_DURATION, .fallback = "10s",         \
        .least = 1, .help = "How long to wait for an answer." },                                 \
    TLS_SETTINGS(OPTION_TLS, SETTING_EVERYWHERE),                                                \
    [OPTION_HELP] = { .name = "help", .letter = 'h', .type = SETTING_SWITCH,                     \
        .reach = SETTING_FLAG_ONLY, .help = "Print this." }
/* clang-format on */

struct session {
    struct settings *settings;
    struct arena *mem;
    struct loop *loop;
    struct channel *channel;
    const char *server;
    char *org;                  /* "": not given */
    enum output output;
    int64_t timeout_ms;
    bool is_not_about_jobs;     /* spare people the advice to look at jobs */
};

/* Opens a channel (it connects at its first call) on a thread of its own. */
MUST_USE enum err session_open(struct session *session, struct settings *settings,
                               struct why *why);
void session_close(struct session *session);

/* One call, waited for. Gives the answer, to be freed with
 * protobuf_c_message_free_unpacked(); NULL: the error has been printed and
 * *status is what to exit with. extra_ms: how long the server may take to
 * begin with. */
ProtobufCMessage *session_call(struct session *session, const char *path,
                               const ProtobufCMessageDescriptor *response,
                               const ProtobufCMessage *request, int64_t extra_ms,
                               enum exit_status *status);

/* Prints what went wrong and what to do about it. */
enum exit_status session_fail(const struct session *session, const struct rpc_status *status);
/* Prints "syncctl: ..." */
enum exit_status session_wrong_use(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Lends a copy of the text that the program may keep in a message; never NULL. */
char *session_text(struct session *session, const char *text);
/* As it is, or ends the program: there is no way to go on without memory. */
void *session_alloc(struct session *session, size_t size);

#endif
