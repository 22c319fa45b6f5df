#include "tools/syncctl/command.h"
#include "tools/syncctl/format.h"
#include "tools/syncctl/json.h"

#include "sync/v1/admin.pb-c.h"

/* audit: who did what, when, why and from where. */

enum { AUDIT_SINCE = OPTION_OWN, AUDIT_UNTIL, AUDIT_LIMIT, AUDIT_SETTINGS };

enum { PAGE_SIZE_MAX = 1000 };

/* clang-format off */
static const struct setting settings[AUDIT_SETTINGS] = {
    OPTIONS_OF_ALL,
    [AUDIT_SINCE] = { SETTING_FLAG("since"), .placeholder = "TIME", .help = "Done then or later." },
    [AUDIT_UNTIL] = { SETTING_FLAG("until"), .placeholder = "TIME", .help = "Done before." },
    [AUDIT_LIMIT] = { SETTING_FLAG("limit"), .letter = 'n', .type = SETTING_NUMBER,
        .fallback = "100", .least = 1, .most = 100000, .help = "At most so many." },
};
/* clang-format on */

static Sync__V1__ListAuditResponse *list_page(struct session *session,
                                              Sync__V1__ListAuditRequest *request, size_t left,
                                              enum exit_status *status)
{
    request->page_size = left < PAGE_SIZE_MAX ? (uint32_t)left : PAGE_SIZE_MAX;
    return (Sync__V1__ListAuditResponse *)session_call(session, "/sync.v1.AdminService/ListAudit",
                                                       &sync__v1__list_audit_response__descriptor,
                                                       &request->base, 0, status);
}

/* Page after page, gathered into the first one. */
static Sync__V1__ListAuditResponse *
list_all(struct session *session, Sync__V1__ListAuditRequest *request, enum exit_status *status)
{
    size_t limit = (size_t)settings_number(session->settings, AUDIT_LIMIT), count = 0;
    Sync__V1__AuditEntry **entries = session_alloc(session, limit * sizeof *entries);
    Sync__V1__ListAuditResponse *all = session_alloc(session, sizeof *all);

    sync__v1__list_audit_response__init(all);
    do {
        Sync__V1__ListAuditResponse *page = list_page(session, request, limit - count, status);

        if (page == NULL)
            return NULL;
        for (size_t i = 0; i < page->n_entries && count < limit; i++) {
            entries[count++] = page->entries[i];
            page->entries[i] = NULL;
        }
        request->page_token = session_text(session, page->next_page_token);
        page->n_entries = 0;
        sync__v1__list_audit_response__free_unpacked(page, NULL);
    } while (*request->page_token != '\0' && count < limit);
    all->entries = entries;
    all->n_entries = count;
    all->next_page_token = request->page_token;
    return all;
}

static void print_entries(struct session *session, Sync__V1__AuditEntry *const *entries,
                          size_t count)
{
    static const char *const headings[] = { "TIME",    "WHO",    "ACTION", "ORG",
                                            "SUBJECT", "REASON", "FROM" };
    enum { COLUMNS = sizeof headings / sizeof *headings };
    struct table *table = table_new(session, headings, COLUMNS);

    for (size_t i = 0; i < count; i++) {
        const Sync__V1__AuditEntry *entry = entries[i];

        table_add(table, (const char *const[COLUMNS]){
                             time_text(session, entry->at), clean_text(session, entry->actor),
                             entry->action, entry->org_id, entry->subject,
                             clean_text(session, entry->reason), entry->peer });
    }
    table_print(table);
}

static enum exit_status run(struct session *session)
{
    Sync__V1__ListAuditRequest request = SYNC__V1__LIST_AUDIT_REQUEST__INIT;
    Sync__V1__ListAuditResponse *all;
    enum exit_status status = EXIT_DONE;

    request.org_id = session->org;
    if (!read_time(session, AUDIT_SINCE, "--since", &request.since) ||
        !read_time(session, AUDIT_UNTIL, "--until", &request.until))
        return EXIT_WRONG_USE;
    all = list_all(session, &request, &status);
    if (all == NULL)
        return status;
    if (session->output == OUTPUT_JSON)
        print_json(session, &all->base);
    else
        print_entries(session, all->entries, all->n_entries);
    for (size_t i = 0; i < all->n_entries; i++)
        sync__v1__audit_entry__free_unpacked(all->entries[i], NULL);
    return EXIT_DONE;
}

const struct command command_audit = {
    .name = "audit",
    .operands = "",
    .summary = "Who did what, newest first; without --org that of everybody",
    .settings = settings,
    .setting_count = AUDIT_SETTINGS,
    .without_org = true,
    .run = run,
};
