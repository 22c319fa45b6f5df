#include "gateway/http_holdings.h"

void http_holdings_init(struct http_holdings *holdings)
{
    holdings->kept = holdings->at_work = 0;
    link_init(&holdings->holders);
}

void http_holding_init(struct http_holding *holding)
{
    link_init(&holding->link);
    holding->size = 0;
}

void http_holding_set(struct http_holdings *holdings, struct http_holding *holding, size_t size)
{
    holdings->kept += size - holding->size;
    holding->size = size;
    if (size == 0)
        list_remove(&holding->link);
    else if (!link_is_linked(&holding->link))
        list_append(&holdings->holders, &holding->link);
}

bool http_holdings_are_full(const struct http_holdings *holdings)
{
    return holdings->kept + holdings->at_work > holdings->max;
}

struct http_holding *http_holdings_victim(const struct http_holdings *holdings,
                                          const struct http_holding *self)
{
    struct link *first = holdings->holders.next;

    if (!http_holdings_are_full(holdings) || holdings->kept <= holdings->max / 2)
        return NULL;
    if (first == &self->link)
        first = first->next;
    return first != &holdings->holders ? container_of(first, struct http_holding, link) : NULL;
}
