#include "rpc/status.h"

#include "google/rpc/error_details.pb-c.h"
#include "google/rpc/status.pb-c.h"

#include <stdarg.h>
#include <stdio.h>

/* Statuses and their details, between core's errors and google.rpc.Status.
 * Details travel as Any: a type's URL and its packed bytes. */

#define BAD_REQUEST_URL "type.googleapis.com/google.rpc.BadRequest"
#define RETRY_INFO_URL  "type.googleapis.com/google.rpc.RetryInfo"

const char *rpc_code_name(enum rpc_code code)
{
    static const char *const names[RPC_CODE_COUNT] = {
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    };

    return (unsigned)code < RPC_CODE_COUNT ? names[code] : "UNKNOWN";
}

static enum rpc_code code_of_err(enum err e)
{
    static const uint8_t codes[ERR_COUNT] = {
        [OK] = RPC_OK,
        [ERR_INVALID] = RPC_INVALID_ARGUMENT,
        [ERR_NOT_FOUND] = RPC_NOT_FOUND,
        [ERR_EXISTS] = RPC_ALREADY_EXISTS,
        [ERR_CONFLICT] = RPC_FAILED_PRECONDITION,
        [ERR_STALE] = RPC_ABORTED,
        [ERR_DENIED] = RPC_PERMISSION_DENIED,
        [ERR_LIMIT] = RPC_RESOURCE_EXHAUSTED,
        [ERR_TIMEOUT] = RPC_DEADLINE_EXCEEDED,
        [ERR_CANCELLED] = RPC_CANCELLED,
        [ERR_UNSUPPORTED] = RPC_UNIMPLEMENTED,
        [ERR_UNAVAILABLE] = RPC_UNAVAILABLE,
        [ERR_UNCERTAIN] = RPC_UNKNOWN,
        [ERR_CORRUPT] = RPC_DATA_LOSS,
    };

    return (enum rpc_code)codes[e];
}

/* How long a caller should leave us alone: a limit frees up slowly, a store
 * that refused a commit is usually back at once. */
static int64_t retry_after_ms(enum err e)
{
    if (e == ERR_LIMIT)
        return 1000;
    return e == ERR_UNAVAILABLE ? 100 : 0;
}

void rpc_status_from_err(struct rpc_status *status, enum err e, const struct why *why)
{
    const char *text = why != NULL && why->text[0] != '\0' ? why->text : err_text(e);

    rpc_status_set(status, code_of_err(e), "%s", e == OK ? "" : text);
    status->retry_after_ms = e == ERR_LIMIT && why != NULL && why->retry_after_ms > 0
                                 ? why->retry_after_ms
                                 : retry_after_ms(e);
    if (why == NULL || why->field[0] == '\0')
        return;
    snprintf(status->violation.field, sizeof status->violation.field, "%s", why->field);
    snprintf(status->violation.description, sizeof status->violation.description, "%s", text);
}

