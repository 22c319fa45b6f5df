#include "core/schedule.h"

#include "tests/fuzz/input.h"

#include <assert.h>

/* A schedule's rule, a time and a mark, in numbers and two lines of text (time
 * zone, cron). What schedule_complete() lets pass must fire, in order, and must
 * never take long to say when. */

static const int64_t last_ms = INT64_C(253402300799) * 1000;

/* Times within reach of a rule; now and then something else. */
static int64_t time_ms(struct bytes *input)
{
    uint64_t number = input_number(input, 6);

    return (number & 0xff) == 0xff ? (int64_t)(number << 16) : (int64_t)(number >> 2);
}

static int64_t span_ms(struct bytes *input)
{
    uint8_t unit = input_byte(input);
    int64_t number = (int16_t)input_number(input, 2);

    return number * (unit < 0x80 ? 60 * 1000 : unit);
}

static struct schedule_rule read_rule(struct bytes *input)
{
    struct schedule_rule rule = {
        .start_at_ms = time_ms(input),
        .end_at_ms = time_ms(input),
        .repeat = (enum schedule_repeat)(input_byte(input) % 8),
        .time_of_day_s = (int32_t)(input_number(input, 3) % (26 * 3600)) - 1,
        .interval_ms = span_ms(input),
        .jitter_ms = span_ms(input),
        .max_runs = input_byte(input),
        .overlap = (enum schedule_overlap)(input_byte(input) % 6),
        .catch_up_ms = span_ms(input),
    };

    if (input_byte(input) < 0x80)
        rule.end_at_ms = 0;
    rule.timezone = input_line(input);
    rule.cron = input_line(input);
    return rule;
}

static void check_order(const struct schedule *schedule, int64_t from_ms)
{
    int64_t nominal_ms, again_ms;

    for (int i = 0; i < 20 && schedule_next(schedule, from_ms, &nominal_ms); i++) {
        int64_t due_ms = schedule_due_ms(schedule, nominal_ms);

        assert(nominal_ms >= from_ms && nominal_ms >= schedule->rule->start_at_ms);
        assert(nominal_ms <= last_ms);
        assert(nominal_ms % 1000 == 0 || schedule->rule->interval_ms != 0);
        assert(schedule_next(schedule, nominal_ms, &again_ms) && again_ms == nominal_ms);
        assert(due_ms >= nominal_ms && due_ms - nominal_ms <= schedule->rule->jitter_ms);
        assert(!schedule_next(schedule, nominal_ms + 1, &again_ms) || due_ms < again_ms);
        from_ms = nominal_ms + 1;
    }
}

static void check_look(const struct schedule *schedule, int64_t mark_ms, int64_t now_ms)
{
    struct firing firing = schedule_look(schedule, mark_ms, now_ms), again;

    assert(firing.mark_ms >= mark_ms);
    if (firing.fires)
        assert(firing.nominal_ms > mark_ms && firing.nominal_ms <= now_ms);
    if (!firing.fires && firing.missed == 0)
        return;
    again = schedule_look(schedule, firing.mark_ms, now_ms);
    assert(!again.fires && again.missed == 0);
}

static void check_list(const struct schedule *schedule, int64_t from_ms)
{
    int64_t runs_ms[SCHEDULE_RUNS_SHOWN];

    schedule_list(schedule, from_ms, 0, runs_ms);
    for (int i = 0; i < SCHEDULE_RUNS_SHOWN; i++) {
        assert(runs_ms[i] == 0 || runs_ms[i] >= from_ms);
        if (i > 0 && runs_ms[i] != 0)
            assert(runs_ms[i - 1] != 0 && runs_ms[i] > runs_ms[i - 1]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct zones *zones;
    struct bytes input = bytes_of(data, size);
    int64_t now_ms = 1 + time_ms(&input), mark_ms = time_ms(&input), first_ms;
    struct schedule_rule rule = read_rule(&input);
    struct why why = { .text = "" };
    struct schedule schedule;

    if (zones == NULL)
        zones = zones_new(zone_directory);
    if (now_ms < 0 || now_ms > last_ms || mark_ms < 0 || mark_ms > last_ms)
        return 0;
    if (schedule_complete(&rule, zones, now_ms, &why) != OK) {
        assert(why.text[0] != '\0');
        return 0;
    }
    assert(schedule_is_sound(&rule));
    assert(schedule_open(&rule, zones, schedule_seed(bytes_of_text("acme"), rule.cron), &schedule,
                         &why) == OK);
    assert(schedule_next(&schedule, now_ms, &first_ms)); /* or it should have been refused */
    check_order(&schedule, now_ms);
    check_order(&schedule, mark_ms);
    check_list(&schedule, now_ms);
    check_look(&schedule, mark_ms, now_ms);
    return 0;
}
