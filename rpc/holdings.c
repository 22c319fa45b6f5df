#include "rpc/holdings.h"

void holdings_init(struct holdings *holdings)
{
    holdings->kept = holdings->at_work = 0;
    link_init(&holdings->holders);
}

void holding_init(struct holding *holding)
{
    link_init(&holding->link);
    holding->size = 0;
}

void holding_set(struct holdings *holdings, struct holding *holding, size_t size)
{
    holdings->kept += size - holding->size;
    holding->size = size;
    if (size == 0)
        list_remove(&holding->link);
    else if (!link_is_linked(&holding->link))
        list_append(&holdings->holders, &holding->link);
}

bool holdings_are_full(const struct holdings *holdings)
{
    return holdings->kept + holdings->at_work > holdings->max;
}

struct holding *holdings_victim(const struct holdings *holdings, const struct holding *self)
{
    struct link *first = holdings->holders.next;

    if (!holdings_are_full(holdings) || holdings->kept <= holdings->max / 2)
        return NULL;
    if (first == &self->link)
        first = first->next;
    return first != &holdings->holders ? container_of(first, struct holding, link) : NULL;
}

struct holding *holdings_largest(const struct holdings *holdings)
{
    struct holding *largest = NULL;

    if (!holdings_are_full(holdings))
        return NULL;
    list_each(link, &holdings->holders) {
        struct holding *holding = container_of(link, struct holding, link);
        if (largest == NULL || holding->size > largest->size)
            largest = holding;
    }
    return largest;
}
