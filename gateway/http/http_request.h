#ifndef GATEWAY_HTTP_REQUEST_H
#define GATEWAY_HTTP_REQUEST_H

#include "gateway/http/http_connection.h"

/* A request from its first byte to its answer: the memory it lies in, its head
 * and its id. For http_connection.c only. */

/* NULL if out of memory. */
struct http_request *http_request_new(struct http_connections *all, const char *peer);

/* head: a whole one. False: *flaw. The request has an id in any case. */
bool http_request_read_head(struct http_request *request, struct bytes head,
                            struct http_flaw *flaw);

/* The body lies in the request's memory, and counts until the request is freed. */
void http_request_take_body(struct http_request *request, struct bytes body);

void http_request_free(struct http_request *request);

enum { HTTP_REQUEST_ID_SIZE = 20 };
void http_request_id_make(char id[HTTP_REQUEST_ID_SIZE]);

#endif
