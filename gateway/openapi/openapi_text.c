#include "gateway/openapi/openapi_text.h"

#include <stdio.h>
#include <string.h>

#define NAME_PATTERN "^[A-Za-z0-9._-]{1,128}$"
#define READ         "content.read"
#define UPDATE       "content.update"
#define DELETE       "content.delete"

static const struct api_operation operations[] = {
    { "/sync", "getServiceInfo", "Information", NULL, "The state of the whole service" },
    { "/sync/info", "getOrganizationInfo", "Information", READ,
      "An organisation's counters, its live jobs and its newest ended ones" },
    { "/sync/queue", "queueJob", "Jobs", UPDATE,
      "Queues a job; answered when it is on stable storage" },
    { "/sync/purge", "purgeJobs", "Jobs", DELETE, "Deletes the organisation's ended jobs" },
    { "/sync/pause/:name", "pauseSync", "Control", UPDATE,
      "Pauses a sync: its live job and its schedule" },
    { "/sync/resume/:name", "resumeSync", "Control", UPDATE, "Resumes a sync where it was paused" },
    { "/sync/cancel/:name", "cancelSync", "Control", UPDATE, "Cancels a sync's live job" },
    { "/sync/jobs", "listJobs", "Jobs", READ, "Lists jobs, newest first" },
    { "/sync/jobs/:id", "getJob", "Jobs", READ, "One job, with all that is known of it" },
    { "/sync/jobs/:id/pause", "pauseJob", "Control", UPDATE, "Pauses this job" },
    { "/sync/jobs/:id/resume", "resumeJob", "Control", UPDATE, "Resumes this job" },
    { "/sync/jobs/:id/cancel", "cancelJob", "Control", UPDATE, "Cancels this job" },
    { "/sync/jobs/:id/retry", "retryJob", "Control", UPDATE,
      "Queues a failed or cancelled job again, under its own id" },
    { "/sync/syncs", "listSyncs", "Syncs", READ, "Lists the syncs that names stand for" },
    { "/sync/syncs/:name", "getSync", "Syncs", READ,
      "One sync: schedule, next runs, watermarks, statistics" },
    { "/sync/syncs/:name/watermark:reset", "resetWatermark", "Syncs", DELETE,
      "Sets or forgets how far a sync has come" },
    { "/sync/schedules/:name", "deleteSchedule", "Syncs", DELETE, "Deletes a sync's schedule" },
    { "/sync/watch", "watchJobs", "Jobs", READ,
      "Every change of the organisation's jobs, as server-sent events" },
    { "/metrics", "getMetrics", "Operation", NULL, "Numbers for Prometheus" },
    { "/openapi.json", "getOpenapi", "Operation", NULL, "This document" },
    { "/healthz", "getHealth", "Operation", NULL, "200 while the process runs" },
    { "/readyz", "getReadiness", "Operation", NULL, "200 when the service takes requests" },
};

