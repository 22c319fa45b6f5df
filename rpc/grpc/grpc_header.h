#ifndef RPC_GRPC_HEADER_H
#define RPC_GRPC_HEADER_H

#include "core/base/arena.h"
#include "core/base/bytes.h"

/* What gRPC says about headers (PROTOCOL-HTTP2): which names are its own, how
 * binary values and messages travel, how a timeout is written. */

/* Names that users may neither send nor see: pseudo-headers, gRPC's own, those
 * of the HTTP connection. */
bool grpc_name_is_reserved(struct bytes name);
/* Lower case, digits, "_-.": all that may be sent. */
bool grpc_name_is_valid(struct bytes name);
/* Ends in "-bin": the value is any bytes, sent as base64. */
bool grpc_name_is_binary(struct bytes name);
/* Printable ASCII, not beginning or ending in a space. */
bool grpc_value_is_valid(struct bytes value);

/* "application/grpc", "application/grpc+proto", with or without parameters. */
bool grpc_content_type_is_ours(struct bytes value);

/* grpc-message: any UTF-8 in printable ASCII. Lends from mem, data NULL when it is full. What
 * is not encoded properly is decoded as it stands. */
struct bytes grpc_message_encode(struct bytes text, struct arena *mem);
struct bytes grpc_message_decode(struct bytes text, struct arena *mem);

/* Not more than `max` bytes of a text in UTF-8, and only whole characters. */
struct bytes grpc_text_cut(struct bytes text, size_t max);

/* A header may hold several values of one "-bin" name, joined by commas. True:
 * *found is the one at *index; otherwise *index is less by those it holds. */
bool grpc_value_at(struct bytes name, struct bytes value, size_t *index, struct bytes *found);

/* Base64 for "-bin" values: written without padding, read with and without.
 * data is NULL if mem is full or the text is not base64. */
struct bytes grpc_binary_encode(struct bytes value, struct arena *mem);
struct bytes grpc_binary_decode(struct bytes text, struct arena *mem);

/* "100m": up to 8 digits and a unit (H M S m u n). Rounded down. False if it
 * is anything else. */
bool grpc_timeout_parse(struct bytes text, int64_t *timeout_ms);

enum { GRPC_TIMEOUT_SIZE = 24 };
/* Rounded up where 8 digits do not suffice. timeout_ms > 0. */
void grpc_timeout_format(int64_t timeout_ms, char text[GRPC_TIMEOUT_SIZE]);

#endif
