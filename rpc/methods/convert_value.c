#include "rpc/methods/convert.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Times, durations, texts and ids: what all messages are made of. */

enum { PAGE_SIZE_DEFAULT = 100, PAGE_SIZE_MAX = 1000 };
static const int64_t time_s_min = -62135596800; /* 0001-01-01, as Timestamp allows */
static const int64_t time_s_max = 253402300799; /* 9999-12-31 */

enum err refuse_field(struct why *why, const char *field, const char *format, ...)
{
    char text[sizeof why->text];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return err_field(why, field, "%s %s", field, text);
}

void *build_array(struct builder *builder, size_t count, size_t size)
{
    void *memory = count > SIZE_MAX / size ? NULL : arena_alloc(builder->mem, count * size);

    builder->full |= memory == NULL;
    return memory;
}

void *build_message(struct builder *builder, const ProtobufCMessageDescriptor *type)
{
    ProtobufCMessage *message = build_array(builder, 1, type->sizeof_message);

    if (message != NULL)
        protobuf_c_message_init(type, message);
    return message;
}

char *build_text(struct builder *builder, struct bytes text)
{
    static char empty[1];
    char *copy;

    if (text.size == 0)
        return empty;
    copy = arena_copy(builder->mem, text.data, text.size);
    builder->full |= copy == NULL;
    return copy != NULL ? copy : empty;
}

char *build_uptime(struct builder *builder, int64_t ms)
{
    long long minutes = ms / 60000;
    char *text = arena_printf(builder->mem, "%lldd %lldh %lldm", minutes / (24 * 60),
                              minutes / 60 % 24, minutes % 60);

    builder->full |= text == NULL;
    return text;
}

ProtobufCBinaryData build_binary(struct builder *builder, struct bytes bytes)
{
    ProtobufCBinaryData data = { 0, NULL };

    if (bytes.size == 0)
        return data;
    data.data = arena_copy(builder->mem, bytes.data, bytes.size);
    data.len = data.data != NULL ? bytes.size : 0;
    builder->full |= data.data == NULL;
    return data;
}

char *build_run_id(struct builder *builder, run_id id)
{
    char text[RUN_ID_TEXT_SIZE];

    run_id_write(id, text);
    return build_text(builder, bytes_of_text(text));
}

Google__Protobuf__Timestamp *build_time(struct builder *builder, int64_t time_ms)
{
    Google__Protobuf__Timestamp *time;
    int64_t ms = time_ms % 1000;

    if (time_ms == 0)
        return NULL;
    time = build_message(builder, &google__protobuf__timestamp__descriptor);
    if (time == NULL)
        return NULL;
    if (ms < 0)
        ms += 1000;
    time->seconds = (time_ms - ms) / 1000;
    time->nanos = (int32_t)ms * 1000000;
    return time;
}

Google__Protobuf__Duration *build_duration(struct builder *builder, int64_t ms)
{
    Google__Protobuf__Duration *duration;

    if (ms == 0)
        return NULL;
    duration = build_message(builder, &google__protobuf__duration__descriptor);
    if (duration == NULL)
        return NULL;
    duration->seconds = ms / 1000;
    duration->nanos = (int32_t)(ms % 1000) * 1000000;
    return duration;
}

static void *allocate(void *arena, size_t size)
{
    return arena_alloc(arena, size);
}

static void leave_it(void *arena, void *memory)
{
    (void)arena;
    (void)memory;
}

ProtobufCAllocator arena_allocator(struct arena *mem)
{
    return (ProtobufCAllocator){ .alloc = allocate, .free = leave_it, .allocator_data = mem };
}

enum err read_time(const Google__Protobuf__Timestamp *time, const char *field, int64_t *time_ms,
                   struct why *why)
{
    *time_ms = 0;
    if (time == NULL)
        return OK;
    if (time->seconds < time_s_min || time->seconds > time_s_max || time->nanos < 0 ||
        time->nanos > 999999999)
        return refuse_field(why, field, "is not a time between the years 1 and 9999");
    *time_ms = time->seconds * 1000 + time->nanos / 1000000;
    if (*time_ms < 1)
        *time_ms = 1;
    return OK;
}