static const struct api_field fields[] = {
    { "*.name", .text = "Name of the sync", .required = true, .pattern = NAME_PATTERN },
    { "*.id", .text = "Id of the job", .required = true },
    { "*.reason",
      .text = "Why, for people; shown with the job and in the audit log (at most 512 bytes)" },
    { "*.pageSize", .text = "How many at most", .min = 1, .max = 1000, .preset = "100" },
    { "*.pageToken", .text = "nextPageToken of the page before" },
    { "*.nextPageToken", .text = "pageToken of the next page; absent: this is the last" },
    { "*.wait",
      .text = "How long to wait for the worker to let go, at most 60 s: a number of seconds or an "
              "ISO 8601 duration" },

    { "GetServiceInfoResponse.version", .text = "Version of the service" },
    { "GetServiceInfoResponse.status",
      .text = "active, degraded (storage is failing, or the disk nearly full) or draining" },
    { "GetServiceInfoResponse.activeJobs", .text = "Jobs that a worker holds" },
    { "GetServiceInfoResponse.completedJobs", .text = "Jobs that have ever been completed" },
    { "GetServiceInfoResponse.failedJobs", .text = "Jobs that have ever failed" },
    { "GetServiceInfoResponse.queuedJobs", .text = "Jobs that wait" },
    { "GetServiceInfoResponse.uptime",
      .text = "How long the service has been running, as 5d 12h 30m" },
    { "GetServiceInfoResponse.uptimeSeconds", .text = "The same in seconds" },
    { "GetOrgInfoResponse.organization", .text = "Who was asked about" },
    { "GetOrgInfoResponse.syncStatus", .text = "The organisation's counters" },
    { "GetOrgInfoResponse.syncJobs",
      .text = "All live jobs (at most 200), then the 50 newest ended ones" },
    { "Organization.id", .text = "What the orgid header says" },
    { "Organization.name", .text = "Name for people, if it was given one" },
    { "OrgSyncStatus.lastSync", .text = "When a job was last completed; absent: never" },
    { "OrgSyncStatus.activeJobs", .text = "Jobs that a worker holds" },
    { "OrgSyncStatus.completedJobs", .text = "Jobs that have ever been completed" },
    { "OrgSyncStatus.failedJobs", .text = "Jobs that have ever failed" },
    { "OrgSyncStatus.queuedJobs", .text = "Jobs that wait" },

    { "QueueJobRequest.type", .text = "What kind of job", .required = true },
    { "QueueJobRequest.priority", .text = "Its class; inside one, first in, first out",
      .preset = "\"normal\"" },
    { "QueueJobRequest.data", .text = "What to move", .required = true },
    { "QueueJobRequest.options", .text = "How" },
    { "QueueJobRequest.schedule", .text = "When; required for the type scheduled" },
    { "QueueJobRequest.onDuplicate",
      .text = "What happens while a job of that name is waiting or active: queue makes a new one, "
              "coalesce "
              "lets a waiting one take over the newer data, reject answers 409, replace cancels "
              "what lives",
      .preset = "\"queue\"" },
    { "QueueJobResponse.job", .text = "The job" },
    { "JobData.source", .text = "Connection to read from, by its name at the worker",
      .required = true },
    { "JobData.target", .text = "Connection to write to, likewise", .required = true },
    { "JobData.entity", .text = "The one to read; required for the type entity" },
    { "JobData.mode",
      .text = "Of scheduled jobs: full or incremental; absent: incremental as soon as there "
              "is a watermark" },
    { "JobData.filters", .text = "Narrows what is read" },
    { "JobData.allowMassDelete", .text = "Lets a full run delete more than half of the target",
      .preset = "false" },
    { "JobFilters.updatedSince", .text = "Lower bound of this run, instead of the watermark" },
    { "JobFilters.collections", .text = "Handles of the collections to read" },
    { "JobOptions.concurrency", .text = "Entities synced at the same time", .min = 1, .max = 64,
      .preset = "1" },
    { "JobOptions.retryOnFail", .text = "Whether to try again after a failure", .preset = "true" },
    { "JobOptions.maxRetries", .text = "Attempts in a row without progress", .min = 0, .max = 100,
      .preset = "3" },
    { "Schedule.startAt", .text = "The first firing is the first match at or after this" },
    { "Schedule.endAt", .text = "No firing is due after this" },
    { "Schedule.repeat", .text = "How often; weekly and monthly take their day from startAt" },
    { "Schedule.time", .text = "Wall clock, HH:MM or HH:MM:SS; absent: that of startAt",
      .pattern = "^[0-2][0-9]:[0-5][0-9](:[0-5][0-9])?$" },
    { "Schedule.timezone", .text = "IANA name", .preset = "\"UTC\"" },
    { "Schedule.cron", .text = "Minute, hour, day of month, month, day of week; or @daily and its "
                               "like; instead of repeat" },
    { "Schedule.interval",
      .text = "ISO 8601 duration of at least a second, counted from startAt; instead of repeat" },
    { "Schedule.jitter", .text = "Each run starts up to so much later than it is due, at most a "
                                 "day; by how much is fixed for "
                                 "each" },
    { "Schedule.maxRuns", .text = "Fires at most so often" },
    { "Schedule.overlap", .text = "What a firing does while the last one's job is not over",
      .preset = "\"bufferOne\"" },
    { "Schedule.catchUpWindow", .text = "How late a missed firing may still be made up for; "
                                        "default one period, at most 24 hours" },

    { "PurgeJobsRequest.olderThan", .text = "Only jobs that ended before this" },
    { "PurgeJobsRequest.name", .text = "Only jobs of this sync", .pattern = NAME_PATTERN },
    { "PurgeJobsRequest.status", .text = "Only completed, failed or cancelled ones" },
    { "PurgeJobsRequest.dryRun", .text = "Only count", .preset = "false" },
    { "PurgeJobsRequest.reason", .text = "Why, for people; kept in the audit log (at most 512 bytes)" },
    { "PurgeJobsResponse.purgedJobs", .text = "How many" },
    { "PurgedJobs.completed", .text = "Of them, completed ones" },
    { "PurgedJobs.failed", .text = "Failed ones" },
    { "PurgedJobs.cancelled", .text = "Cancelled ones" },
    { "PauseJobResponse.job", .text = "The job" },
    { "ResumeJobRequest.fromCheckpoint", .text = "false starts the job over", .preset = "true" },
    { "ResumeJobResponse.job", .text = "The job" },
    { "CancelJobResponse.job", .text = "The job" },
    { "RetryJobResponse.job", .text = "The job" },
    { "GetJobResponse.job", .text = "The job" },
    { "ListJobsRequest.status", .text = "Only jobs of this status" },
    { "ListJobsRequest.name", .text = "Only jobs of this sync", .pattern = NAME_PATTERN },
    { "ListJobsRequest.type", .text = "Only jobs of this type" },
    { "ListJobsRequest.since", .text = "Only jobs queued at or after this" },
    { "ListJobsRequest.until", .text = "Only jobs queued before this" },
    { "ListJobsResponse.jobs", .text = "The jobs of this page" },

    { "Job.id", .text = "Opaque, unique for ever, growing with time", .required = true },
    { "Job.name", .text = "Name of the sync it is a run of", .required = true },
    { "Job.status", .text = "Where it stands", .required = true },
    { "Job.progress",
      .text = "Whole percent; 100 only when completed; falls only when it starts over", .min = 0,
      .max = 100 },
    { "Job.state", .text = "What it is about to become, where its status does not say" },
    { "Job.queuedAt", .text = "When it was queued" },
    { "Job.startedAt", .text = "When a worker first took it" },
    { "Job.pausedAt", .text = "When it was paused" },
    { "Job.resumedAt", .text = "When it was last resumed" },
    { "Job.endedAt", .text = "When it ended" },
    { "Job.notBefore", .text = "When the next attempt may begin" },
    { "Job.estimatedStart", .text = "When it is likely to start; absent: nobody knows" },
    { "Job.estimatedCompletion", .text = "When it is likely to be done; absent: nobody knows" },
    { "Job.estimate", .text = "How sure the estimate is" },
    { "Job.waitReason", .text = "Why it waits" },
    { "Job.leaseHeldUntil", .text = "Of a pausing job: when its worker must have let go" },
    { "Job.progressKnown", .text = "false: a progress of 0 means that nobody knows" },
    { "Job.duplicate", .text = "true: the request found this job, and made none" },
    { "Job.nextRuns", .text = "The next firings of its schedule" },
    { "Job.type", .text = "What kind of job" },
    { "Job.priority", .text = "Its class" },
    { "Job.data", .text = "What to move, as its caller wrote it" },
    { "Job.options", .text = "How" },
    { "Job.schedule", .text = "When" },
    { "Job.entities", .text = "How far each entity is" },
    { "Job.attempts", .text = "How often a worker has taken it" },
    { "Job.generation", .text = "Grows when it starts over from nothing" },
    { "Job.error", .text = "What went wrong last" },
    { "Job.lastAction", .text = "Who last paused, resumed, cancelled or retried it" },
    { "Job.nominalTime", .text = "Of a schedule's firing: when it was due" },
    { "Job.workerId", .text = "Who works on it" },
    { "Job.orgId", .text = "Whose it is" },
    { "Job.scheduledFor", .text = "When it is due" },
    { "Estimate.low", .text = "It is likely not earlier" },
    { "Estimate.high", .text = "It is likely not later" },
    { "Estimate.basis",
      .text = "What it stands on: idle_worker, not_before, queue_rate, progress_rate or history" },
    { "EntityProgress.entity", .text = "Name of the entity" },
    { "EntityProgress.done", .text = "Records done" },
    { "EntityProgress.total", .text = "Records there are; absent: unknown" },
    { "EntityProgress.complete", .text = "Whether it is done" },
    { "EntityProgress.deleted", .text = "Records deleted at the target" },
    { "JobError.message", .text = "What went wrong, for people" },
    { "JobError.class", .text = "transient, config, fatal, rate_limited or lease_expired" },
    { "JobError.at", .text = "When" },
    { "Action.actor", .text = "Who asked" },
    { "Action.at", .text = "When" },
    { "Action.reason", .text = "Why, if that was said" },

    { "ListSyncsResponse.syncs", .text = "The syncs of this page" },
    { "GetSyncResponse.sync", .text = "The sync" },
    { "DeleteScheduleResponse.sync", .text = "The sync, as it is now" },
    { "ResetWatermarkResponse.sync", .text = "The sync, as it is now" },
    { "ResetWatermarkRequest.entity", .text = "The one whose watermark; absent: all" },
    { "ResetWatermarkRequest.value", .text = "What it becomes; absent: it is forgotten" },
    { "Sync.name", .text = "Its name", .required = true },
    { "Sync.paused", .text = "Whether it is paused" },
    { "Sync.schedule", .text = "Its schedule" },
    { "Sync.nextRuns", .text = "The next five firings" },
    { "Sync.watermarks", .text = "How far its finished runs have come, by entity" },
    { "Sync.statistics", .text = "How its runs ended" },
    { "Sync.liveJob", .text = "The job that is not over" },
    { "Sync.lastJob", .text = "The last one that is" },
    { "Watermark.entity", .text = "Name of the entity" },
    { "Watermark.value", .text = "Where the next incremental run begins" },
    { "Watermark.setByJob", .text = "Id of the job that set it" },
    { "Watermark.setAt", .text = "When" },
    { "Watermark.history", .text = "The last ten values, newest first" },
    { "WatermarkChange.value", .text = "The value" },
    { "WatermarkChange.setByJob", .text = "Id of the job that set it" },
    { "WatermarkChange.setAt", .text = "When" },
    { "SyncStatistics.completed", .text = "Runs that were completed" },
    { "SyncStatistics.failed", .text = "Runs that failed" },
    { "SyncStatistics.cancelled", .text = "Runs that were cancelled" },
    { "SyncStatistics.skipped", .text = "Firings that made no run" },
    { "SyncStatistics.skippedBy", .text = "The same by reason; absent if there were none" },
    { "SkippedFirings.missed",
      .text = "Nobody could see to them in time, and another one had come since, or it was too late" },
    { "SkippedFirings.overlap", .text = "An earlier run was not over" },
    { "SkippedFirings.paused", .text = "The sync was paused" },
    { "SkippedFirings.cancelled", .text = "A person cancelled them before their time" },
    { "SyncStatistics.meanDuration", .text = "Of the completed runs remembered" },
    { "SyncStatistics.lastCompletedAt", .text = "When one was last completed" },

    { "WatchJobsRequest.name", .text = "Only jobs of this sync", .pattern = NAME_PATTERN },
    { "WatchJobsRequest.id", .text = "Only this job" },
    { "HealthCheckResponse.status", .text = "What the service says of itself" },
};

const struct api_operation *api_operation_of(const char *pattern)
{
    for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++)
        if (strcmp(operations[i].pattern, pattern) == 0)
            return &operations[i];
    return NULL;
}

static const struct api_field *find_field(const char *message, const char *json_name)
{
    char name[160];

    snprintf(name, sizeof name, "%s.%s", message, json_name);
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

const struct api_field *api_field_of(const char *message, const char *json_name)
{
    const struct api_field *field = find_field(message, json_name);

    return field != NULL ? field : find_field("*", json_name);
}
