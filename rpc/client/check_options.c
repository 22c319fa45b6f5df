#include "rpc/client/client_parts.h"

#include "rpc/channel/retry.h"

#include <string.h>

/* Options that cannot be kept to. They are told when the client is opened, as
 * what was left out in silence would be missed only by the server. */

static enum err refuse(struct why *why, const char *option, const char *reason)
{
    return err_field(why, option, "%s %s", option, reason);
}

static enum err check_header(const char *option, const char *name, const char *value,
                             struct why *why)
{
    const struct client_metadata header = { name, bytes_of_text(value != NULL ? value : "") };
    const char *flaw = client_metadata_flaw(&header);

    return flaw == NULL ? OK : refuse(why, option, flaw);
}

static enum err check_spans(const struct sync_client_options *options, struct why *why)
{
    const struct {
        const char *option;
        int64_t ms;
    } spans[] = {
        { "connect_timeout_ms", options->connect_timeout_ms },
        { "backoff_ms", options->backoff_ms },
        { "backoff_max_ms", options->backoff_max_ms },
        { "hedge_ms", options->hedge_ms },
        { "keepalive_ms", options->keepalive_ms },
        { "keepalive_timeout_ms", options->keepalive_timeout_ms },
    };

    for (size_t i = 0; i < sizeof spans / sizeof *spans; i++)
        if (spans[i].ms < 0)
            return refuse(why, spans[i].option, "must not be negative");
    return OK;
}

enum err client_check_metadata(const struct sync_metadata *list, size_t count, struct why *why)
{
    for (size_t i = 0; i < count; i++) {
        const struct client_metadata one = { list[i].name, bytes_of(list[i].value, list[i].size) };
        const char *flaw = NULL;
        if (list[i].name == NULL || (list[i].value == NULL && list[i].size > 0))
            flaw = "must have a name and a value";
        else
            flaw = client_metadata_flaw(&one);
        if (flaw != NULL)
            return err_field(why, "metadata", "metadata %zu, \"%.40s\", %s", i,
                             list[i].name != NULL ? list[i].name : "", flaw);
    }
    return OK;
}

enum err client_check_options(const struct sync_client_options *options, struct why *why)
{
    enum err e = check_header("org", "orgid", options->org, why);

    if (e == OK)
        e = check_header("token", "authorization", options->token, why);
    if (e == OK && options->token != NULL && options->token[0] == '\0')
        e = refuse(why, "token", "is empty: NULL sends none");
    if (e == OK)
        e = client_check_metadata(options->metadata, options->metadata_count, why);
    if (e == OK && options->tls_cert_file != NULL && options->tls_key_file == NULL)
        e = refuse(why, "tls_key_file", "is missing: tls_cert_file needs it");
    if (e == OK && options->tls_key_file != NULL && options->tls_cert_file == NULL)
        e = refuse(why, "tls_cert_file", "is missing: tls_key_file needs it");
    if (e == OK && options->attempts_max > RETRY_ATTEMPTS_MAX)
        e = err_field(why, "attempts_max", "attempts_max must be at most %d", RETRY_ATTEMPTS_MAX);
    return e == OK ? check_spans(options, why) : e;
}
