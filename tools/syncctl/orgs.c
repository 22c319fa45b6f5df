#include "tools/syncctl/command.h"
#include "tools/syncctl/format.h"
#include "tools/syncctl/json.h"

#include "sync/v1/admin.pb-c.h"

#include <inttypes.h>
#include <stdio.h>

/* orgs: organisations and their limits. PutOrg replaces all limits at once, so a
 * change begins with what there is and keeps what no flag names. */

enum {
    ORGS_NAME = OPTION_OWN,
    ORGS_MAX_ACTIVE,
    ORGS_MAX_QUEUED,
    ORGS_MAX_REQUESTS,
    ORGS_WEIGHT,
    ORGS_KEEP_COMPLETED,
    ORGS_KEEP_FAILED,
    ORGS_KEEP_RUNS,
    ORGS_SETTINGS
};

/* clang-format off */
static const struct setting settings[ORGS_SETTINGS] = {
    OPTIONS_OF_ALL,
    [ORGS_NAME] = { SETTING_FLAG("name"), .help = "What people call it." },
    [ORGS_MAX_ACTIVE] = { SETTING_FLAG("max-active"), .type = SETTING_NUMBER, .most = UINT32_MAX,
        .help = "Jobs at a time; 0: no limit." },
    [ORGS_MAX_QUEUED] = { SETTING_FLAG("max-queued"), .type = SETTING_NUMBER,
        .help = "Jobs that wait; 0: no limit." },
    [ORGS_MAX_REQUESTS] = { SETTING_FLAG("max-requests"), .type = SETTING_NUMBER,
        .most = UINT32_MAX, .help = "Requests a second that change something; 0: no limit." },
    [ORGS_WEIGHT] = { SETTING_FLAG("weight"), .type = SETTING_NUMBER, .most = UINT32_MAX,
        .help = "Its share of the workers beside others'; 0 is 1." },
    [ORGS_KEEP_COMPLETED] = { SETTING_FLAG("keep-completed"), .type = SETTING_DURATION,
        .help = "How long completed and cancelled jobs are kept; 0: as the server's settings say." },
    [ORGS_KEEP_FAILED] = { SETTING_FLAG("keep-failed"), .type = SETTING_DURATION,
        .help = "How long failed jobs are kept; 0: as the server's settings say." },
    [ORGS_KEEP_RUNS] = { SETTING_FLAG("keep-runs"), .type = SETTING_NUMBER, .most = UINT32_MAX,
        .help = "How many completed and cancelled jobs of one sync are kept; 0: as the server's"
                " settings say." },
};
/* clang-format on */

static const char *limit_text(struct session *session, uint64_t limit)
{
    char text[24];

    if (limit == 0)
        return "-";
    snprintf(text, sizeof text, "%" PRIu64, limit);
    return session_text(session, text);
}

static void print_orgs(struct session *session, Sync__V1__Org *const *orgs, size_t count)
{
    static const char *const headings[] = { "ID",         "NAME",   "MAX ACTIVE",     "MAX QUEUED",
                                            "REQUESTS/S", "WEIGHT", "KEEP COMPLETED", "KEEP FAILED",
                                            "KEEP RUNS" };
    enum { COLUMNS = sizeof headings / sizeof *headings };
    const Sync__V1__OrgLimits none = SYNC__V1__ORG_LIMITS__INIT;
    struct table *table = table_new(session, headings, COLUMNS);

    for (size_t i = 0; i < count; i++) {
        const Sync__V1__OrgLimits *limits = orgs[i]->limits != NULL ? orgs[i]->limits : &none;

        table_add(table, (const char *const[COLUMNS]){
                             session_text(session, orgs[i]->id), clean_text(session, orgs[i]->name),
                             limit_text(session, limits->max_active),
                             limit_text(session, limits->max_queued),
                             limit_text(session, limits->max_requests_per_second),
                             limit_text(session, limits->weight > 0 ? limits->weight : 1),
                             duration_text(session, limits->keep_completed),
                             duration_text(session, limits->keep_failed),
                             limit_text(session, limits->keep_runs) });
    }
    table_print(table);
}

/* Prints and frees an answer whose first field is the organisation. */
static enum exit_status print_one(struct session *session, ProtobufCMessage *answer)
{
    if (session->output == OUTPUT_JSON)
        print_json(session, answer);
    else
        print_orgs(session, &((Sync__V1__GetOrgResponse *)answer)->org, 1);
    protobuf_c_message_free_unpacked(answer, NULL);
    return EXIT_DONE;
}

static ProtobufCMessage *get_org(struct session *session, const char *id,
                                 struct rpc_status *outcome)
{
    Sync__V1__GetOrgRequest request = SYNC__V1__GET_ORG_REQUEST__INIT;

    request.id = session_text(session, id);
    return channel_call_wait(session->channel, "/sync.v1.AdminService/GetOrg",
                             &sync__v1__get_org_response__descriptor, &request.base, NULL, 0,
                             session->timeout_ms, outcome);
}

