#include "tests/unit/worker/folder.h"

#include <assert.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void folder_make(char path[FOLDER_PATH_SIZE])
{
    const char *parent = getenv("TMPDIR");

    snprintf(path, FOLDER_PATH_SIZE, "%s/sync-worker-test-XXXXXX",
             parent != NULL ? parent : "/tmp");
    if (mkdtemp(path) == NULL)
        abort();
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
    (void)stat;
    (void)type;
    (void)ftw;
    return remove(path);
}

void folder_remove(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void make_parents(char *path, const char *dir)
{
    for (char *slash = path + strlen(dir) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
}

void folder_write(const char *dir, const char *name, const char *text, unsigned mode)
{
    char path[2 * FOLDER_PATH_SIZE];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    make_parents(path, dir);
    file = fopen(path, "w");
    if (file == NULL || fputs(text, file) < 0 || fclose(file) != 0 || chmod(path, mode) != 0)
        abort();
}

char *folder_read(const char *dir, const char *name)
{
    char path[2 * FOLDER_PATH_SIZE];
    FILE *file;
    char *text = NULL;
    size_t size = 0;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    file = fopen(path, "r");
    if (file == NULL)
        return NULL;
    if (getdelim(&text, &size, '\0', file) < 0) {
        free(text);
        text = strdup("");
    }
    fclose(file);
    return text;
}
