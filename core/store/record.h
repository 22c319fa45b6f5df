#ifndef CORE_RECORD_H
#define CORE_RECORD_H

#include "core/limits.h"
#include "core/schedule.h"

/* How values are stored: protobuf (sync/store/v1/records.proto), so that they
 * can grow. Writing gives bytes in `mem`; reading gives structs whose text and
 * arrays lie in `mem`.
 *
 * To add a field: give it a new number in records.proto, write and read it
 * here, and choose a meaning for its absence that fits what older programs
 * stored. To change a meaning: raise SCHEMA_VERSION and convert in queue_load.c. */

enum { SCHEMA_VERSION = 1 };

struct meta {
    uint32_t schema_version, last_org_number;
    uint64_t ticket_limit;
};

struct org_record {
    uint32_t number;
    struct bytes name;
    int64_t created_at_ms;
    uint32_t max_active, max_requests_per_second, weight;
    uint64_t max_queued;
    int64_t keep_completed_ms, keep_failed_ms;   /* 0: the server's setting */
    uint32_t keep_runs;
};

struct counters {
    uint64_t queued, scheduled, active, paused;
    uint64_t completed, failed, cancelled;                  /* lifetime */
    uint64_t kept_completed, kept_failed, kept_cancelled;   /* not purged */
    int64_t last_sync_ms;
    uint32_t purge_epoch, swept_epoch, generation;
};

struct sync_record {
    run_id head_run, latest_run, last_ended_run;
    uint32_t behind;
    bool paused, scheduled;
    struct action action;
    uint64_t completed, failed, cancelled;
    int64_t durations_ms[DURATIONS_MAX];
    uint32_t duration_count;
    int64_t last_completed_at_ms;
    run_id recent[HISTORY_CHUNK_RUNS];      /* completed or cancelled, oldest first */
    uint32_t recent_count, history_chunks;
    uint64_t history_from;                  /* no HISTORY of it lies below */
};

struct history_record {
    run_id runs[HISTORY_CHUNK_RUNS];
    uint32_t count;
};

struct ending {
    run_id run;
    uint32_t name;               /* key_name_hash() */
    enum run_state state;
};

struct endings_record {
    int64_t ended_at_ms;
    struct ending *endings;
    uint32_t count;
};

struct purge_record {
    int64_t older_than_ms;
    struct bytes name;
    enum run_state state;
    uint32_t purge_epoch;
    uint64_t completed, failed, cancelled;
};

struct audit_record {
    int64_t at_ms;
    struct bytes actor, action, org, subject, reason, peer;
    uint32_t org_number;
};

struct schedule_record {
    struct schedule_rule rule;
    int64_t mark_ms, due_ms, nominal_ms;
    uint64_t fired, skipped;
    run_id pending_run;
    int64_t next_runs_ms[SCHEDULE_RUNS_SHOWN];
    uint64_t skipped_by[SKIP_REASON_COUNT];
};

struct watermark_value {
    int64_t value_ms, at_ms;
    run_id run;
};

struct watermark_record {
    struct watermark_value changes[WATERMARK_HISTORY_MAX];   /* newest first */
    uint32_t count;
};

/* An answer to a SUBMIT that had an idempotency key. */
struct idempotency_record {
    struct bytes digest;             /* of the request */
    int64_t expires_at_ms;
    uint64_t ticket;                 /* grows with each that is kept */
    run_id id;
    struct bytes name;
    struct run run;                  /* as it was then, like what follows */
    bool duplicate;
    enum wait_reason wait;
    int64_t estimated_start_ms, estimated_completion_ms, estimate_low_ms, estimate_high_ms;
    struct bytes estimate_basis;
    int64_t next_runs_ms[5];
};

/* The arenas of the writers are core's own and large enough: a full one aborts. */
struct bytes record_write_meta(const struct meta *meta, struct arena *mem);
struct bytes record_write_org(const struct org_record *org, struct arena *mem);
struct bytes record_write_counters(const struct counters *counters, struct arena *mem);
struct bytes record_write_sync(const struct sync_record *sync, struct arena *mem);
struct bytes record_write_schedule(const struct schedule_record *schedule, struct arena *mem);
struct bytes record_write_watermark(const struct watermark_record *watermark, struct arena *mem);
struct bytes record_write_spec(const struct run_spec *spec, struct arena *mem);
struct bytes record_write_run(const struct run *run, struct arena *mem);
struct bytes record_write_idempotency(const struct idempotency_record *record, struct arena *mem);
struct bytes record_write_history(const struct history_record *history, struct arena *mem);
struct bytes record_write_endings(const struct endings_record *endings, struct arena *mem);
struct bytes record_write_purge(const struct purge_record *purge, struct arena *mem);
struct bytes record_write_audit(const struct audit_record *audit, struct arena *mem);

/* ERR_CORRUPT if the bytes do not parse or make no sense; ERR_LIMIT if mem is full. */
MUST_USE enum err record_read_meta(struct bytes b, struct arena *mem, struct meta *meta, struct why *why);
MUST_USE enum err record_read_org(struct bytes b, struct arena *mem, struct org_record *org, struct why *why);
MUST_USE enum err record_read_counters(struct bytes b, struct arena *mem, struct counters *counters, struct why *why);
MUST_USE enum err record_read_sync(struct bytes b, struct arena *mem, struct sync_record *sync, struct why *why);
MUST_USE enum err record_read_schedule(struct bytes b, struct arena *mem, struct schedule_record *schedule, struct why *why);
MUST_USE enum err record_read_watermark(struct bytes b, struct arena *mem, struct watermark_record *watermark, struct why *why);
MUST_USE enum err record_read_spec(struct bytes b, struct arena *mem, struct run_spec *spec, struct why *why);
MUST_USE enum err record_read_run(struct bytes b, struct arena *mem, struct run *run, struct why *why);
MUST_USE enum err record_read_idempotency(struct bytes b, struct arena *mem, struct idempotency_record *record, struct why *why);
MUST_USE enum err record_read_history(struct bytes b, struct arena *mem, struct history_record *history, struct why *why);
MUST_USE enum err record_read_endings(struct bytes b, struct arena *mem, struct endings_record *endings, struct why *why);
MUST_USE enum err record_read_purge(struct bytes b, struct arena *mem, struct purge_record *purge, struct why *why);
MUST_USE enum err record_read_audit(struct bytes b, struct arena *mem, struct audit_record *audit, struct why *why);

#endif
