#include "core/estimate/crew.h"

#include "core/limits.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

/* Three tables: kinds, by what they can do; seats, one for each worker that is
 * connected; absences, by a worker's id, the oldest first. */

enum { BITS = 64 };

struct kind {
    uint32_t workers, source_count, target_count; /* workers: the absent included */
    uint64_t slots, free_slots, absent_slots;
    unsigned bit;
    UT_hash_handle hh;
    size_t size;
    uint8_t names[]; /* each (size, bytes), the sources first: the hash key */
};

struct seat {
    const struct worker *worker; /* key */
    struct kind *kind;
    uint32_t slots, free_slots;
    UT_hash_handle hh;
};

struct absence {
    struct kind *kind;
    uint32_t slots;
    int64_t until_mono_ms;
    UT_hash_handle hh;
    size_t size;
    uint8_t id[];
};

struct crew {
    struct kind *kinds;
    struct seat *seats;
    struct absence *absences;
    uint64_t version, bits_taken;
};

struct crew *crew_new(void)
{
    return calloc(1, sizeof(struct crew));
}

static void *allocate(size_t size)
{
    void *memory = calloc(1, size);

    if (memory == NULL)
        abort(); /* as the queue does: its own memory of a worker is larger */
    return memory;
}

static void leave_kind(struct crew *crew, struct kind *kind)
{
    if (--kind->workers > 0)
        return;
    crew->version++;
    if (kind->bit < BITS - 1)
        crew->bits_taken &= ~(UINT64_C(1) << kind->bit);
    HASH_DEL(crew->kinds, kind);
    free(kind);
}

static void forget_absence(struct crew *crew, struct absence *absence)
{
    absence->kind->absent_slots -= absence->slots;
    leave_kind(crew, absence->kind);
    HASH_DEL(crew->absences, absence);
    free(absence);
}

static void forget_long_absent(struct crew *crew, int64_t mono_ms)
{
    while (crew->absences != NULL && crew->absences->until_mono_ms <= mono_ms)
        forget_absence(crew, crew->absences);
}

static void free_seat(struct crew *crew, struct seat *seat)
{
    seat->kind->slots -= seat->slots;
    seat->kind->free_slots -= seat->free_slots;
    leave_kind(crew, seat->kind);
    HASH_DEL(crew->seats, seat);
    free(seat);
}

void crew_free(struct crew *crew)
{
    if (crew == NULL)
        return;
    while (crew->absences != NULL)
        forget_absence(crew, crew->absences);
    while (crew->seats != NULL)
        free_seat(crew, crew->seats);
    assert(crew->kinds == NULL);
    free(crew);
}

/* ---- kinds ---- */

static size_t names_size(const struct bytes *names, uint32_t count)
{
    size_t size = 0;

    for (uint32_t i = 0; i < count; i++)
        size += 1 + names[i].size;
    return size;
}

static uint8_t *write_names(uint8_t *at, const struct bytes *names, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        assert(names[i].size <= NAME_SIZE_MAX);
        *at++ = (uint8_t)names[i].size;
        if (names[i].size > 0)
            memcpy(at, names[i].data, names[i].size);
        at += names[i].size;
    }
    return at;
}

_Static_assert(NAME_SIZE_MAX <= UINT8_MAX, "the size of a name fits into a byte");

static unsigned take_bit(struct crew *crew)
{
    for (unsigned i = 0; i < BITS - 1; i++)
        if ((crew->bits_taken >> i & 1) == 0) {
            crew->bits_taken |= UINT64_C(1) << i;
            return i;
        }
    return BITS - 1;
}

static struct kind *join_kind(struct crew *crew, const struct worker *worker)
{
    size_t size = sizeof(uint32_t) + names_size(worker->sources, worker->source_count) +
                  names_size(worker->targets, worker->target_count);
    struct kind *kind = allocate(sizeof *kind + size), *known;
    uint8_t *at = kind->names;

    /* The count of sources tells where the targets begin. */
    memcpy(at, &worker->source_count, sizeof worker->source_count);
    at = write_names(at + sizeof worker->source_count, worker->sources, worker->source_count);
    at = write_names(at, worker->targets, worker->target_count);
    assert(at == kind->names + size);

    HASH_FIND(hh, crew->kinds, kind->names, size, known);
    if (known != NULL) {
        free(kind);
        known->workers++;
        return known;
    }
    kind->workers = 1;
    kind->size = size;
    kind->source_count = worker->source_count;
    kind->target_count = worker->target_count;
    kind->bit = take_bit(crew);
    crew->version++;
    HASH_ADD_KEYPTR(hh, crew->kinds, kind->names, size, kind);
    return kind;
}

/* ---- workers ---- */

static struct seat *find_seat(struct crew *crew, const struct worker *worker)
{
    struct seat *seat;

