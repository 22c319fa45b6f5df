#include "rpc/h2/h2_state.h"

/* Bytes on their way to nghttp2. Each frame's head is looked at first: whether its
 * sender may still afford it, and whether it can mean the stream it names. */

/* Not even a GOAWAY: the preface was none, more answers to PING or SETTINGS wait
 * than may, or memory is out. */
static void break_off(struct h2_session *session)
{
    session->over = true;
    session->end = session->is_up ? H2_END_FLOOD : H2_END_PROTOCOL;
}

static bool feed(struct h2_session *session, struct bytes bytes)
{
    if (bytes.size > 0 && nghttp2_session_mem_recv(session->ng, bytes.data, bytes.size) < 0)
        break_off(session);
    else if (!nghttp2_session_want_read(session->ng)) /* it has found a mistake, or all is done */
        session->over = true;
    return !session->over;
}

static bool carries_content(const struct h2_head *head)
{
    return head->type == NGHTTP2_DATA || head->type == NGHTTP2_HEADERS;
}

/* After it the peer sends nothing more on the stream. */
static bool is_last(const struct h2_head *head)
{
    return head->type == NGHTTP2_RST_STREAM ||
           (carries_content(head) && (head->flags & NGHTTP2_FLAG_END_STREAM) != 0);
}

/* More on a stream that its sender has ended: while it is still there, nghttp2
 * knows what to say. */
static bool comes_too_late(struct h2_session *session, const struct h2_head *head)
{
    return carries_content(head) && h2_ids_has_ended(&session->ids, head->id);
}

static void check_id(struct h2_session *session, const struct h2_head *head)
{
    if (head->type == NGHTTP2_HEADERS && head->id % 2 == 1 &&
        !h2_ids_begin(&session->ids, head->id))
        h2_terminate(session, H2_END_PROTOCOL, NGHTTP2_PROTOCOL_ERROR);
    else if (comes_too_late(session, head) &&
             nghttp2_session_get_stream_user_data(session->ng, head->id) == NULL)
        h2_terminate(session, H2_END_PROTOCOL, NGHTTP2_STREAM_CLOSED);
    else if (is_last(head))
        h2_ids_end(&session->ids, head->id);
}

static bool is_ping(const struct h2_head *head)
{
    return head->type == NGHTTP2_PING && (head->flags & NGHTTP2_FLAG_ACK) == 0;
}

static void judge(struct h2_session *session, const struct h2_head *head)
{
    if (head->type == NGHTTP2_HEADERS)
        session->block_ms = 0; /* another one */
    if (is_ping(head))
        h2_count(session, H2_COUNT_PINGS_RECEIVED);
    if (head->type == NGHTTP2_RST_STREAM)
        h2_count(session, H2_COUNT_RESETS_RECEIVED);
    if (!h2_budget_frame(&session->budget, head->type, head->flags))
        h2_terminate(session, H2_END_FLOOD, NGHTTP2_ENHANCE_YOUR_CALM);
    else if (is_ping(head) && !h2_budget_ping(&session->budget))
        h2_terminate(session, H2_END_PINGS, NGHTTP2_ENHANCE_YOUR_CALM);
    else if (session->options.role == H2_SERVER)
        check_id(session, head);
}

/* nghttp2 does nothing about a frame before it has the last byte of its head. */
static void receive(struct h2_session *session, struct bytes bytes)
{
    size_t at = 0, fed = 0;
    struct h2_head head;

    while (h2_scan_next(&session->scan, bytes, &at, &head)) {
        if (comes_too_late(session, &head)) { /* then it matters what was before */
            if (!feed(session, bytes_of(bytes.data + fed, at - 1 - fed)))
                return;
            fed = at - 1;
        }
        judge(session, &head);
        if (session->over)
            return;
    }
    feed(session, bytes_of(bytes.data + fed, bytes.size - fed));
}

bool h2_session_receive(struct h2_session *session, struct bytes bytes)
{
    if (session->over)
        return false;
    receive(session, bytes);
    h2_want_output(session);
    if (session->over)
        h2_set_going(session); /* a GOAWAY that says so may have to wait */
    return !session->over;
}
