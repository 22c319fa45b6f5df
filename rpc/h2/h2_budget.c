#include "rpc/h2/h2_budget.h"

#include "rpc/limits.h"

/* RFC 9113, section 6. */
enum {
    DATA = 0,
    HEADERS = 1,
    RST_STREAM = 3,
    SETTINGS = 4,
    PING = 6,
    GOAWAY = 7,
    CONTINUATION = 9
};
enum { FLAG_END_STREAM = 1, FLAG_ACK = 1 };

void h2_budget_init(struct h2_budget *budget, int64_t ping_interval_ms)
{
    *budget = (struct h2_budget){
        .left = H2_BUDGET_MAX,
        .ping_interval_ms = ping_interval_ms,
        .pings_ms = ping_interval_ms * H2_PINGS_AT_ONCE,
    };
}

static void add(struct h2_budget *budget, int64_t amount)
{
    int64_t left = budget->left + amount;

    budget->left = left < H2_BUDGET_MAX ? (int32_t)left : H2_BUDGET_MAX;
}

static void add_pings(struct h2_budget *budget, int64_t elapsed_ms)
{
    int64_t most = budget->ping_interval_ms * H2_PINGS_AT_ONCE;

    budget->pings_ms += elapsed_ms;
    if (budget->pings_ms > most)
        budget->pings_ms = most;
}

void h2_budget_grow(struct h2_budget *budget, int64_t elapsed_ms)
{
    if (elapsed_ms > 60 * 1000)
        elapsed_ms = 60 * 1000;
    add(budget, elapsed_ms * H2_BUDGET_PER_S / 1000);
    add_pings(budget, elapsed_ms);
}

void h2_budget_data(struct h2_budget *budget)
{
    add(budget, H2_BUDGET_DATA_CREDIT);
}

/* A server that answers before it has the whole request resets the rest of it (RFC
 * 9113, 8.1). */
void h2_budget_request(struct h2_budget *budget)
{
    add(budget, H2_COST_RESET);
}

static bool spend(struct h2_budget *budget, int32_t cost)
{
    if (budget->left >= 0)
        budget->left -= cost;
    return budget->left >= 0;
}

bool h2_budget_frame(struct h2_budget *budget, uint8_t type, uint8_t flags)
{
    switch (type) {
    case HEADERS:
    case GOAWAY:
    case CONTINUATION:
        return true; /* calls; bounded by nghttp2 */
    case DATA:       /* what has content earns more; padding has none */
        return (flags & FLAG_END_STREAM) != 0 || spend(budget, H2_COST_OTHER);
    case SETTINGS:
        return spend(budget, (flags & FLAG_ACK) != 0 ? H2_COST_OTHER : H2_COST_SETTINGS);
    case PING:
        return spend(budget, (flags & FLAG_ACK) != 0 ? H2_COST_OTHER : H2_COST_PING);
    case RST_STREAM:
        return spend(budget, H2_COST_RESET);
    default:
        return spend(budget, H2_COST_OTHER);
    }
}

bool h2_budget_ping(struct h2_budget *budget)
{
    if (budget->ping_interval_ms <= 0)
        return true;
    budget->pings_ms -= budget->ping_interval_ms;
    return budget->pings_ms >= 0;
}

void h2_budget_answer(struct h2_budget *budget)
{
    budget->pings_ms = budget->ping_interval_ms * H2_PINGS_AT_ONCE;
}

bool h2_budget_fault(struct h2_budget *budget)
{
    return spend(budget, H2_COST_FAULT);
}
