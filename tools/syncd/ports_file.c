#include "tools/syncd/ports_file.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool write_json(const char *path, const char *rpc, const char *http)
{
    FILE *file = fopen(path, "we");
    bool written;

    if (file == NULL)
        return false;
    if (http != NULL)
        written = fprintf(file, "{\"rpc\": \"%s\", \"http\": \"%s\"}\n", rpc, http) > 0;
    else
        written = fprintf(file, "{\"rpc\": \"%s\", \"http\": null}\n", rpc) > 0;
    return fclose(file) == 0 && written;
}

enum err ports_file_write(const char *path, const char *rpc, const char *http, struct why *why)
{
    char temporary[PATH_MAX];
    int size = snprintf(temporary, sizeof temporary, "%s.%ld.tmp", path, (long)getpid());

    if (size < 0 || (size_t)size >= sizeof temporary)
        return err_because(why, ERR_INVALID, "ports-file: the path is too long");
    if (write_json(temporary, rpc, http) && rename(temporary, path) == 0)
        return OK;
    err_because(why, ERR_UNAVAILABLE, "ports-file: cannot write %.120s: %s", path, strerror(errno));
    unlink(temporary);
    return ERR_UNAVAILABLE;
}
