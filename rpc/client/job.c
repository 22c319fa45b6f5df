#include "rpc/client/job.h"

#include "rpc/enum_word.h"

/* Jobs as they come: read out of a message into one arena. */

struct owned_job {
    struct arena *mem;
    struct sync_job job;
};

struct owned_list {
    struct arena *mem;
    struct sync_job_list list;
};

static int64_t ms_of(const Google__Protobuf__Timestamp *time)
{
    return time != NULL ? time->seconds * 1000 + time->nanos / 1000000 : 0;
}

static const char *word(const ProtobufCEnumDescriptor *type, int value, struct arena *mem)
{
    char text[ENUM_WORD_MAX];

    return enum_word_write(type, value, text) ? arena_text(mem, text) : "";
}

static void read_words(struct sync_job *job, const Sync__V1__Job *from, struct arena *mem)
{
    job->status = word(&sync__v1__job_status__descriptor, (int)from->status, mem);
    job->state = word(&sync__v1__job_state__descriptor, (int)from->state, mem);
    job->wait_reason = word(&sync__v1__wait_reason__descriptor, (int)from->wait_reason, mem);
    job->type = word(&sync__v1__job_type__descriptor, (int)from->type, mem);
    job->priority = word(&sync__v1__job_priority__descriptor, (int)from->priority, mem);
    job->is_over = from->status == SYNC__V1__JOB_STATUS__JOB_STATUS_COMPLETED ||
                   from->status == SYNC__V1__JOB_STATUS__JOB_STATUS_FAILED ||
                   from->status == SYNC__V1__JOB_STATUS__JOB_STATUS_CANCELLED;
}

static void read_data(struct sync_job *job, const Sync__V1__Job *from, struct arena *mem)
{
    const Sync__V1__JobData *data = from->data;

    job->source = arena_text(mem, data != NULL ? data->source : "");
    job->target = arena_text(mem, data != NULL ? data->target : "");
    job->entity = arena_text(mem, data != NULL ? data->entity : "");
    job->data_json = arena_text(mem, data != NULL ? data->json : "");
}

/* The total is known if each entity's is. */
static void read_records(struct sync_job *job, const Sync__V1__Job *from)
{
    bool known = from->n_entities > 0;

    for (size_t i = 0; i < from->n_entities; i++) {
        const Sync__V1__EntityProgress *entity = from->entities[i];
        job->records_done += entity->done;
        if (entity->total_set_case == SYNC__V1__ENTITY_PROGRESS__TOTAL_SET_TOTAL)
            job->records_total += entity->total;
        else
            known = false;
    }
    if (!known)
        job->records_total = 0;
}

static void read_times(struct sync_job *job, const Sync__V1__Job *from)
{
    job->queued_at_ms = ms_of(from->queued_at);
    job->started_at_ms = ms_of(from->started_at);
    job->ended_at_ms = ms_of(from->ended_at);
    job->scheduled_for_ms = ms_of(from->scheduled_for);
    job->not_before_ms = ms_of(from->not_before);
    job->estimated_start_ms = ms_of(from->estimated_start);
    job->estimated_completion_ms = ms_of(from->estimated_completion);
}

static void read_progress(struct sync_job *job, const Sync__V1__Job *from)
{
    bool unknown =
        from->progress_known_set_case == SYNC__V1__JOB__PROGRESS_KNOWN_SET_PROGRESS_KNOWN &&
        !from->progress_known;

    job->progress = unknown ? -1 : from->progress;
    if (from->attempts_set_case == SYNC__V1__JOB__ATTEMPTS_SET_ATTEMPTS)
        job->attempts = from->attempts;
    if (from->duplicate_set_case == SYNC__V1__JOB__DUPLICATE_SET_DUPLICATE)
        job->is_duplicate = from->duplicate;
}

bool job_read(struct sync_job *job, const Sync__V1__Job *from, struct arena *mem)
{
    *job = (struct sync_job){ 0 };
    job->id = arena_text(mem, from->id);
    job->name = arena_text(mem, from->name);
    job->org = arena_text(mem, from->org_id);
    job->worker_id = arena_text(mem, from->worker_id);
    job->error = arena_text(mem, from->error != NULL ? from->error->message : "");
    job->error_class = arena_text(mem, from->error != NULL ? from->error->class_ : "");
    read_words(job, from, mem);
    read_data(job, from, mem);
    read_records(job, from);
    read_times(job, from);
    read_progress(job, from);
    /* Once an arena is full it stays so: the last text tells of all. */
    return arena_text(mem, "") != NULL;
}

struct sync_job *job_new(const Sync__V1__Job *from)
{
    struct arena *mem = arena_new(CLIENT_ANSWER_MEMORY_MAX);
    struct owned_job *own = mem != NULL ? arena_alloc(mem, sizeof *own) : NULL;

    if (own == NULL || !job_read(&own->job, from, mem)) {
        arena_free(mem);
        return NULL;
    }
    own->mem = mem;
    return &own->job;
}

void sync_client_job_free(struct sync_job *job)
{
    if (job != NULL)
        arena_free(container_of(job, struct owned_job, job)->mem);
}

static const struct sync_job **read_jobs(const Sync__V1__ListJobsResponse *from, struct arena *mem)
{
    const struct sync_job **jobs = arena_alloc(mem, (from->n_jobs + 1) * sizeof(struct sync_job *));

    for (size_t i = 0; jobs != NULL && i < from->n_jobs; i++) {
        struct sync_job *job = arena_alloc(mem, sizeof *job);
        if (job == NULL || !job_read(job, from->jobs[i], mem))
            return NULL;
        jobs[i] = job;
    }
    return jobs;
}

struct sync_job_list *job_list_new(const Sync__V1__ListJobsResponse *from)
{
    struct arena *mem = arena_new(CLIENT_ANSWER_MEMORY_MAX);
    struct owned_list *own = mem != NULL ? arena_alloc(mem, sizeof *own) : NULL;

    if (own != NULL) {
        own->mem = mem;
        own->list.jobs = read_jobs(from, mem);
        own->list.count = from->n_jobs;
        own->list.next_page_token = arena_text(mem, from->next_page_token);
        if (own->list.jobs != NULL && own->list.next_page_token != NULL)
            return &own->list;
    }
    arena_free(mem);
    return NULL;
}

void sync_client_list_free(struct sync_job_list *list)
{
    if (list != NULL)
        arena_free(container_of(list, struct owned_list, list)->mem);
}
