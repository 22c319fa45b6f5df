#include "rpc/h2_budget.h"

enum {
    BUDGET_MAX = 20000,
    GROWTH_PER_S = 2000,
    DATA_CREDIT = 12,    /* a window update for stream and connection, and a PING */
    COST_SETTINGS = 100, /* 200 at once, 20 a second */
    COST_PING = 8,       /* 2,500 at once, 250 a second */
    COST_RESET = 8,
    COST_FAULT = 20,
    COST_OTHER = 2, /* PRIORITY, window update, unknown, empty DATA */
};

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

void h2_budget_init(struct h2_budget *budget)
{
    *budget = (struct h2_budget){ .left = BUDGET_MAX };
}

static void add(struct h2_budget *budget, int64_t amount)
{
    int64_t left = budget->left + amount;

    budget->left = left < BUDGET_MAX ? (int32_t)left : BUDGET_MAX;
}

void h2_budget_grow(struct h2_budget *budget, int64_t elapsed_ms)
{
    if (elapsed_ms > 60 * 1000)
        elapsed_ms = 60 * 1000;
    add(budget, elapsed_ms * GROWTH_PER_S / 1000);
}

void h2_budget_data(struct h2_budget *budget)
{
    add(budget, DATA_CREDIT);
}

static bool spend(struct h2_budget *budget, int32_t cost)
{
    if (budget->left >= 0)
        budget->left -= cost;
    return budget->left >= 0;
}

bool h2_budget_frame(struct h2_budget *budget, uint8_t type, uint8_t flags, size_t length)
{
    switch (type) {
    case HEADERS:
    case GOAWAY:
    case CONTINUATION:
        return true; /* calls; bounded by nghttp2 */
    case DATA:
        if (length > 0 || (flags & FLAG_END_STREAM) != 0)
            return true;
        return spend(budget, COST_OTHER);
    case SETTINGS:
        return spend(budget, (flags & FLAG_ACK) != 0 ? COST_OTHER : COST_SETTINGS);
    case PING:
        return spend(budget, (flags & FLAG_ACK) != 0 ? COST_OTHER : COST_PING);
    case RST_STREAM:
        return spend(budget, COST_RESET);
    default:
        return spend(budget, COST_OTHER);
    }
}

bool h2_budget_fault(struct h2_budget *budget)
{
    return spend(budget, COST_FAULT);
}
