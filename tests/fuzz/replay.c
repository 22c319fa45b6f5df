#include "tests/fuzz/input.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* The main() of a target where there is no libFuzzer: every file of a corpus,
 * once, each in memory of its own size so that sanitizers see overruns. */

static void replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat status;
    uint8_t *data;
    size_t size;

    if (file == NULL || fstat(fileno(file), &status) != 0) {
        perror(path);
        exit(2);
    }
    size = (size_t)status.st_size;
    data = malloc(size > 0 ? size : 1);
    if (data == NULL || fread(data, 1, size, file) != size) {
        perror(path);
        exit(2);
    }
    fclose(file);
    printf("%s\n", path); /* before it is tried: the last one is to blame */
    fflush(stdout);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

int main(int argc, char **argv)
{
    struct dirent **names;
    int count = argc == 2 ? scandir(argv[1], &names, is_visible, alphasort) : -1;

    if (count <= 0) {
        fprintf(stderr, "usage: %s CORPUS, a folder that is not empty\n", argv[0]);
        return 2;
    }
    for (int i = 0; i < count; i++) {
        char path[4096];

        snprintf(path, sizeof path, "%s/%s", argv[1], names[i]->d_name);
        replay_file(path);
        free(names[i]);
    }
    free(names);
    printf("%d inputs\n", count);
    return 0;
}
