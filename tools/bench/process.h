#ifndef TOOLS_BENCH_PROCESS_H
#define TOOLS_BENCH_PROCESS_H

#include "core/base/err.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A syncd of our own: a child process on a free port, its data in a directory
 * that goes with it. */

struct process {
    pid_t pid;                      /* 0: does not run */
    char directory[PATH_MAX];
    char address[64];
};

struct process_usage {
    int64_t memory_bytes;           /* resident */
    int64_t cpu_ms;                 /* user and system */
    uint64_t commits;               /* fsyncs of the log; known once it has stopped */
    bool commits_known;
};

/* Makes the directory, under `parent`. */
MUST_USE enum err process_prepare(struct process *process, const char *parent, struct why *why);
/* Starts `program`; listening when it returns. Again after process_kill() it
 * opens what it left behind. */
MUST_USE enum err process_start(struct process *process, const char *program, struct why *why);
/* SIGKILL. */
void process_kill(struct process *process);
/* SIGTERM, and waits. */
void process_stop(struct process *process);
/* What it uses now; after process_stop() what its log says of commits. */
struct process_usage process_usage(const struct process *process);
/* Processor time of this program. */
int64_t process_own_cpu_ms(void);
/* Deletes the directory. */
void process_clean(struct process *process);

#endif