/* A text cut at a fixed size may end inside a character. */
static void end_at_whole_character(char *text)
{
    size_t size = strlen(text), start = size;

    while (start > 0 && size - start < 4 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
        start--;
    if (start > 0 && (unsigned char)text[start - 1] >= 0xc0) {
        unsigned char lead = (unsigned char)text[start - 1];
        size_t wanted = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
        if (size - (start - 1) < wanted)
            text[start - 1] = '\0';
    }
}

static void copy_text(char *to, size_t size, const char *from)
{
    if ((size_t)snprintf(to, size, "%s", from) >= size)
        end_at_whole_character(to);
}

void rpc_status_set(struct rpc_status *status, enum rpc_code code, const char *format, ...)
{
    va_list arguments;
    int size;

    *status = (struct rpc_status){ .code = code };
    va_start(arguments, format);
    size = vsnprintf(status->message, sizeof status->message, format, arguments);
    va_end(arguments);
    if (size >= (int)sizeof status->message)
        end_at_whole_character(status->message);
}

static bool pack_into(const ProtobufCMessage *message, struct arena *mem,
                      ProtobufCBinaryData *packed)
{
    packed->len = protobuf_c_message_get_packed_size(message);
    packed->data = arena_alloc(mem, packed->len);
    return packed->data != NULL && protobuf_c_message_pack(message, packed->data) == packed->len;
}

static bool pack_violation(const struct rpc_status *status, struct arena *mem,
                           Google__Protobuf__Any *any)
{
    Google__Rpc__BadRequest__FieldViolation violation =
        GOOGLE__RPC__BAD_REQUEST__FIELD_VIOLATION__INIT;
    Google__Rpc__BadRequest__FieldViolation *violations[] = { &violation };
    Google__Rpc__BadRequest bad_request = GOOGLE__RPC__BAD_REQUEST__INIT;

    violation.field = (char *)status->violation.field;
    violation.description = (char *)status->violation.description;
    bad_request.n_field_violations = 1;
    bad_request.field_violations = violations;
    google__protobuf__any__init(any);
    any->type_url = (char *)BAD_REQUEST_URL;
    return pack_into(&bad_request.base, mem, &any->value);
}

static bool pack_retry_after(const struct rpc_status *status, struct arena *mem,
                             Google__Protobuf__Any *any)
{
    Google__Protobuf__Duration delay = GOOGLE__PROTOBUF__DURATION__INIT;
    Google__Rpc__RetryInfo retry_info = GOOGLE__RPC__RETRY_INFO__INIT;

    delay.seconds = status->retry_after_ms / 1000;
    delay.nanos = (int32_t)(status->retry_after_ms % 1000 * 1000000);
    retry_info.retry_delay = &delay;
    google__protobuf__any__init(any);
    any->type_url = (char *)RETRY_INFO_URL;
    return pack_into(&retry_info.base, mem, &any->value);
}

struct bytes rpc_status_pack(const struct rpc_status *status, struct arena *mem)
{
    Google__Rpc__Status message = GOOGLE__RPC__STATUS__INIT;
    Google__Protobuf__Any details[2], *pointers[2] = { &details[0], &details[1] };
    ProtobufCBinaryData packed;
    size_t count = 0;

    if (status->violation.field[0] != '\0' && pack_violation(status, mem, &details[count]))
        count++;
    if (status->retry_after_ms > 0 && pack_retry_after(status, mem, &details[count]))
        count++;
    if (count == 0)
        return bytes_of(NULL, 0);
    message.code = (int32_t)status->code;
    message.message = (char *)status->message;
    message.n_details = count;
    message.details = pointers;
    if (!pack_into(&message.base, mem, &packed))
        return bytes_of(NULL, 0);
    return bytes_of(packed.data, packed.len);
}

static void unpack_violation(struct rpc_status *status, const ProtobufCBinaryData *value)
{
    Google__Rpc__BadRequest *bad_request =
        google__rpc__bad_request__unpack(NULL, value->len, value->data);

    if (bad_request == NULL)
        return;
    if (bad_request->n_field_violations > 0) {
        const Google__Rpc__BadRequest__FieldViolation *first = bad_request->field_violations[0];
        copy_text(status->violation.field, sizeof status->violation.field, first->field);
        copy_text(status->violation.description, sizeof status->violation.description,
                  first->description);
    }
    google__rpc__bad_request__free_unpacked(bad_request, NULL);
}

static void unpack_retry_after(struct rpc_status *status, const ProtobufCBinaryData *value)
{
    Google__Rpc__RetryInfo *retry_info =
        google__rpc__retry_info__unpack(NULL, value->len, value->data);

    if (retry_info == NULL)
        return;
    if (retry_info->retry_delay != NULL) {
        int64_t seconds = retry_info->retry_delay->seconds;
        int32_t nanos = retry_info->retry_delay->nanos;
        /* A day is as good as for ever, and does not overflow. */
        if (seconds >= 0 && seconds <= 86400 && nanos >= 0 && nanos < 1000000000)
            status->retry_after_ms = seconds * 1000 + nanos / 1000000;
    }
    google__rpc__retry_info__free_unpacked(retry_info, NULL);
}

void rpc_status_unpack(struct rpc_status *status, struct bytes details)
{
    Google__Rpc__Status *message = google__rpc__status__unpack(NULL, details.size, details.data);

    if (message == NULL)
        return;
    for (size_t i = 0; i < message->n_details; i++) {
        const Google__Protobuf__Any *any = message->details[i];
        if (strcmp(any->type_url, BAD_REQUEST_URL) == 0)
            unpack_violation(status, &any->value);
        else if (strcmp(any->type_url, RETRY_INFO_URL) == 0)
            unpack_retry_after(status, &any->value);
    }
    google__rpc__status__free_unpacked(message, NULL);
}
