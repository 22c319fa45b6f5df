#include "gateway/error_answer.h"

#include <assert.h>

static const struct reason {
    int status;
    const char *phrase, *code;
} reasons[] = {
    { 200, "OK", "OK" },
    { 204, "No Content", "OK" },
    { 400, "Bad Request", "INVALID_ARGUMENT" },
    { 401, "Unauthorized", "UNAUTHENTICATED" },
    { 403, "Forbidden", "PERMISSION_DENIED" },
    { 404, "Not Found", "NOT_FOUND" },
    { 405, "Method Not Allowed", "UNIMPLEMENTED" },
    { 408, "Request Timeout", "DEADLINE_EXCEEDED" },
    { 409, "Conflict", "FAILED_PRECONDITION" },
    { 413, "Content Too Large", "OUT_OF_RANGE" },
    { 414, "URI Too Long", "OUT_OF_RANGE" },
    { 415, "Unsupported Media Type", "INVALID_ARGUMENT" },
    { 417, "Expectation Failed", "INVALID_ARGUMENT" },
    { 421, "Misdirected Request", "PERMISSION_DENIED" },
    { 422, "Unprocessable Content", "FAILED_PRECONDITION" },
    { 429, "Too Many Requests", "RESOURCE_EXHAUSTED" },
    { 431, "Request Header Fields Too Large", "OUT_OF_RANGE" },
    { 499, "Client Closed Request", "CANCELLED" },
    { 500, "Internal Server Error", "INTERNAL" },
    { 501, "Not Implemented", "UNIMPLEMENTED" },
    { 503, "Service Unavailable", "UNAVAILABLE" },
    { 504, "Gateway Timeout", "DEADLINE_EXCEEDED" },
    { 505, "HTTP Version Not Supported", "UNIMPLEMENTED" },
};

static const int status_of[RPC_CODE_COUNT] = {
    [RPC_OK] = 200,
    [RPC_INVALID_ARGUMENT] = 400,
    [RPC_OUT_OF_RANGE] = 400,
    [RPC_UNAUTHENTICATED] = 401,
    [RPC_PERMISSION_DENIED] = 403,
    [RPC_NOT_FOUND] = 404,
    [RPC_ALREADY_EXISTS] = 409,
    [RPC_ABORTED] = 409,
    [RPC_FAILED_PRECONDITION] = 409,
    [RPC_RESOURCE_EXHAUSTED] = 429,
    [RPC_CANCELLED] = 499,
    [RPC_UNKNOWN] = 500,
    [RPC_INTERNAL] = 500,
    [RPC_DATA_LOSS] = 500,
    [RPC_UNIMPLEMENTED] = 501,
    [RPC_UNAVAILABLE] = 503,
    [RPC_DEADLINE_EXCEEDED] = 504,
};

static const struct reason *find_reason(int status)
{
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].status == status)
            return &reasons[i];
    assert(false && "a status that we never send");
    return &reasons[0];
}

const char *http_reason(int status)
{
    return find_reason(status)->phrase;
}

int http_status_of(enum rpc_code code)
{
    return code < RPC_CODE_COUNT ? status_of[code] : 500;
}

static void write_details(struct json_writer *writer, const struct error_answer *error)
{
    json_key(writer, "details");
    json_begin_array(writer);
    json_begin_object(writer);
    json_key(writer, "field");
    json_text(writer, error->field);
    json_key(writer, "reason");
    json_text(writer, error->reason);
    json_end_object(writer);
    json_end_array(writer);
}

void error_answer_write(struct json_writer *writer, const struct error_answer *error,
                        const char *request_id)
{
    const struct reason *reason = find_reason(error->status);

    json_begin_object(writer);
    json_key(writer, "statusCode");
    json_int(writer, error->status);
    json_key(writer, "message");
    json_text(writer, error->message);
    json_key(writer, "error");
    json_text(writer, reason->phrase);
    json_key(writer, "code");
    json_text(writer, error->code != NULL ? error->code : reason->code);
    if (error->field != NULL && error->field[0] != '\0')
        write_details(writer, error);
    json_key(writer, "requestId");
    json_text(writer, request_id);
    json_end_object(writer);
}