    HASH_FIND_PTR(crew->seats, &worker, seat);
    return seat;
}

static struct absence *find_absence(struct crew *crew, struct bytes id)
{
    struct absence *absence;

    HASH_FIND(hh, crew->absences, id.data, id.size, absence);
    return absence;
}

static void count_seat(struct seat *seat, const struct worker *worker)
{
    seat->kind->slots -= seat->slots;
    seat->kind->free_slots -= seat->free_slots;
    seat->slots = worker->slots;
    seat->free_slots = worker->slots > worker->held ? worker->slots - worker->held : 0;
    seat->kind->slots += seat->slots;
    seat->kind->free_slots += seat->free_slots;
}

void crew_joined(struct crew *crew, const struct worker *worker, int64_t mono_ms)
{
    struct seat *seat = allocate(sizeof *seat);
    struct absence *absence = find_absence(crew, worker->id);

    assert(find_seat(crew, worker) == NULL);
    seat->worker = worker;
    seat->kind = join_kind(crew, worker);
    count_seat(seat, worker);
    HASH_ADD_PTR(crew->seats, worker, seat);
    if (absence != NULL)
        forget_absence(crew, absence);
    forget_long_absent(crew, mono_ms);
}

/* It leases call by call: it will come back. */
static void expect_back(struct crew *crew, const struct seat *seat, int64_t mono_ms)
{
    struct bytes id = seat->worker->id;
    struct absence *absence = find_absence(crew, id);

    if (absence != NULL)
        forget_absence(crew, absence);
    else if (HASH_COUNT(crew->absences) >= BOARD_ABSENT_MAX)
        forget_absence(crew, crew->absences);
    absence = allocate(sizeof *absence + id.size);
    absence->kind = seat->kind;
    absence->slots = seat->slots;
    absence->until_mono_ms = mono_ms + CREW_ABSENCE_MS;
    absence->size = id.size;
    if (id.size > 0)
        memcpy(absence->id, id.data, id.size);
    absence->kind->workers++;
    absence->kind->absent_slots += absence->slots;
    HASH_ADD_KEYPTR(hh, crew->absences, absence->id, absence->size, absence);
}

void crew_left(struct crew *crew, const struct worker *worker, int64_t mono_ms)
{
    struct seat *seat = find_seat(crew, worker);

    if (seat == NULL)
        return;
    if (worker->push == NULL)
        expect_back(crew, seat, mono_ms);
    free_seat(crew, seat);
    forget_long_absent(crew, mono_ms);
}

void crew_held(struct crew *crew, const struct worker *worker)
{
    struct seat *seat = find_seat(crew, worker);

    if (seat != NULL)
        count_seat(seat, worker);
}

void crew_forget_held(struct crew *crew)
{
    for (struct seat *seat = crew->seats; seat != NULL; seat = seat->hh.next) {
        seat->kind->free_slots += seat->slots - seat->free_slots;
        seat->free_slots = seat->slots;
    }
}

/* ---- reading ---- */

/* Whether `wanted` is among the names; moves *at behind them. */
static bool read_names(const uint8_t **at, uint32_t count, struct bytes wanted)
{
    bool found = false;

    for (uint32_t i = 0; i < count; i++) {
        struct bytes name = bytes_of(*at + 1, **at);

        found = found || bytes_equal(name, wanted) || bytes_equal(name, bytes_of_text("*"));
        *at += 1 + name.size;
    }
    return found;
}

static bool can_do(const struct kind *kind, struct bytes source, struct bytes target)
{
    const uint8_t *at = kind->names + sizeof(uint32_t);
    bool reads = read_names(&at, kind->source_count, source);
    bool writes = read_names(&at, kind->target_count, target);

    return reads && writes;
}

struct crew_count crew_who_can(struct crew *crew, struct bytes source, struct bytes target,
                               int64_t mono_ms)
{
    struct crew_count count = { 0 };

    forget_long_absent(crew, mono_ms);
    for (const struct kind *kind = crew->kinds; kind != NULL; kind = kind->hh.next) {
        if (!can_do(kind, source, target))
            continue;
        count.workers += kind->workers;
        count.slots += kind->slots + kind->absent_slots;
        count.free_slots += kind->free_slots;
        count.absent_slots += kind->absent_slots;
        count.kinds |= UINT64_C(1) << kind->bit;
    }
    return count;
}

struct board_now crew_now(const struct crew *crew)
{
    struct board_now now = { 0 };

    for (const struct seat *seat = crew->seats; seat != NULL; seat = seat->hh.next) {
        now.workers++;
        now.slots += seat->slots;
        now.free_slots += seat->free_slots;
    }
    return now;
}

uint64_t crew_version(const struct crew *crew)
{
    return crew->version;
}