enum err read_duration(const Google__Protobuf__Duration *duration, const char *field,
                       int64_t max_ms, int64_t *ms, struct why *why)
{
    *ms = 0;
    if (duration == NULL)
        return OK;
    if (duration->seconds < 0 || duration->nanos < 0 || duration->nanos > 999999999)
        return refuse_field(why, field, "must not be negative");
    if (duration->seconds > max_ms / 1000)
        return refuse_field(why, field, "must be at most %lld seconds", (long long)(max_ms / 1000));
    *ms = duration->seconds * 1000 + duration->nanos / 1000000;
    if (*ms > max_ms)
        return refuse_field(why, field, "must be at most %lld seconds", (long long)(max_ms / 1000));
    return OK;
}

/* The units of ISO 8601 whose length is always the same, largest first. */
static const struct interval_unit {
    char letter;
    bool after_t;
    int64_t ms;
} interval_units[] = {
    { 'W', false, 7 * 86400000LL }, { 'D', false, 86400000LL }, { 'H', true, 3600000LL },
    { 'M', true, 60000LL },         { 'S', true, 1000LL },
};
enum { INTERVAL_UNITS = sizeof interval_units / sizeof interval_units[0], INTERVAL_DIGITS_MAX = 9 };

/* One "15M" of an interval, of a unit behind those used so far. NULL if it is
 * none. */
static const char *read_interval_part(const char *text, bool after_t, size_t *unit, int64_t *ms)
{
    int64_t number = 0;
    size_t digits = strspn(text, "0123456789");

    if (digits == 0 || digits > INTERVAL_DIGITS_MAX)
        return NULL;
    for (size_t i = 0; i < digits; i++)
        number = number * 10 + (text[i] - '0');
    for (; *unit < INTERVAL_UNITS; (*unit)++) {
        const struct interval_unit *candidate = &interval_units[*unit];

        if (candidate->letter == text[digits] && candidate->after_t == after_t) {
            (*unit)++;
            *ms += number * candidate->ms;
            return text + digits + 1;
        }
    }
    return NULL;
}

enum err read_interval(const char *text, const char *field, int64_t *ms, struct why *why)
{
    const int64_t max_ms = 366 * 86400000LL;
    const char *rest = text;
    bool after_t = false;
    size_t unit = 0;

    *ms = 0;
    if (text[0] == '\0')
        return OK;
    if (*rest++ != 'P' || *rest == '\0')
        rest = NULL;
    while (rest != NULL && *rest != '\0') {
        if (*rest == 'T' && !after_t && rest[1] != '\0') {
            after_t = true;
            rest++;
        }
        rest = read_interval_part(rest, after_t, &unit, ms);
    }
    if (rest == NULL)
        return refuse_field(why, field,
                            "is not an ISO 8601 duration of weeks, days, hours, minutes and "
                            "seconds, as in PT15M");
    if (*ms < 1000 || *ms > max_ms)
        return refuse_field(why, field, "must be between one second and 366 days");
    return OK;
}

/* Ids are opaque to callers: one that was never given out is a job that does
 * not exist, whatever it looks like. */
enum err read_run_id(const char *text, const char *field, run_id *id, struct why *why)
{
    if (text[0] == '\0')
        return refuse_field(why, field, "is missing");
    if (!run_id_read(bytes_of_text(text), id))
        return err_because(why, ERR_NOT_FOUND, "there is no job %.64s", text);
    return OK;
}

enum err read_page_size(uint32_t page_size, uint32_t *max, struct why *why)
{
    if (page_size > PAGE_SIZE_MAX)
        return refuse_field(why, "pageSize", "must be 1 to %d", PAGE_SIZE_MAX);
    *max = page_size != 0 ? page_size : PAGE_SIZE_DEFAULT;
    return OK;
}

enum err read_page_token(const char *token, run_id *before, struct why *why)
{
    *before = 0;
    if (token[0] != '\0' && !run_id_read(bytes_of_text(token), before))
        return refuse_field(why, "pageToken", "is not one that this service gave out");
    return OK;
}

enum err read_lease(const Sync__V1__Lease *lease, struct lease_name *out, struct why *why)
{
    enum err e;

    if (lease == NULL)
        return refuse_field(why, "lease", "is missing: say which lease this report is about");
    e = read_run_id(lease->job_id, "lease.jobId", &out->id, why);
    if (e != OK)
        return e;
    if (lease->epoch == 0 || lease->epoch > UINT32_MAX)
        return refuse_field(why, "lease.epoch", "is not an epoch that was ever given out");
    out->epoch = (uint32_t)lease->epoch;
    return OK;
}
