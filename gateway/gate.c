#include "gateway/gate.h"

#include <assert.h>

#include "gateway/limits.h"

static struct gate_ticket *ticket_of(struct link *link)
{
    return container_of(link, struct gate_ticket, link);
}

static bool may_enter(const struct gate *gate, const struct gate_ticket *ticket)
{
    return gate->cost == 0 || gate->cost + ticket->cost <= gate->cost_max;
}

static void let_in(struct gate *gate, struct gate_ticket *ticket)
{
    gate->cost += ticket->cost;
    gate->now = ticket->turn;
    ticket->is_inside = true;
}

/* In the next turn of the loop. */
static void look_again(struct gate *gate)
{
    if (link_is_linked(&gate->waiting))
        loop_timer_start(gate->loop, &gate->again, 0);
}

static void on_again(struct loop_timer *timer)
{
    struct gate *gate = container_of(timer, struct gate, again);
    int64_t end_ms = loop_mono_ms() + GATE_TURN_MS;

    while (link_is_linked(&gate->waiting)) {
        struct gate_ticket *first = ticket_of(gate->waiting.next);

        if (!may_enter(gate, first))
            return; /* until somebody leaves */
        list_remove(&first->link);
        let_in(gate, first);
        first->enter(first); /* may be gone now */
        if (loop_mono_ms() >= end_ms)
            break;
    }
    look_again(gate);
}

void gate_init(struct gate *gate)
{
    *gate = (struct gate){ .loop = gate->loop, .cost_max = gate->cost_max };
    link_init(&gate->waiting);
    gate->again.fire = on_again;
}

void gate_close(struct gate *gate)
{
    assert(gate->cost == 0 && !link_is_linked(&gate->waiting));
    loop_timer_stop(gate->loop, &gate->again);
}

/* Not before those who have had as much, and not before what is past. */
static void choose_turn(struct gate *gate, struct gate_ticket *ticket)
{
    uint64_t *next = &gate->next[ticket->asker % GATE_ASKERS];

    ticket->turn = *next > gate->now ? *next : gate->now;
    *next = ticket->turn + ticket->cost;
}

static void stand_in_line(struct gate *gate, struct gate_ticket *ticket)
{
    struct link *before = gate->waiting.prev;

    while (before != &gate->waiting && ticket_of(before)->turn > ticket->turn)
        before = before->prev;
    list_prepend(before, &ticket->link); /* right behind it */
}

bool gate_ask(struct gate *gate, struct gate_ticket *ticket)
{
    choose_turn(gate, ticket);
    if (!link_is_linked(&gate->waiting) && may_enter(gate, ticket)) {
        let_in(gate, ticket);
        return true;
    }
    stand_in_line(gate, ticket);
    look_again(gate);
    return false;
}

void gate_leave(struct gate *gate, struct gate_ticket *ticket)
{
    if (ticket->enter == NULL)
        return;
    if (ticket->is_inside)
        gate->cost -= ticket->cost;
    else
        list_remove(&ticket->link);
    ticket->enter = NULL;
    look_again(gate);
}
