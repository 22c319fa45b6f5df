/* Queues a job and follows it to its end.
 *
 *     cc queue_job.c $(pkg-config --cflags --libs sync-client) -o queue_job
 *     ./queue_job 127.0.0.1:9470 acme product-sync
 */
#include <stdio.h>
#include <sync/client.h>

static int complain(const char *what, const struct sync_status *status)
{
    fprintf(stderr, "%s: %s: %s\n", what, sync_client_code_name(status->code), status->message);
    if (status->field[0] != '\0')
        fprintf(stderr, "  %s: %s\n", status->field, status->field_reason);
    if (status->retry_after_ms > 0)
        fprintf(stderr, "  try again in %lld ms\n", (long long)status->retry_after_ms);
    return 1;
}

static bool print_event(void *context, const struct sync_event *event)
{
    (void)context;
    if (event->kind == SYNC_EVENT_JOB && event->job->progress >= 0)
        printf("%s: %s, %d%%, %llu records\n", event->job->name, event->job->status,
               event->job->progress, (unsigned long long)event->job->records_done);
    else if (event->kind == SYNC_EVENT_JOB) /* how far it is is not known yet */
        printf("%s: %s\n", event->job->name, event->job->status);
    else if (event->kind == SYNC_EVENT_LOST)
        printf("the server went away (%s); waiting for it\n", event->status->message);
    fflush(stdout);
    return true;
}

int main(int argc, char **argv)
{
    struct sync_client_options options = SYNC_CLIENT_OPTIONS_INIT;
    struct sync_job_request request = SYNC_JOB_REQUEST_INIT;
    struct sync_client *client;
    struct sync_job *queued, *ended = NULL;
    struct sync_status status;
    int result = 1;

    if (argc != 4) {
        fprintf(stderr, "usage: %s ADDRESS ORG NAME\n", argv[0]);
        return 2;
    }
    options.addresses = argv[1];
    options.org = argv[2];
    if (sync_client_open(&options, &client, &status) != SYNC_OK)
        return complain("open", &status);

    request.name = argv[3];
    request.type = "full";
    request.source = "demo";
    request.target = "local";
    request.data_json = "{\"demo\":{\"size\":2000}}";
    if (sync_client_queue(client, &request, &queued, &status) != SYNC_OK) {
        complain("queue", &status);
    } else if (sync_client_wait(client, queued->id, 0, print_event, NULL, &ended, &status) !=
               SYNC_OK) {
        complain("wait", &status);
    } else {
        printf("%s is %s\n", ended->id, ended->status);
        result = 0;
    }
    sync_client_job_free(ended);
    sync_client_job_free(queued);
    sync_client_close(client);
    return result;
}
