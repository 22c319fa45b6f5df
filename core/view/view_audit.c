#include "core/view.h"

#include "core/store/key.h"
#include "core/store/record.h"

/* The audit log, newest first, of one organisation or of everybody. */

enum { LOOKS_MAX = 10000 };

/* An entry's ticket may run ahead of its time by so much: the clock was set back. */
static const int64_t CLOCK_STEP_MS = 24 * 3600 * 1000;

struct audit_listing {
    struct arena *mem;
    const struct audit_filter *filter;
    struct audit_entry *entries;
    uint32_t count, max, looks;
    uint64_t *next;
    enum err e;
    struct why *why;
};

static int64_t latest_ms(uint64_t ticket)
{
    return (int64_t)(ticket >> 12);
}

static bool visit_entry(void *ctx, struct bytes key, struct bytes value)
{
    struct audit_listing *list = ctx;
    uint64_t ticket = key_ticket_read(key);
    struct audit_record record;
    void *copy;

    if (latest_ms(ticket) < list->filter->since_ms)
        return false;
    if (list->count == list->max || list->looks++ == LOOKS_MAX) {
        *list->next = ticket + 1; /* `before` this comes the entry itself */
        return false;
    }
    copy = arena_copy(list->mem, value.data, value.size);
    if (copy == NULL) {
        list->e =
            err_because(list->why, ERR_LIMIT, "the answer is too large: ask for a smaller page");
        return false;
    }
    list->e = record_read_audit(bytes_of(copy, value.size), list->mem, &record, list->why);
    if (list->e != OK)
        return false;
    if (record.at_ms < list->filter->since_ms ||
        (list->filter->until_ms != 0 && record.at_ms >= list->filter->until_ms))
        return true;
    list->entries[list->count++] = (struct audit_entry){
        .ticket = ticket,
        .at_ms = record.at_ms,
        .actor = record.actor,
        .action = record.action,
        .org = record.org,
        .subject = record.subject,
        .reason = record.reason,
        .peer = record.peer,
    };
    return true;
}

/* Where `until` cannot lie before. */
static uint64_t end_of(const struct audit_filter *filter)
{
    uint64_t end = filter->before != 0 ? filter->before : UINT64_MAX;

    if (filter->until_ms > 0 && filter->until_ms < INT64_MAX >> 13) {
        uint64_t until = (uint64_t)(filter->until_ms + CLOCK_STEP_MS) << 12;

        end = until < end ? until : end;
    }
    return end;
}

static enum err find_place(struct view *view, struct bytes org, struct org_place *place,
                           struct why *why)
{
    struct org_record record;
    struct bytes value;
    struct key key;
    enum err e;

    *place = (struct org_place){ 0, 0 };
    if (org.size == 0)
        return OK;
    if (org.size > NAME_SIZE_MAX)
        return err_field(why, "orgId", "orgId must be 1 to %d of A-Z a-z 0-9 . _ -", NAME_SIZE_MAX);
    key = key_org(org);
    e = view->reader->ops->get(view->reader, FAMILY_ORG, key_bytes(&key), view->mem, &value, why);
    if (e == OK)
        e = record_read_org(value, view->mem, &record, why);
    if (e == OK)
        *place = (struct org_place){ key_slot(org), record.number };
    return e;
}

enum err view_audit(struct view *view, struct bytes org, const struct audit_filter *filter,
                    uint32_t max, struct audit_entry **entries, uint32_t *count, uint64_t *next,
                    struct why *why)
{
    struct audit_listing list = {
        .mem = view->mem, .filter = filter, .max = max, .next = next, .why = why
    };
    struct store_range range = { .family = FAMILY_AUDIT, .direction = STORE_BACKWARD };
    struct org_place place;
    struct key from, to;
    enum err e = find_place(view, org, &place, why);

    *entries = NULL;
    *count = 0;
    *next = 0;
    if (e != OK)
        return e == ERR_NOT_FOUND ? OK : e;
    list.entries = arena_alloc(view->mem, max * sizeof *list.entries + 1);
    if (list.entries == NULL)
        return err_because(why, ERR_LIMIT, "the answer is too large: ask for a smaller page");
    from = key_of_org(place);
    to = key_ticket(place, end_of(filter));
    range.from = key_bytes(&from);
    range.to = key_bytes(&to);
    e = view->reader->ops->scan(view->reader, &range, visit_entry, &list, why);
    *entries = list.entries;
    *count = list.count;
    return e == OK ? list.e : e;
}
