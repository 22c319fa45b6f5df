#ifndef TOOLS_SYNCCTL_FORMAT_H
#define TOOLS_SYNCCTL_FORMAT_H

#include "tools/syncctl/session.h"

#include "google/protobuf/duration.pb-c.h"
#include "sync/v1/sync.pb-c.h"

/* Messages as people read them, and the few that people write. What is given
 * lies in the session's memory. */

/* JOB_STATUS_ACTIVE as "active"; "" for unspecified and unknown ones. */
const char *word_of(struct session *session, const ProtobufCEnumDescriptor *type, int value);

/* Without control characters: what others wrote must not steer a terminal. */
const char *clean_text(struct session *session, const char *text);

/* RFC 3339; "" if absent. */
const char *time_text(struct session *session, const Google__Protobuf__Timestamp *time);
/* "90s", "36h", "7d": in the largest unit that it is whole in; "-" if absent. */
const char *duration_text(struct session *session, const Google__Protobuf__Duration *duration);
/* "12s", "5m", "3h", "2d" ago; "" if absent. */
const char *age_text(struct session *session, const Google__Protobuf__Timestamp *time);

/* What a job is doing: "active", "pausing", "queued (backoff)". */
const char *job_status_text(struct session *session, const Sync__V1__Job *job);
/* "45%", "?" when it is not known. */
const char *job_progress_text(struct session *session, const Sync__V1__Job *job);
/* Records of all entities together. *total is 0 if any entity's is unknown. */
void job_records(const Sync__V1__Job *job, uint64_t *done, uint64_t *total);
bool job_is_ended(const Sync__V1__Job *job);

/* NULL for an absent setting. False if the text is not RFC 3339: printed. */
bool read_time(struct session *session, size_t setting, const char *flag,
               Google__Protobuf__Timestamp **time);
/* NULL for an absent setting. */
Google__Protobuf__Duration *read_duration(struct session *session, size_t setting);

/* "a,b" as texts; no text, no parts. */
char **split(struct session *session, const char *text, size_t *count);

/* Whether the operand is a job's id rather than a name. */
bool is_job_id(const char *operand);

/* Rows of text in columns that are as wide as they must be. */
struct table;
struct table *table_new(struct session *session, const char *const headings[], size_t columns);
/* Takes `columns` texts, which must last as long as the session. */
void table_add(struct table *table, const char *const cells[]);
void table_print(const struct table *table);

/* Jobs as a table. */
void print_jobs(struct session *session, Sync__V1__Job *const *jobs, size_t count);

#endif
