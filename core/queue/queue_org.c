#include "core/queue/queue_state.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* Organisations: found by id, numbered for short keys, created when something
 * is first queued for them; and their counters, maintained and never counted. */

static bool is_name_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.'
        || c == '_' || c == '-';
}

bool name_is_valid(struct bytes name)
{
    if (name.size == 0 || name.size > NAME_SIZE_MAX)
        return false;
    for (size_t i = 0; i < name.size; i++)
        if (!is_name_byte(name.data[i]))
            return false;
    return true;
}

enum err org_check_id(struct bytes id, struct why *why)
{
    if (id.size == 0)
        return err_field(why, "orgid", "orgid is missing: say which organisation this is for");
    if (!name_is_valid(id))
        return err_field(why, "orgid", "orgid must be 1 to %d of A-Z a-z 0-9 . _ -", NAME_SIZE_MAX);
    return OK;
}

enum err org_find(struct queue *queue, struct bytes id, struct org **out, struct why *why)
{
    enum err e = org_check_id(id, why);

    if (e != OK)
        return e;
    HASH_FIND(by_id, queue->orgs_by_id, id.data, id.size, *out);
    return *out != NULL ? OK
                        : err_because(why, ERR_NOT_FOUND, "organisation %.*s has no jobs",
                                      (int)id.size, (const char *)id.data);
}

/* A token bucket that holds one second's worth. */
enum err org_admit(struct queue *queue, struct org *org, struct why *why)
{
    int64_t rate = org->record.max_requests_per_second, full = rate * 1000;
    int64_t gone_ms = queue->mono_ms - org->tokens_mono_ms;
    enum err e;

    if (rate == 0)
        return OK;
    org->tokens_milli = gone_ms >= 1000 || org->tokens_mono_ms == 0 ? full
                                                                    : org->tokens_milli + gone_ms * rate;
    org->tokens_mono_ms = queue->mono_ms;
    if (org->tokens_milli > full)
        org->tokens_milli = full;
    if (org->tokens_milli >= 1000) {
        org->tokens_milli -= 1000;
        return OK;
    }
    e = err_because(why, ERR_LIMIT, "organisation %s makes more than %lld requests a second: its limit",
                    org->id, (long long)rate);
    why->retry_after_ms = (1000 - org->tokens_milli + rate - 1) / rate;
    return e;
}

static uint64_t place_number(struct org_place place)
{
    return (uint64_t)place.slot << 32 | place.number;
}

struct org *org_at(struct queue *queue, struct org_place place)
{
    uint64_t number = place_number(place);
    struct org *org;

    HASH_FIND(by_place, queue->orgs_by_place, &number, sizeof number, org);
    return org;
}

struct bytes org_id(const struct org *org)
{
    return bytes_of_text(org->id);
}

char *text_copy(struct bytes bytes)
{
    char *text = malloc(bytes.size + 1);

    if (text == NULL)
        abort();
    if (bytes.size > 0)
        memcpy(text, bytes.data, bytes.size);
    text[bytes.size] = '\0';
    return text;
}

void org_set_name(struct org *org, struct bytes name)
{
    char *copy = text_copy(name);

    free(org->name);
    org->name = copy;
    org->record.name = bytes_of_text(copy);
}

struct org *org_add(struct queue *queue, struct bytes id, const struct org_record *record)
{
    struct org *org = calloc(1, sizeof *org);

    if (org == NULL)
        abort();
    org->id = text_copy(id);
    org->place = (struct org_place){ key_slot(id), record->number };
    org->place_number = place_number(org->place);
    org->record = *record;
    org_set_name(org, record->name);
    link_init(&org->dirty_link);
    link_init(&org->sweep_link);
    link_init(&org->endings.link);
    for (int i = 0; i < ENDING_KIND_COUNT; i++)
        org->retained[i].org = org;
    for (int i = 0; i < RUN_PRIORITY_COUNT; i++) {
        link_init(&org->classes[i].lanes);
        link_init(&org->classes[i].turn);
        org->classes[i].org = org;
    }
    HASH_ADD_KEYPTR(by_id, queue->orgs_by_id, org->id, id.size, org);
    HASH_ADD(by_place, queue->orgs_by_place, place_number, sizeof org->place_number, org);
    queue->org_count++;
    return org;
}

void org_free(struct queue *queue, struct org *org)
{
    ready_free_lanes(queue, org);
    list_remove(&org->dirty_link);
    list_remove(&org->sweep_link);
    list_remove(&org->endings.link);
    retention_forget(queue, org);
    HASH_DELETE(by_id, queue->orgs_by_id, org);
    HASH_DELETE(by_place, queue->orgs_by_place, org);
    queue->org_count--;
    free(org->name);
    free(org->id);
    free(org);
}

void org_write_record(struct queue *queue, struct org *org)
{
    struct key key = key_org(org_id(org));

    txn_put(queue->txn, FAMILY_ORG, key_bytes(&key), record_write_org(&org->record, queue->mem));
}

