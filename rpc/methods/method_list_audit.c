#include "rpc/methods/method.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* ListAudit: who did what, newest first. A page token is the place in the log
 * that the next page begins before, in hexadecimal. */

enum { TOKEN_SIZE = 17 };

static enum err read_token(const char *token, uint64_t *before, struct why *why)
{
    char again[TOKEN_SIZE];

    *before = 0;
    if (token[0] == '\0')
        return OK;
    if (strlen(token) == TOKEN_SIZE - 1 && sscanf(token, "%16" SCNx64, before) == 1) {
        snprintf(again, sizeof again, "%016" PRIx64, *before);
        if (*before != 0 && strcmp(again, token) == 0)
            return OK;
    }
    return refuse_field(why, "pageToken", "is not one that this service gave out");
}

static enum err read_filter(const Sync__V1__ListAuditRequest *request, struct audit_filter *filter,
                            struct why *why)
{
    enum err e = read_time(request->since, "since", &filter->since_ms, why);

    if (e == OK)
        e = read_time(request->until, "until", &filter->until_ms, why);
    return e == OK ? read_token(request->page_token, &filter->before, why) : e;
}

static Sync__V1__AuditEntry *build_entry(struct builder *builder, const struct audit_entry *entry)
{
    Sync__V1__AuditEntry *message = build_message(builder, &sync__v1__audit_entry__descriptor);

    if (message == NULL)
        return NULL;
    message->at = build_time(builder, entry->at_ms);
    message->actor = build_text(builder, entry->actor);
    message->action = build_text(builder, entry->action);
    message->org_id = build_text(builder, entry->org);
    message->subject = build_text(builder, entry->subject);
    message->reason = build_text(builder, entry->reason);
    message->peer = build_text(builder, entry->peer);
    return message;
}

static void *build_page(struct builder *builder, const struct audit_entry *entries, uint32_t count,
                        uint64_t next)
{
    Sync__V1__ListAuditResponse *response =
        build_message(builder, &sync__v1__list_audit_response__descriptor);
    char token[TOKEN_SIZE];

    if (response == NULL)
        return NULL;
    if (count > 0)
        response->entries = build_array(builder, count, sizeof *response->entries);
    for (uint32_t i = 0; response->entries != NULL && i < count; i++) {
        response->entries[i] = build_entry(builder, &entries[i]);
        response->n_entries += response->entries[i] != NULL;
    }
    snprintf(token, sizeof token, "%016" PRIx64, next);
    if (next != 0)
        response->next_page_token = build_text(builder, bytes_of_text(token));
    return response;
}

static enum err read(struct method_call *m, struct view *view)
{
    const Sync__V1__ListAuditRequest *request = m->request;
    struct builder builder = { .mem = m->mem };
    struct audit_filter filter = { .before = 0 };
    struct audit_entry *entries = NULL;
    uint32_t max, count = 0;
    uint64_t next = 0;
    enum err e = read_page_size(request->page_size, &max, &m->why);

    if (e == OK)
        e = read_filter(request, &filter, &m->why);
    if (e == OK)
        e = view_audit(view, bytes_of_text(request->org_id), &filter, max, &entries, &count, &next,
                       &m->why);
    return e == OK ? method_respond(m, &builder, build_page(&builder, entries, count, next)) : e;
}

METHOD_START(list_audit)
{
    static const struct method_steps steps = { .any_org = true, .read = read };

    method_run(call, context, request, &steps);
}
