#ifndef GATEWAY_ERROR_ANSWER_H
#define GATEWAY_ERROR_ANSWER_H

#include "gateway/json/json_writer.h"
#include "rpc/status.h"

/* The one shape of every error:
 * {"statusCode": 400, "message": "Empty Data", "error": "Bad Request",
 *  "code": "INVALID_ARGUMENT", "details": [{"field", "reason"}], "requestId"} */

struct error_answer {
    int status;
    const char *message;
    const char *code;            /* of gRPC; NULL: what the status stands for */
    const char *field, *reason;  /* NULL or empty: no details */
    int64_t retry_after_ms;      /* 0: not said */
    const char *allow;           /* with 405: the methods there are */
};

void error_answer_write(struct json_writer *writer, const struct error_answer *error,
                        const char *request_id);

/* "Bad Request". */
const char *http_reason(int status);

/* The status that stands for a call's outcome. */
int http_status_of(enum rpc_code code);

#endif
