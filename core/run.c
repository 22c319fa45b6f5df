#include "core/run.h"

#include <assert.h>
#include <string.h>

/* Row: where the run is. Column: what happened. Cell: where it goes. A missing
 * cell is refused. The diagram in README.md is drawn from this table. */
static const uint8_t next_state[RUN_STATE_COUNT][RUN_EVENT_COUNT] = {
    [RUN_QUEUED]     = { [EVENT_LEASE]      = RUN_ACTIVE,
                         [EVENT_PAUSE]      = RUN_PAUSED,
                         [EVENT_CANCEL]     = RUN_CANCELLED },
    [RUN_BACKOFF]    = { [EVENT_DUE]        = RUN_QUEUED,
                         [EVENT_PAUSE]      = RUN_PAUSED,
                         [EVENT_CANCEL]     = RUN_CANCELLED },
    [RUN_SCHEDULED]  = { [EVENT_DUE]        = RUN_QUEUED,
                         [EVENT_PAUSE]      = RUN_PAUSED,
                         [EVENT_CANCEL]     = RUN_CANCELLED },
    [RUN_ACTIVE]     = { [EVENT_RETURN]     = RUN_QUEUED,
                         [EVENT_RELEASE]    = RUN_QUEUED,
                         [EVENT_COMPLETE]   = RUN_COMPLETED,
                         [EVENT_RETRY]      = RUN_BACKOFF,
                         [EVENT_GIVE_UP]    = RUN_FAILED,
                         [EVENT_PAUSE]      = RUN_PAUSING,
                         [EVENT_CANCEL]     = RUN_CANCELLING },
    [RUN_PAUSING]    = { [EVENT_RETURN]     = RUN_PAUSED,
                         [EVENT_RELEASE]    = RUN_PAUSED,
                         [EVENT_COMPLETE]   = RUN_COMPLETED,
                         [EVENT_RETRY]      = RUN_PAUSED,
                         [EVENT_GIVE_UP]    = RUN_FAILED,
                         [EVENT_RESUME]     = RUN_ACTIVE,
                         [EVENT_CANCEL]     = RUN_CANCELLING },
    [RUN_CANCELLING] = { [EVENT_RETURN]     = RUN_CANCELLED,
                         [EVENT_RELEASE]    = RUN_CANCELLED,
                         [EVENT_COMPLETE]   = RUN_COMPLETED,
                         [EVENT_RETRY]      = RUN_CANCELLED,
                         [EVENT_GIVE_UP]    = RUN_CANCELLED },
    [RUN_PAUSED]     = { [EVENT_RESUME]     = RUN_QUEUED,
                         [EVENT_RESCHEDULE] = RUN_SCHEDULED,
                         [EVENT_CANCEL]     = RUN_CANCELLED },
    [RUN_FAILED]     = { [EVENT_REVIVE]     = RUN_QUEUED },
    [RUN_CANCELLED]  = { [EVENT_REVIVE]     = RUN_QUEUED },
};

static const struct {
    const char *name, *shown;
    bool leased, ended;
} states[RUN_STATE_COUNT] = {
#define RUN_STATE(name, shown, leased, ended) [RUN_##name] = { #name, shown, leased, ended },
    RUN_STATES(RUN_STATE)
#undef RUN_STATE
};

static const struct {
    const char *name, *text;
} events[RUN_EVENT_COUNT] = {
#define RUN_EVENT(name, text) [EVENT_##name] = { #name, text },
    RUN_EVENTS(RUN_EVENT)
#undef RUN_EVENT
};

enum run_state run_next_state(enum run_state state, enum run_event event)
{
    return (enum run_state)next_state[state][event];
}

bool run_allows(enum run_state state, enum run_event event)
{
    return next_state[state][event] != RUN_NONE;
}

enum err run_apply(struct run *run, enum run_event event, struct why *why)
{
    enum run_state next;

    assert(run_is_sound(run));
    next = run_next_state(run->state, event);
    if (next == RUN_NONE)
        return err_because(why, ERR_CONFLICT, "the job is %s: %s is not possible from there",
                           run->state == RUN_PAUSING      ? "pausing"
                           : run->state == RUN_CANCELLING ? "being cancelled"
                                                          : run_state_shown(run->state),
                           run_event_text(event));
    run->state = next;
    if (next != RUN_QUEUED)
        run->ready = false;
    if (next == RUN_ACTIVE && event == EVENT_LEASE)
        run->epoch++;
    if (next != RUN_BACKOFF && next != RUN_SCHEDULED)
        run->not_before_ms = 0;
    return OK;
}

bool run_is_leased(enum run_state state)
{
    return states[state].leased;
}

bool run_is_ended(enum run_state state)
{
    return states[state].ended;
}

bool run_is_sound(const struct run *run)
{
    bool leased, ended, timed = run->state == RUN_BACKOFF || run->state == RUN_SCHEDULED;

    if (run->state <= RUN_NONE || run->state >= RUN_STATE_COUNT)
        return false;
    leased = run_is_leased(run->state);
    ended = run_is_ended(run->state);
    return (run->ended_at_ms != 0) == ended
        && (run->not_before_ms != 0) == timed
        && (!leased || (run->epoch > 0 && run->leased_at_ms != 0 && run->started_at_ms != 0))
        && (!run->ready || (run->state == RUN_QUEUED && run->order != 0))
        && run->progress >= -1 && run->progress <= 100
        && (run->progress < 100 || run->state == RUN_COMPLETED);
}

const char *run_state_name(enum run_state state)
{
    return states[state].name;
}

const char *run_state_shown(enum run_state state)
{
    return states[state].shown;
}

const char *run_event_name(enum run_event event)
{
    return events[event].name;
}

const char *run_event_text(enum run_event event)
{
    return events[event].text;
}

const char *failure_class_name(enum failure_class failure)
{
    static const char *const names[FAILURE_CLASS_COUNT] = {
        [FAILURE_NONE] = "",
        [FAILURE_TRANSIENT] = "transient",
        [FAILURE_CONFIG] = "config",
        [FAILURE_FATAL] = "fatal",
        [FAILURE_RATE_LIMITED] = "rate_limited",
        [FAILURE_LEASE_EXPIRED] = "lease_expired",
    };
    return names[failure];
}

/* Crockford's base 32 in lower case: ordered like the number, no letters that
 * are mistaken for digits. */
static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
enum { DIGIT_COUNT = 13, PREFIX_SIZE = 4 };

void run_id_write(run_id id, char text[RUN_ID_TEXT_SIZE])
{
    memcpy(text, "job_", PREFIX_SIZE);
    for (int i = DIGIT_COUNT - 1; i >= 0; i--, id >>= 5)
        text[PREFIX_SIZE + i] = digits[id & 31];
    text[PREFIX_SIZE + DIGIT_COUNT] = '\0';
}

bool run_id_read(struct bytes text, run_id *id)
{
    run_id value = 0;

    if (text.size != PREFIX_SIZE + DIGIT_COUNT || memcmp(text.data, "job_", PREFIX_SIZE) != 0)
        return false;
    for (size_t i = PREFIX_SIZE; i < text.size; i++) {
        const char *digit = memchr(digits, text.data[i], sizeof digits - 1);

        /* 13 digits hold 65 bits: the first one has room for 4. */
        if (digit == NULL || (i == PREFIX_SIZE && digit - digits > 15))
            return false;
        value = value << 5 | (run_id)(digit - digits);
    }
    *id = value;
    return value != 0;
}
