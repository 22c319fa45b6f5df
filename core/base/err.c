#include "core/base/err.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

const char *err_text(enum err e)
{
#define ERR_TEXT(name, text) [name] = text,
    static const char *const texts[ERR_COUNT] = { ERR_LIST(ERR_TEXT) };
#undef ERR_TEXT

    assert(e >= OK && e < ERR_COUNT);
    return texts[e];
}

/* A reason that does not fit is cut: it is for a person. */
static void record(struct why *why, const char *field, const char *format, va_list args)
{
    if (why == NULL)
        return;
    why->retry_after_ms = 0;
    snprintf(why->field, sizeof why->field, "%s", field);
    vsnprintf(why->text, sizeof why->text, format, args);
}

enum err err_because(struct why *why, enum err code, const char *format, ...)
{
    va_list args;

    assert(code != OK && code < ERR_COUNT);
    va_start(args, format);
    record(why, "", format, args);
    va_end(args);
    return code;
}

enum err err_field(struct why *why, const char *field, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    record(why, field, format, args);
    va_end(args);
    return ERR_INVALID;
}
