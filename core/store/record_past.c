#include "core/store/record.h"
#include "core/store/record_pack.h"

#include <string.h>

/* The records of what is over: ends of runs, purges under way, the audit log. */

typedef Sync__Store__V1__AuditRecord Audit;
typedef Sync__Store__V1__EndingsRecord Endings;
typedef Sync__Store__V1__HistoryRecord History;
typedef Sync__Store__V1__PurgeRecord Purge;

struct bytes record_write_history(const struct history_record *history, struct arena *mem)
{
    History r = SYNC__STORE__V1__HISTORY_RECORD__INIT;

    r.runs = (uint64_t *)(uintptr_t)history->runs;
    r.n_runs = history->count;
    return pack(&r.base, mem);
}

enum err record_read_history(struct bytes b, struct arena *mem, struct history_record *history,
                             struct why *why)
{
    enum err e;
    const History *r = unpack(&sync__store__v1__history_record__descriptor, b, mem, &e, why);

    if (r == NULL)
        return e;
    if (r->n_runs > HISTORY_CHUNK_RUNS)
        return err_because(why, ERR_CORRUPT, "a stored history is too long");
    history->count = (uint32_t)r->n_runs;
    if (r->n_runs > 0)
        memcpy(history->runs, r->runs, r->n_runs * sizeof *r->runs);
    return OK;
}

struct bytes record_write_endings(const struct endings_record *endings, struct arena *mem)
{
    Endings r = SYNC__STORE__V1__ENDINGS_RECORD__INIT;

    r.ended_at_ms = endings->ended_at_ms;
    r.runs = array(mem, endings->count, sizeof *r.runs);
    r.names = array(mem, endings->count, sizeof *r.names);
    r.states.data = array(mem, endings->count, 1);
    r.n_runs = r.n_names = r.states.len = endings->count;
    for (uint32_t i = 0; i < endings->count; i++) {
        r.runs[i] = endings->endings[i].run;
        r.names[i] = endings->endings[i].name;
        r.states.data[i] = (uint8_t)endings->endings[i].state;
    }
    return pack(&r.base, mem);
}

enum err record_read_endings(struct bytes b, struct arena *mem, struct endings_record *endings,
                             struct why *why)
{
    enum err e;
    const Endings *r = unpack(&sync__store__v1__endings_record__descriptor, b, mem, &e, why);

    if (r == NULL)
        return e;
    if (r->n_names != r->n_runs || r->states.len != r->n_runs)
        return err_because(why, ERR_CORRUPT, "a stored list of ended jobs contradicts itself");
    *endings =
        (struct endings_record){ .ended_at_ms = r->ended_at_ms, .count = (uint32_t)r->n_runs };
    endings->endings = arena_alloc(mem, r->n_runs * sizeof *endings->endings + 1);
    if (endings->endings == NULL)
        return err_because(why, ERR_LIMIT, "the answer is too large");
    for (size_t i = 0; i < r->n_runs; i++)
        endings->endings[i] =
            (struct ending){ r->runs[i], r->names[i], (enum run_state)r->states.data[i] };
    return OK;
}

struct bytes record_write_purge(const struct purge_record *purge, struct arena *mem)
{
    Purge r = SYNC__STORE__V1__PURGE_RECORD__INIT;

    r.older_than_ms = purge->older_than_ms;
    r.name = to_binary(purge->name);
    r.state = purge->state;
    r.purge_epoch = purge->purge_epoch;
    r.completed = purge->completed;
    r.failed = purge->failed;
    r.cancelled = purge->cancelled;
    return pack(&r.base, mem);
}

enum err record_read_purge(struct bytes b, struct arena *mem, struct purge_record *purge,
                           struct why *why)
{
    enum err e;
    const Purge *r = unpack(&sync__store__v1__purge_record__descriptor, b, mem, &e, why);

    if (r == NULL)
        return e;
    if (r->state >= RUN_STATE_COUNT || r->name.len > NAME_SIZE_MAX)
        return err_because(why, ERR_CORRUPT, "a stored purge makes no sense");
    *purge = (struct purge_record){
        .older_than_ms = r->older_than_ms,
        .name = from_binary(r->name),
        .state = (enum run_state)r->state,
        .purge_epoch = r->purge_epoch,
        .completed = r->completed,
        .failed = r->failed,
        .cancelled = r->cancelled,
    };
    return OK;
}

struct bytes record_write_audit(const struct audit_record *audit, struct arena *mem)
{
    Audit r = SYNC__STORE__V1__AUDIT_RECORD__INIT;

    r.at_ms = audit->at_ms;
    r.actor = to_binary(audit->actor);
    r.action = to_binary(audit->action);
    r.org = to_binary(audit->org);
    r.org_number = audit->org_number;
    r.subject = to_binary(audit->subject);
    r.reason = to_binary(audit->reason);
    r.peer = to_binary(audit->peer);
    return pack(&r.base, mem);
}

enum err record_read_audit(struct bytes b, struct arena *mem, struct audit_record *audit,
                           struct why *why)
{
    enum err e;
    const Audit *r = unpack(&sync__store__v1__audit_record__descriptor, b, mem, &e, why);

    if (r == NULL)
        return e;
    *audit = (struct audit_record){
        .at_ms = r->at_ms,
        .actor = from_binary(r->actor),
        .action = from_binary(r->action),
        .org = from_binary(r->org),
        .subject = from_binary(r->subject),
        .reason = from_binary(r->reason),
        .peer = from_binary(r->peer),
        .org_number = r->org_number,
    };
    return OK;
}
