#ifndef CORE_BASE_ERR_H
#define CORE_BASE_ERR_H

/* Errors. The code says what the caller may do next; struct why says, for a
 * person, what happened. Bugs are not errors: they are assert()s. */

#include <stdint.h>

#define MUST_USE __attribute__((warn_unused_result))

#define ERR_LIST(X)                                                          \
    X(OK,              "ok")                                                 \
    X(ERR_INVALID,     "the request is wrong; do not retry")                 \
    X(ERR_NOT_FOUND,   "there is no such thing")                             \
    X(ERR_EXISTS,      "it exists already")                                  \
    X(ERR_CONFLICT,    "the present state does not allow this")              \
    X(ERR_STALE,       "the lease is over; stop working on it")              \
    X(ERR_DENIED,      "the caller may not do this")                         \
    X(ERR_LIMIT,       "a limit is reached; retry later")                    \
    X(ERR_TIMEOUT,     "it did not happen in time")                          \
    X(ERR_CANCELLED,   "the caller gave up")                                 \
    X(ERR_UNSUPPORTED, "this is not built")                                  \
    X(ERR_UNAVAILABLE, "nothing was changed; retry")                         \
    X(ERR_UNCERTAIN,   "the change may or may not be stored; ask again")     \
    X(ERR_CORRUPT,     "stored bytes do not parse; an operator must look")

enum err {
#define ERR_NAME(name, text) name,
    ERR_LIST(ERR_NAME)
#undef ERR_NAME
    ERR_COUNT
};

/* Why something failed: a sentence for a person, and for ERR_INVALID the path
 * of the field, as in "data.entity"; empty where no one field is to blame. For
 * ERR_LIMIT, when to come back, where that is known. */
struct why {
    char field[64];
    char text[240];
    int64_t retry_after_ms;          /* 0: not known */
};

const char *err_text(enum err e);

/* Records the reason and returns code, so that failing takes one line.
 * Whoever knows the details calls it; everyone above only passes the code on.
 * why may be NULL. (Not named fail(): cmocka.h has a macro of that name.) */
enum err err_because(struct why *why, enum err code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for one field of a request: returns ERR_INVALID. */
enum err err_field(struct why *why, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
