#include "tests/unit/methods/methods_fixture.h"

#include <string.h>

/* Schedules, watermarks, organisations, and what operators do. */

static Sync__V1__Job *queue_schedule(struct methods_fixture *f, const char *name)
{
    Sync__V1__QueueJobRequest request = SYNC__V1__QUEUE_JOB_REQUEST__INIT;
    Sync__V1__JobData data = SYNC__V1__JOB_DATA__INIT;
    Sync__V1__Schedule schedule = SYNC__V1__SCHEDULE__INIT;
    Sync__V1__QueueJobResponse *response;

    data.source = (char *)"demo";
    data.target = (char *)"local";
    schedule.repeat = SYNC__V1__SCHEDULE_REPEAT__SCHEDULE_REPEAT_DAILY;
    schedule.time = (char *)"03:00:30";
    request.name = (char *)name;
    request.type = SYNC__V1__JOB_TYPE__JOB_TYPE_SCHEDULED;
    request.data = &data;
    request.schedule = &schedule;
    response = ask(f, SYNC_PATH, QueueJob, queue_job, &request);
    assert_string_equal(f->status.message, "");
    return response->job;
}

static void a_schedule_is_shown_with_its_sync_and_deleted(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__GetSyncRequest get = SYNC__V1__GET_SYNC_REQUEST__INIT;
    Sync__V1__DeleteScheduleRequest request = SYNC__V1__DELETE_SCHEDULE_REQUEST__INIT;
    Sync__V1__GetSyncResponse *sync;
    Sync__V1__DeleteScheduleResponse *deleted;

    queue_schedule(f, "nightly");
    get.name = request.name = (char *)"nightly";
    sync = ask(f, SYNC_PATH, GetSync, get_sync, &get);
    assert_non_null(sync);
    assert_string_equal(sync->sync->schedule->time, "03:00:30");
    assert_int_equal(sync->sync->n_next_runs, 5);
    deleted = ask(f, SYNC_PATH, DeleteSchedule, delete_schedule, &request);
    assert_non_null(deleted);
    assert_string_equal(deleted->sync->name, "nightly");
    assert_null(deleted->sync->schedule);
    request.name = (char *)"";
    assert_null(ask(f, SYNC_PATH, DeleteSchedule, delete_schedule, &request));
    assert_failed(f, RPC_INVALID_ARGUMENT, "name");
}

static void firings_that_made_no_run_are_counted_by_reason(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__GetSyncRequest get = SYNC__V1__GET_SYNC_REQUEST__INIT;
    Sync__V1__CancelJobRequest cancel = SYNC__V1__CANCEL_JOB_REQUEST__INIT;
    Sync__V1__GetSyncResponse *sync;

    cancel.id = queue_schedule(f, "nightly")->id;
    get.name = (char *)"nightly";
    sync = ask(f, SYNC_PATH, GetSync, get_sync, &get);
    assert_null(sync->sync->statistics->skipped_by);
    assert_non_null(ask(f, SYNC_PATH, CancelJob, cancel_job, &cancel));
    sync = ask(f, SYNC_PATH, GetSync, get_sync, &get);
    assert_int_equal(sync->sync->statistics->skipped, 1);
    assert_int_equal(sync->sync->statistics->skipped_by->cancelled, 1);
    assert_int_equal(sync->sync->statistics->skipped_by->missed, 0);
}

static void a_watermark_is_set_by_a_person_and_shown(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__ResetWatermarkRequest request = SYNC__V1__RESET_WATERMARK_REQUEST__INIT;
    Google__Protobuf__Timestamp value = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    Sync__V1__ResetWatermarkResponse *response;

    queue_job(f, "orders");
    value.seconds = 1700000000;
    request.name = (char *)"orders";
    request.entity = (char *)"products";
    request.value = &value;
    response = ask(f, SYNC_PATH, ResetWatermark, reset_watermark, &request);
    assert_string_equal(f->status.message, "");
    assert_int_equal(response->sync->n_watermarks, 1);
    assert_string_equal(response->sync->watermarks[0]->entity, "products");
    assert_int_equal(response->sync->watermarks[0]->value->seconds, 1700000000);
    assert_string_equal(response->sync->watermarks[0]->set_by_job, "");
    request.name = (char *)"nobody";
    assert_null(ask(f, SYNC_PATH, ResetWatermark, reset_watermark, &request));
    assert_failed(f, RPC_NOT_FOUND, "");
}

