#include "gateway/dashboard.h"

#include <string.h>

/* The assembler puts the files into the program as they are. */
#define DASHBOARD_FILES(FILE)                                                                      \
    FILE(index, "index.html", "text/html; charset=utf-8")                                          \
    FILE(style, "style.css", "text/css; charset=utf-8")                                            \
    FILE(icon, "icon.svg", "image/svg+xml")                                                        \
    FILE(main, "main.js", "text/javascript; charset=utf-8")                                        \
    FILE(api, "api.js", "text/javascript; charset=utf-8")                                          \
    FILE(element, "element.js", "text/javascript; charset=utf-8")                                  \
    FILE(form, "form.js", "text/javascript; charset=utf-8")                                        \
    FILE(job, "job.js", "text/javascript; charset=utf-8")                                          \
    FILE(jobs, "jobs.js", "text/javascript; charset=utf-8")                                        \
    FILE(syncs, "syncs.js", "text/javascript; charset=utf-8")                                      \
    FILE(text, "text.js", "text/javascript; charset=utf-8")                                        \
    FILE(timeline, "timeline.js", "text/javascript; charset=utf-8")

#define BYTES(symbol, name, type)                                                                  \
    __asm__(".section .rodata\n"                                                                   \
            "dashboard_" #symbol "_begin:\n"                                                       \
            ".incbin \"" DASHBOARD_FOLDER "/" name "\"\n"                                          \
            "dashboard_" #symbol "_end:\n"                                                         \
            ".byte 0\n"                                                                            \
            ".previous\n");                                                                        \
    extern const uint8_t dashboard_##symbol##_begin[], dashboard_##symbol##_end[];
DASHBOARD_FILES(BYTES)

#define ROW(symbol, name, type)                                                                    \
    { name, type, dashboard_##symbol##_begin, dashboard_##symbol##_end },
static const struct {
    const char *name, *content_type;
    const uint8_t *begin, *end;
} rows[] = { DASHBOARD_FILES(ROW) };

const char dashboard_policy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

bool dashboard_find(const char *name, struct dashboard_file *file)
{
    if (name[0] == '\0')
        name = "index.html";
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i].name, name) == 0) {
            file->content_type = rows[i].content_type;
            file->body = bytes_of(rows[i].begin, (size_t)(rows[i].end - rows[i].begin));
            return true;
        }
    return false;
}