static enum exit_status show_one(struct session *session, const char *id)
{
    struct rpc_status outcome = { .code = RPC_OK };
    ProtobufCMessage *answer = get_org(session, id, &outcome);

    return answer != NULL ? print_one(session, answer) : session_fail(session, &outcome);
}

static void read_flags(struct session *session, Sync__V1__Org *org)
{
    const struct settings *said = session->settings;

    if (settings_given(said, ORGS_NAME))
        org->name = session_text(session, settings_text(said, ORGS_NAME));
    if (settings_given(said, ORGS_MAX_ACTIVE))
        org->limits->max_active = (uint32_t)settings_number(said, ORGS_MAX_ACTIVE);
    if (settings_given(said, ORGS_MAX_QUEUED))
        org->limits->max_queued = (uint64_t)settings_number(said, ORGS_MAX_QUEUED);
    if (settings_given(said, ORGS_MAX_REQUESTS))
        org->limits->max_requests_per_second = (uint32_t)settings_number(said, ORGS_MAX_REQUESTS);
    if (settings_given(said, ORGS_WEIGHT))
        org->limits->weight = (uint32_t)settings_number(said, ORGS_WEIGHT);
    if (settings_given(said, ORGS_KEEP_COMPLETED))
        org->limits->keep_completed = read_duration(session, ORGS_KEEP_COMPLETED);
    if (settings_given(said, ORGS_KEEP_FAILED))
        org->limits->keep_failed = read_duration(session, ORGS_KEEP_FAILED);
    if (settings_given(said, ORGS_KEEP_RUNS))
        org->limits->keep_runs = (uint32_t)settings_number(said, ORGS_KEEP_RUNS);
}

/* The request borrows the limits of what there was, if there was anything. */
static enum exit_status put_one(struct session *session, const char *id)
{
    struct rpc_status outcome = { .code = RPC_OK };
    Sync__V1__GetOrgResponse *before = (Sync__V1__GetOrgResponse *)get_org(session, id, &outcome);
    Sync__V1__PutOrgRequest request = SYNC__V1__PUT_ORG_REQUEST__INIT;
    Sync__V1__OrgLimits limits = SYNC__V1__ORG_LIMITS__INIT;
    Sync__V1__Org org = SYNC__V1__ORG__INIT;
    ProtobufCMessage *answer;
    enum exit_status status;

    if (before == NULL && outcome.code != RPC_NOT_FOUND)
        return session_fail(session, &outcome);
    if (before != NULL && before->org->limits != NULL)
        limits = *before->org->limits;
    org.id = session_text(session, id);
    org.name = session_text(session, before != NULL ? before->org->name : "");
    org.limits = &limits;
    read_flags(session, &org);
    request.org = &org;
    answer = session_call(session, "/sync.v1.AdminService/PutOrg",
                          &sync__v1__put_org_response__descriptor, &request.base, 0, &status);
    if (before != NULL)
        sync__v1__get_org_response__free_unpacked(before, NULL);
    return answer != NULL ? print_one(session, answer) : status;
}

/* One page after the other, each printed as it comes. */
static enum exit_status show_all(struct session *session)
{
    Sync__V1__ListOrgsRequest request = SYNC__V1__LIST_ORGS_REQUEST__INIT;

    request.page_size = 1000;
    do {
        enum exit_status status;
        Sync__V1__ListOrgsResponse *page = (Sync__V1__ListOrgsResponse *)session_call(
            session, "/sync.v1.AdminService/ListOrgs", &sync__v1__list_orgs_response__descriptor,
            &request.base, 0, &status);

        if (page == NULL)
            return status;
        if (session->output == OUTPUT_JSON)
            print_json(session, &page->base);
        else
            print_orgs(session, page->orgs, page->n_orgs);
        request.page_token = session_text(session, page->next_page_token);
        sync__v1__list_orgs_response__free_unpacked(page, NULL);
    } while (*request.page_token != '\0');
    return EXIT_DONE;
}

static bool any_change(const struct settings *said)
{
    for (size_t i = OPTION_OWN; i < ORGS_SETTINGS; i++)
        if (settings_given(said, i))
            return true;
    return false;
}

static enum exit_status run(struct session *session)
{
    const struct settings *said = session->settings;
    bool change = any_change(said);

    session->is_not_about_jobs = true;
    if (settings_operand_count(said) == 0)
        return change ? session_wrong_use("which organisation? Give its ID; see syncctl orgs"
                                          " --help")
                      : show_all(session);
    return change ? put_one(session, settings_operand(said, 0))
                  : show_one(session, settings_operand(said, 0));
}

const struct command command_orgs = {
    .name = "orgs",
    .operands = "[ID]",
    .summary = "The organisations and their limits; with flags, change or create one",
    .help = "What no flag names stays as it is. Of two changes at the same time the later one\n"
            "rules.\n",
    .settings = settings,
    .setting_count = ORGS_SETTINGS,
    .operands_most = 1,
    .without_org = true,
    .run = run,
};