static void an_organisation_is_made_named_and_listed(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__PutOrgRequest put = SYNC__V1__PUT_ORG_REQUEST__INIT;
    Sync__V1__GetOrgRequest get = SYNC__V1__GET_ORG_REQUEST__INIT;
    Sync__V1__ListOrgsRequest list = SYNC__V1__LIST_ORGS_REQUEST__INIT;
    Sync__V1__Org org = SYNC__V1__ORG__INIT;
    Sync__V1__OrgLimits limits = SYNC__V1__ORG_LIMITS__INIT;
    Sync__V1__GetOrgResponse *got;
    Sync__V1__ListOrgsResponse *page;

    assert_null(ask(f, ADMIN_PATH, PutOrg, put_org, &put));
    assert_failed(f, RPC_INVALID_ARGUMENT, "org.id");
    org.id = (char *)"b-org";
    org.name = (char *)"Example Organization";
    limits.max_active = 3;
    org.limits = &limits;
    put.org = &org;
    assert_non_null(ask(f, ADMIN_PATH, PutOrg, put_org, &put));
    queue_job(f, "first-use");

    get.id = (char *)"b-org";
    got = ask(f, ADMIN_PATH, GetOrg, get_org, &get);
    assert_string_equal(got->org->name, "Example Organization");
    assert_int_equal(got->org->limits->max_active, 3);
    assert_non_null(got->org->created_at);
    list.page_size = 1;
    page = ask(f, ADMIN_PATH, ListOrgs, list_orgs, &list);
    assert_int_equal(page->n_orgs, 1);
    assert_string_equal(page->orgs[0]->id, ORG);
    list.page_token = page->next_page_token;
    page = ask(f, ADMIN_PATH, ListOrgs, list_orgs, &list);
    assert_string_equal(page->orgs[0]->id, "b-org");
    get.id = (char *)"nobody";
    assert_null(ask(f, ADMIN_PATH, GetOrg, get_org, &get));
    assert_failed(f, RPC_NOT_FOUND, "");
}

static void a_backup_holds_what_was_answered(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__BackupRequest request = SYNC__V1__BACKUP_REQUEST__INIT;
    struct fake_store copy;

    queue_job(f, "kept");
    request.directory = (char *)"relative";
    assert_null(ask(f, ADMIN_PATH, Backup, backup, &request));
    assert_failed(f, RPC_INVALID_ARGUMENT, "directory");
    request.directory = (char *)"/nowhere/backup";
    assert_non_null(ask(f, ADMIN_PATH, Backup, backup, &request));
    assert_true(fake_store_open_backup(&f->store, "/nowhere/backup", &copy));
    assert_int_equal(fake_store_count(&copy), fake_store_count(&f->store));
    fake_store_free(&copy);
}

static void a_drain_stops_leases_and_is_shown(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__DrainRequest request = SYNC__V1__DRAIN_REQUEST__INIT;
    Sync__V1__GetServiceInfoRequest get = SYNC__V1__GET_SERVICE_INFO_REQUEST__INIT;
    Sync__V1__DrainResponse *drained;
    Sync__V1__GetServiceInfoResponse *info;

    queue_job(f, "leased");
    lease_jobs(f, 1);
    queue_job(f, "waits");
    drained = ask(f, ADMIN_PATH, Drain, drain, &request);
    assert_non_null(drained);
    assert_int_equal(drained->leases_held, 1);
    assert_int_equal(lease_jobs(f, 1)->n_jobs, 0);
    info = ask(f, SYNC_PATH, GetServiceInfo, get_service_info, &get);
    assert_string_equal(info->status, "draining");
}

