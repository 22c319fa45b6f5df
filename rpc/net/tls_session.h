#ifndef RPC_TLS_SESSION_H
#define RPC_TLS_SESSION_H

#include "rpc/transport.h"

/* TLS on a transport's socket; for transport.c only, which says what each of
 * these does. Output is gathered: records of one call leave in one write. */

/* NULL if out of memory. */
struct tls_session *tls_session_new(struct tls_context *context, struct transport *transport,
                                    enum transport_protocol protocol);
void tls_session_free(struct tls_session *session);

enum transport_outcome tls_session_handshake(struct tls_session *session);
enum transport_outcome tls_session_read(struct tls_session *session, uint8_t *data, size_t room,
                                        size_t *size);
enum transport_outcome tls_session_write(struct tls_session *session, struct bytes bytes,
                                         size_t *size);
enum transport_outcome tls_session_flush(struct tls_session *session);
bool tls_session_needs_input(const struct tls_session *session);
bool tls_session_has_input(const struct tls_session *session);
bool tls_session_has_unsent(const struct tls_session *session);
int64_t tls_session_stuck_since_ms(const struct tls_session *session);
void tls_session_say_goodbye(struct tls_session *session);
const char *tls_session_why(const struct tls_session *session);
const char *tls_session_peer_name(const struct tls_session *session);

/* The socket itself, as transport.c sees it. */
enum transport_outcome transport_receive(struct transport *transport, uint8_t *data, size_t room,
                                         size_t *size);
enum transport_outcome transport_send(struct transport *transport, struct bytes bytes,
                                      size_t *size);

#endif
