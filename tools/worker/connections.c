#include "tools/worker/connections.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Files are read when a job needs them, so a change counts from the next job on. */

enum { FILE_SIZE_MAX = 64 << 10, PATH_SIZE = 4096 };

static const char suffix[] = ".json";

/* 1 to 128 of [A-Za-z0-9._-], no dot in front. */
static bool is_name(const char *text, size_t size)
{
    if (size == 0 || size > NAME_SIZE_MAX || text[0] == '.')
        return false;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '_' || c == '-'))
            return false;
    }
    return true;
}

static bool is_private(const char *path, const struct stat *stat, struct problem *problem)
{
    if (!S_ISREG(stat->st_mode))
        return problem_set(problem, PROBLEM_CONFIG, "%.300s is not a file", path);
    if ((stat->st_mode & 077) != 0)
        return problem_set(problem, PROBLEM_CONFIG,
                           "%.300s may be used by others than its owner (mode %04o): "
                           "chmod 600 it, for it may hold credentials",
                           path, (unsigned)(stat->st_mode & 07777));
    if (stat->st_uid != geteuid() && stat->st_uid != 0)
        return problem_set(problem, PROBLEM_CONFIG, "%.300s belongs to another user", path);
    if (stat->st_size > FILE_SIZE_MAX)
        return problem_set(problem, PROBLEM_CONFIG, "%.300s is larger than %d bytes", path,
                           FILE_SIZE_MAX);
    return true;
}

static bool parse(const char *path, int fd, json_t **config, struct problem *problem)
{
    json_error_t error;
    json_t *object = json_loadfd(fd, JSON_REJECT_DUPLICATES, &error);

    if (object == NULL)
        return problem_set(problem, PROBLEM_CONFIG, "%.300s, line %d: %.100s", path, error.line,
                           error.text);
    if (!json_is_object(object) || !json_is_string(json_object_get(object, "kind"))) {
        json_decref(object);
        return problem_set(problem, PROBLEM_CONFIG,
                           "%.300s must be an object with a \"kind\", such as {\"kind\": \"demo\"}",
                           path);
    }
    *config = object;
    return true;
}

/* False with the problem's class NONE: there is no such file. */
static bool read_file(const char *path, json_t **config, struct problem *problem)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat stat;
    bool good;

    problem->class = PROBLEM_NONE;
    if (fd < 0)
        return errno != ENOENT && errno != ENOTDIR &&
               problem_set(problem, PROBLEM_CONFIG, "%.300s: %s", path, strerror(errno));
    good = (fstat(fd, &stat) == 0 ||
            problem_set(problem, PROBLEM_TRANSIENT, "%.300s: %s", path, strerror(errno))) &&
           is_private(path, &stat, problem) && parse(path, fd, config, problem);
    close(fd);
    return good;
}

static bool built_in(const char *dir, const char *name, json_t **config)
{
    if (strcmp(name, "local") != 0 && (dir != NULL || strcmp(name, "demo") != 0))
        return false;
    *config = json_pack("{s:s}", "kind", name);
    return *config != NULL;
}

/* Problem's class NONE: not found anywhere. */
static bool find_file(const char *dir, const char *org, const char *name, json_t **config,
                      struct problem *problem)
{
    char path[PATH_SIZE], folder[512];
    const char *const folders[] = { folder, "_default", "." };

    problem->class = PROBLEM_NONE;
    if (!is_name(org, strlen(org)) || snprintf(folder, sizeof folder, "%s", org) < 0)
        folder[0] = '\0';
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        if (folders[i][0] == '\0')
            continue;
        snprintf(path, sizeof path, "%s/%s/%s%s", dir, folders[i], name, suffix);
        if (read_file(path, config, problem))
            return true;
        if (problem->class != PROBLEM_NONE)
            return false;
    }
    return false;
}

bool connection_find(const char *dir, const char *org, const char *name, json_t **config,
                     struct problem *problem)
{
    problem->class = PROBLEM_NONE;
    if (!is_name(name, strlen(name)))
        return problem_set(problem, PROBLEM_CONFIG, "\"%.128s\" cannot name a connection", name);
    if (dir != NULL && find_file(dir, org, name, config, problem))
        return true;
    if (problem->class != PROBLEM_NONE)
        return false;
    if (built_in(dir, name, config))
        return true;
    if (dir == NULL)
        return problem_set(problem, PROBLEM_CONFIG,
                           "this worker has no connection \"%.128s\": it was started without "
                           "--connections",
                           name);
    return problem_set(problem, PROBLEM_CONFIG,
                       "this worker has no connection \"%.128s\" for organisation \"%.128s\": "
                       "there is no %.128s.json in its connections folder",
                       name, org, name);
}

static bool add_name(struct connection_names *names, const char *name, struct problem *problem)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->names[i], name) == 0)
            return true;
    if (names->count == CONNECTIONS_MAX)
        return problem_set(problem, PROBLEM_CONFIG,
                           "more than %d connections: start the worker with --any-connection",
                           CONNECTIONS_MAX);
    snprintf(names->names[names->count++], NAME_SIZE_MAX + 1, "%s", name);
    return true;
}

static bool add_kind(const char *name, const char *kind, struct connection_names *sources,
                     struct connection_names *targets, struct problem *problem)
{
    bool source = kind == NULL || source_kind_find(kind) != NULL;
    bool target = kind == NULL || target_kind_find(kind) != NULL;

    if (!source && !target)
        source = target = true;
    return (!source || add_name(sources, name, problem)) &&
           (!target || add_name(targets, name, problem));
}

static bool add_file(const char *path, const char *file, struct connection_names *sources,
                     struct connection_names *targets, struct problem *problem)
{
    size_t size = strlen(file), end = sizeof suffix - 1;
    char name[NAME_SIZE_MAX + 1];
    json_t *config = NULL;
    bool good;

    if (size <= end || strcmp(file + size - end, suffix) != 0 || !is_name(file, size - end))
        return true;
    snprintf(name, sizeof name, "%.*s", (int)(size - end), file);
    if (!read_file(path, &config, problem))
        return add_kind(name, NULL, sources, targets, problem);
    good = add_kind(name, json_string_value(json_object_get(config, "kind")), sources, targets,
                    problem);
    json_decref(config);
    return good;
}

/* Folders inside are organisations; there are none below. */
static bool add_folder(const char *dir, unsigned depth, struct connection_names *sources,
                       struct connection_names *targets, struct problem *problem)
{
    DIR *folder = opendir(dir);
    struct dirent *entry;
    bool good = true;

    if (folder == NULL)
        return problem_set(problem, PROBLEM_CONFIG, "%.300s: %s", dir, strerror(errno));
    while (good && (entry = readdir(folder)) != NULL) {
        char path[PATH_SIZE];
        struct stat stat_of;

        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        if (stat(path, &stat_of) < 0)
            continue;
        if (S_ISDIR(stat_of.st_mode))
            good = depth > 0 || add_folder(path, depth + 1, sources, targets, problem);
        else
            good = add_file(path, entry->d_name, sources, targets, problem);
    }
    closedir(folder);
    return good;
}

bool connection_list(const char *dir, struct connection_names *sources,
                     struct connection_names *targets, struct problem *problem)
{
    sources->count = targets->count = 0;
    if (!add_name(targets, "local", problem))
        return false;
    if (dir == NULL)
        return add_name(sources, "demo", problem);
    return add_folder(dir, 0, sources, targets, problem);
}
