#include "tests/fuzz/scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[SCRATCH_PATH_SIZE / 2];

static void remove_folder(void)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL)
        unlinkat(dirfd(dir), entry->d_name, 0);
    if (dir != NULL)
        closedir(dir);
    rmdir(folder);
}

const char *scratch_folder(void)
{
    if (folder[0] != '\0')
        return folder;
    snprintf(folder, sizeof folder, "%s/fuzz-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (mkdtemp(folder) == NULL || atexit(remove_folder) != 0)
        abort();
    return folder;
}

void scratch_write(const char *name, struct bytes content, char path[SCRATCH_PATH_SIZE])
{
    int fd;

    snprintf(path, SCRATCH_PATH_SIZE, "%s/%s", scratch_folder(), name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, content.data, content.size) != (ssize_t)content.size)
        abort();
    close(fd);
}
