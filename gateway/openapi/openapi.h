#ifndef GATEWAY_OPENAPI_H
#define GATEWAY_OPENAPI_H

#include "gateway/json/json_writer.h"

/* The API described for programs: an OpenAPI 3.1 document, made of the table
 * of routes, of the messages' descriptors and of openapi_text.h, so that it
 * cannot say anything else than what the gateway does. */

void openapi_write(struct json_writer *writer);

#endif
