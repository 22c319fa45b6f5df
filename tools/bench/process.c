#include "tools/bench/process.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { START_MS_MAX = 60 * 1000, POLL_MS = 2 };

static void path_in(const struct process *process, const char *name, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%.3800s/%s", process->directory, name);
}

enum err process_prepare(struct process *process, const char *parent, struct why *why)
{
    *process = (struct process){ .pid = 0 };
    snprintf(process->directory, sizeof process->directory, "%.3800s/sync-bench-XXXXXX", parent);
    if (mkdtemp(process->directory) == NULL)
        return err_because(why, ERR_UNAVAILABLE, "cannot make a directory in %.100s: %s", parent,
                           strerror(errno));
    return OK;
}

/* In the child. Only the log is left open. */
static void become(const struct process *process, const char *program)
{
    char data[PATH_MAX], ports[PATH_MAX], log[PATH_MAX];
    int fd;

    path_in(process, "data", data);
    path_in(process, "ports", ports);
    path_in(process, "log", log);
    fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd >= 0)
        dup2(fd, STDERR_FILENO);
    execl(program, program, "--data-dir", data, "--ports-file", ports, "--rpc-listen",
          "127.0.0.1:0", "--http-listen", "none", "--log-format", "json", (char *)NULL);
    fprintf(stderr, "cannot run %s: %s\n", program, strerror(errno));
    _exit(127);
}

static bool read_address(struct process *process, const char *path)
{
    FILE *file = fopen(path, "re");
    bool read;

    if (file == NULL)
        return false;
    read = fscanf(file, "{\"rpc\": \"%63[^\"]\"", process->address) == 1;
    fclose(file);
    return read;
}

/* The ports file is another program's: there is nothing to wait on but itself. */
static enum err wait_listening(struct process *process, const char *ports, struct why *why)
{
    const struct timespec pause = { .tv_nsec = POLL_MS * 1000000 };

    for (int waited_ms = 0; waited_ms < START_MS_MAX; waited_ms += POLL_MS) {
        if (read_address(process, ports))
            return OK;
        if (waitpid(process->pid, NULL, WNOHANG) == process->pid) {
            process->pid = 0;
            return err_because(why, ERR_UNAVAILABLE, "syncd ended at once; %.160s/log says why",
                               process->directory);
        }
        nanosleep(&pause, NULL);
    }
    return err_because(why, ERR_TIMEOUT, "syncd does not listen after %d s", START_MS_MAX / 1000);
}

enum err process_start(struct process *process, const char *program, struct why *why)
{
    char ports[PATH_MAX];

    path_in(process, "ports", ports);
    unlink(ports);
    process->pid = fork();
    if (process->pid == 0)
        become(process, program);
    if (process->pid < 0) {
        process->pid = 0;
        return err_because(why, ERR_UNAVAILABLE, "cannot fork: %s", strerror(errno));
    }
    return wait_listening(process, ports, why);
}

static void end(struct process *process, int signal_number)
{
    if (process->pid <= 0)
        return;
    kill(process->pid, signal_number);
    while (waitpid(process->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    process->pid = 0;
}

void process_kill(struct process *process)
{
    end(process, SIGKILL);
}

void process_stop(struct process *process)
{
    end(process, SIGTERM);
}

static void read_memory(const struct process *process, struct process_usage *usage)
{
    char path[64];
    long long pages = 0;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%ld/statm", (long)process->pid);
    file = fopen(path, "re");
    if (file == NULL)
        return;
    if (fscanf(file, "%*d %lld", &pages) == 1)
        usage->memory_bytes = pages * sysconf(_SC_PAGESIZE);
    fclose(file);
}

/* Fields 14 and 15, behind the name in brackets, which may hold anything. */
static void read_cpu(const struct process *process, struct process_usage *usage)
{
    char path[64], line[1024] = "";
    unsigned long user = 0, kernel = 0;
    const char *behind;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%ld/stat", (long)process->pid);
    file = fopen(path, "re");
    if (file == NULL)
        return;
    if (fgets(line, sizeof line, file) == NULL)
        line[0] = '\0';
    fclose(file);
    behind = strrchr(line, ')');
    if (behind != NULL && sscanf(behind, ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
                                 &user, &kernel) == 2)
        usage->cpu_ms = (int64_t)(user + kernel) * 1000 / sysconf(_SC_CLK_TCK);
}

/* syncd's last words carry what its store counted. */
static void read_log(const struct process *process, struct process_usage *usage)
{
    char path[PATH_MAX], line[2048];
    FILE *file;

    path_in(process, "log", path);
    file = fopen(path, "re");
    if (file == NULL)
        return;
    while (fgets(line, sizeof line, file) != NULL) {
        const char *at = strstr(line, "\"commits\":");

        if (at != NULL && sscanf(at, "\"commits\":%" SCNu64, &usage->commits) == 1)
            usage->commits_known = true;
    }
    fclose(file);
}

struct process_usage process_usage(const struct process *process)
{
    struct process_usage usage = { .memory_bytes = 0 };

    if (process->pid > 0) {
        read_memory(process, &usage);
        read_cpu(process, &usage);
    } else {
        read_log(process, &usage);
    }
    return usage;
}

int64_t process_own_cpu_ms(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
}

static int delete_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

void process_clean(struct process *process)
{
    if (process->directory[0] != '\0')
        nftw(process->directory, delete_one, 16, FTW_DEPTH | FTW_PHYS);
    process->directory[0] = '\0';
}
