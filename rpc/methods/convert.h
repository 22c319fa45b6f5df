#ifndef RPC_METHODS_CONVERT_H
#define RPC_METHODS_CONVERT_H

#include "core/view.h"
#include "sync/v1/admin.pb-c.h"
#include "sync/v1/sync.pb-c.h"
#include "sync/v1/worker.pb-c.h"

/* Between core's values and the messages of sync/v1.
 *
 * From requests   read_*() check what protobuf cannot say (ranges, unknown enum
 *                 numbers, exactly one of two) and return ERR_INVALID with the
 *                 field's path as the JSON API writes it. Text is borrowed from
 *                 the request.
 * To answers      build_*() copy everything into the builder's arena. Running
 *                 out of it sets `full` and leaves things out: whoever sends
 *                 the answer looks at `full` once, at the end. */

/* ERR_INVALID for a field; the text is its path and what is wrong with it. */
enum err refuse_field(struct why *why, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

struct builder {
    struct arena *mem;
    bool full;
};

/* Zeroed memory, or NULL and full. */
void *build_array(struct builder *builder, size_t count, size_t size);
/* A message with its defaults, or NULL and full. */
void *build_message(struct builder *builder, const ProtobufCMessageDescriptor *type);
/* Never NULL: "" when full. */
char *build_text(struct builder *builder, struct bytes text);
ProtobufCBinaryData build_binary(struct builder *builder, struct bytes bytes);
char *build_run_id(struct builder *builder, run_id id);
/* NULL for 0, which is "absent" in core. */
Google__Protobuf__Timestamp *build_time(struct builder *builder, int64_t time_ms);
Google__Protobuf__Duration *build_duration(struct builder *builder, int64_t ms);
/* "5d 12h 30m": always all three. NULL if the memory is full. */
char *build_uptime(struct builder *builder, int64_t ms);

/* A protobuf-c allocator over an arena; nothing is freed one by one. */
ProtobufCAllocator arena_allocator(struct arena *mem);

/* How much of a Job is told: an overview leaves out what was asked for and who
 * did what. */
enum job_detail { JOB_OVERVIEW, JOB_FULL };

/* NULL when full. now_ms: the wall clock, for lease_held_until. */
Sync__V1__Job *build_job(struct builder *builder, const struct run_info *info,
                         enum job_detail detail, int64_t now_ms);
Sync__V1__JobAssignment *build_assignment(struct builder *builder,
                                          const struct assignment *assignment);
Sync__V1__Schedule *build_schedule(struct builder *builder, const struct schedule_rule *rule);
/* Adds to *count, which begins at 0. NULL: there are none. */
Google__Protobuf__Timestamp **build_next_runs(struct builder *builder,
                                              const int64_t next_runs_ms[5], size_t *count);
/* Without live_job and last_job. */
Sync__V1__Sync *build_sync(struct builder *builder, const struct sync_view *view);
Sync__V1__Org *build_org(struct builder *builder, struct bytes id, struct bytes name,
                         const struct org_limits *limits, int64_t created_at_ms);
Sync__V1__Lease *build_lease(struct builder *builder, struct lease_name lease);

/* The message's enums have core's numbers (asserted where they are read). */
Sync__V1__JobStatus job_status_of(enum run_state state);
/* What struct run_filter calls it; NULL: no such status. */
const char *job_status_shown(Sync__V1__JobStatus status);
MUST_USE enum err read_type(Sync__V1__JobType type, const char *field, enum run_type *out,
                            struct why *why);

/* An absent message gives 0; a present one never does: at 1970 and before it
 * is 1. */
MUST_USE enum err read_time(const Google__Protobuf__Timestamp *time, const char *field,
                            int64_t *time_ms, struct why *why);
/* Absent gives 0. Refuses what is negative or above max_ms. */
MUST_USE enum err read_duration(const Google__Protobuf__Duration *duration, const char *field,
                                int64_t max_ms, int64_t *ms, struct why *why);
/* "PT1H30M", "P1D": days, hours, minutes, seconds. */
MUST_USE enum err read_interval(const char *text, const char *field, int64_t *ms,
                                struct why *why);
MUST_USE enum err read_run_id(const char *text, const char *field, run_id *id, struct why *why);
/* How many a page has; 0 gives 100. */
MUST_USE enum err read_page_size(uint32_t page_size, uint32_t *max, struct why *why);
/* A page token that is a run's id; empty gives 0. */
MUST_USE enum err read_page_token(const char *token, run_id *before, struct why *why);
MUST_USE enum err read_lease(const Sync__V1__Lease *lease, struct lease_name *out,
                             struct why *why);

/* A job as it was asked for. The data is packed into mem. */
MUST_USE enum err read_spec(const Sync__V1__QueueJobRequest *request, struct arena *mem,
                            struct run_spec *spec, struct why *why);
/* All of a request for core but the organisation; the actor is borrowed. */
MUST_USE enum err read_submit(const Sync__V1__QueueJobRequest *request, const char *actor,
                              struct arena *mem, struct submit_request *submit,
                              struct why *why);

#endif