enum err org_find_or_create(struct queue *queue, struct bytes id, struct org **out,
                            struct why *why)
{
    enum err e = org_find(queue, id, out, why);
    struct org_record record;

    if (e != ERR_NOT_FOUND)
        return e;
    if (queue->org_count >= queue->options.orgs_max)
        return err_because(why, ERR_LIMIT, "there are %u organisations: no more fit",
                           queue->org_count);
    record = (struct org_record){ .number = ++queue->meta.last_org_number,
                                  .name = id,
                                  .created_at_ms = queue->now_ms };
    queue->meta_dirty = true;
    *out = org_add(queue, id, &record);
    org_write_record(queue, *out);
    org_touch(queue, *out);
    return OK;
}

void org_touch(struct queue *queue, struct org *org)
{
    if (!link_is_linked(&org->dirty_link))
        list_append(&queue->dirty_orgs, &org->dirty_link);
}

/* One record per organisation and turn, however many of its jobs moved. */
void org_write_counters(struct queue *queue)
{
    while (link_is_linked(&queue->dirty_orgs)) {
        struct org *org = container_of(queue->dirty_orgs.next, struct org, dirty_link);
        struct key key = key_of_org(org->place);

        list_remove(&org->dirty_link);
        txn_put(queue->txn, FAMILY_COUNTERS, key_bytes(&key),
                record_write_counters(&org->counters, queue->mem));
    }
}

/* The counter that a live state is counted in; NULL for ended ones. */
static uint64_t *live_counter(struct counters *c, enum run_state state)
{
    if (run_is_leased(state))
        return &c->active;
    if (state == RUN_QUEUED || state == RUN_BACKOFF)
        return &c->queued;
    if (state == RUN_SCHEDULED)
        return &c->scheduled;
    return state == RUN_PAUSED ? &c->paused : NULL;
}

static uint64_t *lifetime_counter(struct counters *c, enum run_state state)
{
    return state == RUN_COMPLETED ? &c->completed
         : state == RUN_FAILED    ? &c->failed
         : state == RUN_CANCELLED ? &c->cancelled
                                  : NULL;
}

static uint64_t *kept_counter(struct counters *c, enum run_state state)
{
    return state == RUN_COMPLETED ? &c->kept_completed
         : state == RUN_FAILED    ? &c->kept_failed
         : state == RUN_CANCELLED ? &c->kept_cancelled
                                  : NULL;
}

static void count_in(struct counters *c, enum run_state from, enum run_state to)
{
    uint64_t *before = live_counter(c, from), *after = live_counter(c, to);
    uint64_t *kept_before = kept_counter(c, from), *kept_after = kept_counter(c, to);

    if (before != NULL)
        --*before;
    if (after != NULL)
        ++*after;
    if (kept_before != NULL)
        --*kept_before;
    if (kept_after != NULL) {
        ++*kept_after;
        ++*lifetime_counter(c, to);
    }
}

void org_count(struct queue *queue, struct org *org, enum run_state from, enum run_state to)
{
    if (from == to)
        return;
    count_in(&org->counters, from, to);
    count_in(&queue->totals, from, to);
    org_touch(queue, org);
}

void handle_put_org(struct queue *queue, struct request *request)
{
    struct put_org_request *req = container_of(request, struct put_org_request, base);
    struct org *org = NULL;
    enum err e = OK;

    if (req->limits.keep_completed_ms < 0 || req->limits.keep_failed_ms < 0)
        e = err_field(&request->why, "limits", "limits: a time to keep jobs must not be negative");
    if (e == OK && req->name.size > NAME_SIZE_MAX)
        e = err_field(&request->why, "name", "name is longer than %d bytes", NAME_SIZE_MAX);
    if (e == OK && req->limits.weight > WEIGHT_MAX)
        e = err_field(&request->why, "limits.weight", "limits.weight must be 0 to %d", WEIGHT_MAX);
    if (e == OK)
        e = org_find_or_create(queue, req->org, &org, &request->why);
    if (e == OK) {
        if (req->name.size > 0)
            org_set_name(org, req->name);
        org->record.max_active = req->limits.max_active;
        org->record.max_queued = req->limits.max_queued;
        org->record.max_requests_per_second = req->limits.max_requests_per_second;
        org->record.weight = req->limits.weight;
        org->record.keep_completed_ms = req->limits.keep_completed_ms;
        org->record.keep_failed_ms = req->limits.keep_failed_ms;
        org->record.keep_runs = req->limits.keep_runs;
        org_write_record(queue, org);
        retention_watch(queue, org);
        audit_add(queue, request, org, "put_org", req->actor, req->org, bytes_of(NULL, 0));
        req->created_at_ms = org->record.created_at_ms;
    }
    answer(queue, request, e);
}