static void what_is_promised_and_not_built_says_so(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__CreateTokenRequest create = SYNC__V1__CREATE_TOKEN_REQUEST__INIT;

    assert_null(ask(f, ADMIN_PATH, CreateToken, create_token, &create));
    assert_failed(f, RPC_UNIMPLEMENTED, "");
    assert_non_null(strstr(f->status.message, "CreateToken"));
}

/* Who, when, what, from where; newest first, a page at a time. */
static void the_audit_log_is_listed(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__ListAuditRequest audit = SYNC__V1__LIST_AUDIT_REQUEST__INIT;
    Sync__V1__ListAuditResponse *page;
    Sync__V1__AuditEntry *entry;

    queue_job(f, "orders");
    assert_non_null(pause_job(f, "orders"));
    audit.org_id = (char *)ORG;
    page = ask(f, ADMIN_PATH, ListAudit, list_audit, &audit);
    assert_int_equal(page->n_entries, 1);
    entry = page->entries[0];
    assert_string_equal(entry->action, "pause");
    assert_string_equal(entry->subject, "orders");
    assert_string_equal(entry->org_id, ORG);
    assert_true(entry->actor[0] != '\0');
    assert_non_null(entry->at);
    assert_non_null(pause_job(f, "orders"));
    audit.page_size = 1;
    page = ask(f, ADMIN_PATH, ListAudit, list_audit, &audit);
    assert_int_equal(page->n_entries, 1);
    assert_string_not_equal(page->next_page_token, "");
    audit.page_token = page->next_page_token;
    page = ask(f, ADMIN_PATH, ListAudit, list_audit, &audit);
    assert_int_equal(page->n_entries, 1);
    assert_string_equal(page->next_page_token, "");
    audit.page_token = (char *)"12";
    assert_null(ask(f, ADMIN_PATH, ListAudit, list_audit, &audit));
    assert_failed(f, RPC_INVALID_ARGUMENT, "pageToken");
    audit.page_token = (char *)"";
    audit.org_id = (char *)"nobody";
    page = ask(f, ADMIN_PATH, ListAudit, list_audit, &audit);
    assert_int_equal(page->n_entries, 0);
}

static void an_organisations_retention_is_set_and_shown(void **state)
{
    struct methods_fixture *f = *state;
    Sync__V1__PutOrgRequest put = SYNC__V1__PUT_ORG_REQUEST__INIT;
    Sync__V1__Org org = SYNC__V1__ORG__INIT;
    Sync__V1__OrgLimits limits = SYNC__V1__ORG_LIMITS__INIT;
    Google__Protobuf__Duration day;
    Sync__V1__PutOrgResponse *response;

    google__protobuf__duration__init(&day);
    day.seconds = 86400;
    limits.keep_completed = &day;
    limits.keep_runs = 10;
    org.id = (char *)"short-memory";
    org.limits = &limits;
    put.org = &org;
    response = ask(f, ADMIN_PATH, PutOrg, put_org, &put);
    assert_int_equal(response->org->limits->keep_completed->seconds, 86400);
    assert_null(response->org->limits->keep_failed);
    assert_int_equal(response->org->limits->keep_runs, 10);
    day.seconds = -1;
    assert_null(ask(f, ADMIN_PATH, PutOrg, put_org, &put));
    assert_failed(f, RPC_INVALID_ARGUMENT, "org.limits.keepCompleted");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, methods_setup, methods_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_schedule_is_shown_with_its_sync_and_deleted),
        TEST(firings_that_made_no_run_are_counted_by_reason),
        TEST(a_watermark_is_set_by_a_person_and_shown),
        TEST(an_organisation_is_made_named_and_listed),
        TEST(a_backup_holds_what_was_answered),
        TEST(a_drain_stops_leases_and_is_shown),
        TEST(what_is_promised_and_not_built_says_so),
        TEST(the_audit_log_is_listed),
        TEST(an_organisations_retention_is_set_and_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
