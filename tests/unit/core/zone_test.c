#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/random.h"
#include "core/base/rfc3339.h"
#include "core/schedule/zone_file.h"
#include "core/zones.h"

enum { HOUR_S = 3600, DAY_S = 86400 };

static struct zones *zones;

/* Of an instant, or of what a clock shows. */
static int64_t at(const char *text)
{
    int64_t ms = 0;

    assert_true(rfc3339_read(bytes_of_text(text), &ms));
    return ms / 1000;
}

static const struct zone *zone_of(const char *name)
{
    const struct zone *zone;

    assert_int_equal(zones_find(zones, bytes_of_text(name), &zone, NULL), OK);
    return zone;
}

#define assert_time(seconds, text) assert_time_at((seconds), (text), __LINE__)

static void assert_time_at(int64_t seconds, const char *text, int line)
{
    char got[RFC3339_SIZE];

    rfc3339_write(seconds * 1000, got);
    if (strcmp(got, text) != 0)
        fail_msg("line %d: %s, not %s", line, got, text);
}

/* ---- clocks ---- */

static void a_time_the_clock_skips_is_reached_when_the_gap_is_over(void **state)
{
    const struct zone *berlin = zone_of("Europe/Berlin"), *apia, *island;

    (void)state;
    assert_time(zone_instant(berlin, at("2026-03-29T01:59:59Z")), "2026-03-29T00:59:59Z");
    assert_time(zone_instant(berlin, at("2026-03-29T02:00:00Z")), "2026-03-29T01:00:00Z");
    assert_time(zone_instant(berlin, at("2026-03-29T02:30:00Z")), "2026-03-29T01:00:00Z");
    assert_time(zone_instant(berlin, at("2026-03-29T03:00:00Z")), "2026-03-29T01:00:00Z");
    assert_time(zone_instant(berlin, at("2026-03-29T03:00:01Z")), "2026-03-29T01:00:01Z");
    island = zone_of("Australia/Lord_Howe");
    assert_time(zone_instant(island, at("2026-10-04T02:15:00Z")), "2026-10-03T15:30:00Z");
    assert_time(zone_instant(island, at("2026-10-04T02:31:00Z")), "2026-10-03T15:31:00Z");
    apia = zone_of("Pacific/Apia"); /* had no 30th of December */
    assert_time(zone_instant(apia, at("2011-12-30T09:00:00Z")), "2011-12-30T10:00:00Z");
    assert_time(zone_instant(apia, at("2011-12-31T09:00:00Z")), "2011-12-30T19:00:00Z");
}

static void a_time_the_clock_shows_twice_is_reached_the_first_time(void **state)
{
    const struct zone *berlin = zone_of("Europe/Berlin"), *island;

    (void)state;
    assert_time(zone_instant(berlin, at("2026-10-25T02:00:00Z")), "2026-10-25T00:00:00Z");
    assert_time(zone_instant(berlin, at("2026-10-25T02:59:59Z")), "2026-10-25T00:59:59Z");
    assert_time(zone_instant(berlin, at("2026-10-25T03:00:00Z")), "2026-10-25T02:00:00Z");
    island = zone_of("Australia/Lord_Howe");
    assert_time(zone_instant(island, at("2026-04-05T01:45:00Z")), "2026-04-04T14:45:00Z");
    assert_time(zone_instant(island, at("2026-04-05T02:00:00Z")), "2026-04-04T15:30:00Z");
}

static void what_a_clock_has_shown_is_not_ahead_of_it(void **state)
{
    const struct zone *berlin = zone_of("Europe/Berlin");

    (void)state;
    assert_time(zone_unreached(berlin, at("2026-07-01T00:00:00Z")), "2026-07-01T02:00:00Z");
    assert_time(zone_unreached(berlin, at("2026-03-29T01:00:00Z")), "2026-03-29T02:00:00Z");
    assert_time(zone_unreached(berlin, at("2026-03-29T01:00:01Z")), "2026-03-29T03:00:01Z");
    assert_time(zone_unreached(berlin, at("2026-10-25T01:00:00Z")), "2026-10-25T03:00:00Z");
    assert_time(zone_unreached(berlin, at("2026-10-25T01:59:59Z")), "2026-10-25T03:00:00Z");
    assert_time(zone_unreached(berlin, at("2026-10-25T02:00:01Z")), "2026-10-25T03:00:01Z");
}

/* Where winter is the time that is set forth by less than nothing. */
static void summer_may_be_the_standard_time(void **state)
{
    const struct zone *dublin = zone_of("Europe/Dublin");

    (void)state;
    assert_int_equal(zone_wall(dublin, at("2026-01-10T12:00:00Z")), at("2026-01-10T12:00:00Z"));
    assert_int_equal(zone_wall(dublin, at("2026-07-10T12:00:00Z")), at("2026-07-10T13:00:00Z"));
    assert_int_equal(zone_wall(dublin, at("2090-01-10T12:00:00Z")), at("2090-01-10T12:00:00Z"));
    assert_int_equal(zone_wall(dublin, at("2090-07-10T12:00:00Z")), at("2090-07-10T13:00:00Z"));
    assert_time(zone_instant(dublin, at("2026-03-29T01:30:00Z")), "2026-03-29T01:00:00Z");
}

static const char *const lively[] = {
    "Europe/Berlin",    "Europe/Dublin",        "Africa/Casablanca", "Australia/Lord_Howe",
    "Antarctica/Troll", "America/Scoresbysund", "Pacific/Apia",      "America/Havana",
    "Asia/Gaza",        "Antarctica/Casey",     "Africa/Cairo",      "Asia/Kathmandu"
};
enum { LIVELY = sizeof lively / sizeof lively[0] };

static void reaching_and_having_reached_are_the_same_question(void **state)
{
    struct random_seeded dice;

    (void)state;
    random_seeded_init(&dice, 7);
    for (int i = 0; i < 200000; i++) {
        const struct zone *zone = zone_of(lively[random_below(&dice.base, LIVELY)]);
        int64_t near = (int64_t)random_below(&dice.base, UINT64_C(4000000000));
        int64_t change = zone_stretch(zone, near).from_s;
        int64_t around = change > 0 ? change : near;
        int64_t instant = around - 2 * DAY_S + (int64_t)random_below(&dice.base, 4 * DAY_S);
        int64_t wall = around - 2 * DAY_S + (int64_t)random_below(&dice.base, 4 * DAY_S);
        int64_t reached = zone_instant(zone, wall);

        assert_true((reached >= instant) == (wall >= zone_unreached(zone, instant)));
        assert_true(zone_wall(zone, reached) >= wall && zone_wall(zone, reached - 1) < wall);
    }
}

static void stretches_follow_each_other_without_end(void **state)
{
    (void)state;
    for (int i = 0; i < LIVELY; i++) {
        const struct zone *zone = zone_of(lively[i]);
        struct stretch stretch = zone_stretch(zone, 0);

        for (int n = 0; n < 500 && stretch.to_s != INT64_MAX; n++) {
            struct stretch next = zone_stretch(zone, stretch.to_s);

            assert_int_equal(next.from_s, stretch.to_s);
            assert_true(next.from_s < next.to_s);
            assert_int_equal(zone_stretch(zone, stretch.to_s - 1).offset_s, stretch.offset_s);
            stretch = next;
        }
    }
}

/* ---- files ---- */

enum { FILE_MAX = 4096 };

struct file {
    uint8_t data[FILE_MAX];
    size_t size;
};

static void add(struct file *file, const void *data, size_t size)
{
    assert_true(file->size + size <= FILE_MAX);
    memcpy(file->data + file->size, data, size);
    file->size += size;
}

static void add_number(struct file *file, int64_t number, unsigned size)
{
    for (unsigned i = size; i-- > 0;) {
        uint8_t byte = (uint8_t)((uint64_t)number >> 8 * i);

        add(file, &byte, 1);
    }
}

static void add_header(struct file *file, char version, uint32_t leaps, uint32_t changes,
                       uint32_t types)
{
    add(file, "TZif", 4);
    add(file, &version, 1);
    add(file, (uint8_t[15]){ 0 }, 15);
    add_number(file, 0, 4);
    add_number(file, 0, 4);
    add_number(file, leaps, 4);
    add_number(file, changes, 4);
    add_number(file, types, 4);
    add_number(file, 1, 4);
}

static void add_type(struct file *file, int32_t offset_s)
{
    add_number(file, offset_s, 4);
    add(file, (uint8_t[2]){ 0, 0 }, 2);
}

/* UTC+1 until 2020, UTC+2 then; behind that the footer. */
static struct file a_file(const char *footer)
{
    struct file file = { .size = 0 };

    add_header(&file, '2', 0, 0, 1);
    add_type(&file, 0);
    add(&file, "", 1);
    add_header(&file, '2', 0, 1, 2);
    add_number(&file, at("2020-01-01T00:00:00Z"), 8);
    add(&file, (uint8_t[1]){ 1 }, 1);
    add_type(&file, HOUR_S);
    add_type(&file, 2 * HOUR_S);
    add(&file, "", 1);
    add(&file, "\n", 1);
    add(&file, footer, strlen(footer));
    add(&file, "\n", 1);
    return file;
}

static bool is_read(const struct file *file, struct zone *zone)
{
    return zone_read(bytes_of(file->data, file->size), zone);
}

/* The offset, in minutes, that a footer gives to a time. */
static int64_t minutes_by(const char *footer, const char *time)
{
    struct file file = a_file(footer);
    struct zone zone;
    int64_t minutes;

    assert_true(is_read(&file, &zone));
    minutes = zone_stretch(&zone, at(time)).offset_s / 60;
    zone_wipe(&zone);
    return minutes;
}

static void the_table_comes_first_and_the_rule_behind_it(void **state)
{
    struct file file = a_file("CET-1CEST,M3.5.0,M10.5.0/3");
    struct zone zone;

    (void)state;
    assert_true(is_read(&file, &zone));
    assert_int_equal(zone_stretch(&zone, 0).offset_s, HOUR_S);
    assert_int_equal(zone_stretch(&zone, at("2019-07-01T00:00:00Z")).offset_s, HOUR_S);
    assert_int_equal(zone_stretch(&zone, at("2020-01-01T00:00:00Z")).offset_s, HOUR_S);
    assert_int_equal(zone_stretch(&zone, at("2020-01-01T00:00:00Z")).from_s,
                     at("2020-01-01T00:00:00Z"));
    assert_time(zone_stretch(&zone, at("2020-01-02T00:00:00Z")).to_s, "2020-03-29T01:00:00Z");
    assert_time(zone_stretch(&zone, at("2041-06-01T00:00:00Z")).from_s, "2041-03-31T01:00:00Z");
    assert_time(zone_stretch(&zone, at("2041-06-01T00:00:00Z")).to_s, "2041-10-27T01:00:00Z");
    zone_wipe(&zone);
}

static void rules_are_read_in_all_their_forms(void **state)
{
    (void)state;
    assert_int_equal(minutes_by("", "2050-07-01T00:00:00Z"), 120);
    assert_int_equal(minutes_by("<+0545>-5:45", "2050-07-01T00:00:00Z"), 345);
    assert_int_equal(minutes_by("NST3:30NDT,M3.2.0,M11.1.0", "2050-01-01T00:00:00Z"), -210);
    assert_int_equal(minutes_by("NST3:30NDT,M3.2.0,M11.1.0", "2050-07-01T00:00:00Z"), -150);
    assert_int_equal(minutes_by("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "2050-01-01T00:00:00Z"),
                     660);
    assert_int_equal(minutes_by("<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "2050-07-01T00:00:00Z"),
                     630);
    /* Day 60 without leap days is the first of March, from 0 with them the 29th of February. */
    assert_int_equal(minutes_by("AAA0BBB,J60/0,J100", "2048-02-29T23:59:59Z"), 0);
    assert_int_equal(minutes_by("AAA0BBB,J60/0,J100", "2048-03-01T00:00:00Z"), 60);
    assert_int_equal(minutes_by("AAA0BBB,59/0,J100", "2048-02-29T00:00:00Z"), 60);
    assert_int_equal(minutes_by("AAA0BBB,59/0,J100", "2049-02-28T23:59:59Z"), 0);
    assert_int_equal(minutes_by("AAA0BBB,59/0,J100", "2049-03-01T00:00:00Z"), 60);
    /* Hours before and far behind the day. */
    assert_int_equal(minutes_by("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2050-03-27T00:59:59Z"), -120);
    assert_int_equal(minutes_by("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2050-03-27T01:00:00Z"), -60);
    assert_int_equal(minutes_by("EET-2EEST,M3.4.4/50,M10.4.4/50", "2050-03-25T23:59:59Z"), 120);
    assert_int_equal(minutes_by("EET-2EEST,M3.4.4/50,M10.4.4/50", "2050-03-26T00:00:00Z"), 180);
}

/* As RFC 9636 writes summer time all the year. */
static void summer_may_last_for_ever(void **state)
{
    struct file file = a_file("EST5EDT,0/0,J365/25");
    struct zone zone;

    (void)state;
    assert_true(is_read(&file, &zone));
    for (int64_t time = at("2047-12-25T00:00:00Z"); time < at("2049-01-10T00:00:00Z"); time += 600)
        assert_int_equal(zone_stretch(&zone, time).offset_s, -4 * HOUR_S);
    assert_time(zone_instant(&zone, at("2049-01-01T00:30:00Z")), "2049-01-01T04:30:00Z");
    zone_wipe(&zone);
}

static void a_file_of_the_first_version_is_read(void **state)
{
    struct file file = { .size = 0 };
    struct zone zone;

    (void)state;
    add_header(&file, '\0', 0, 2, 2);
    add_number(&file, -1000, 4);
    add_number(&file, 1000, 4);
    add(&file, (uint8_t[2]){ 1, 0 }, 2);
    add_type(&file, 60);
    add_type(&file, -120);
    add(&file, "", 1);
    assert_true(is_read(&file, &zone));
    assert_int_equal(zone_stretch(&zone, -1001).offset_s, 60);
    assert_int_equal(zone_stretch(&zone, -1000).offset_s, -120);
    assert_int_equal(zone_stretch(&zone, 1000000).offset_s, 60);
    zone_wipe(&zone);
}

static void rules_that_make_no_sense_are_refused(void **state)
{
    static const char *const footers[] = {
        "CE-1",
        "CET",
        "CET-1CEST",
        "CET-1CEST,M3.5.0",
        "CET-1CEST,M13.5.0,M10.5.0",
        "CET-1CEST,M3.6.0,M10.5.0",
        "CET-1CEST,M3.5.7,M10.5.0",
        "CET-1CEST,J0,J300",
        "CET-1CEST,366,J300",
        "CET-1CEST,M3.5.0,M10.5.0x",
        "CET-25",
        "<+01-1",
        "CET-1CEST,M3.5.0/168,J3",
        "CET-1:60",
        "<>0",
        ",",
        "CET-",
        "CET-1CEST,M3,M4",
    };

    (void)state;
    for (size_t i = 0; i < sizeof footers / sizeof footers[0]; i++) {
        struct file file = a_file(footers[i]);
        struct zone zone;

        if (is_read(&file, &zone))
            fail_msg("%s was read", footers[i]);
    }
}

static void files_that_count_leap_seconds_are_refused(void **state)
{
    struct file file = { .size = 0 };
    struct zone zone;

    (void)state;
    add_header(&file, '\0', 1, 0, 1);
    add_type(&file, 60);
    add(&file, "", 1);
    add(&file, (uint8_t[8]){ 0 }, 8);
    assert_false(is_read(&file, &zone));
}

/* It is refused, or a zone that gives answers. */
static void read_damaged(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + 1); /* of its own: overruns are seen */
    struct zone zone;

    assert_non_null(copy);
    memcpy(copy, data, size);
    if (zone_read(bytes_of(copy, size), &zone)) {
        for (int64_t time = -4000000000; time < 8000000000; time += 1999999999) {
            (void)zone_instant(&zone, time);
            (void)zone_unreached(&zone, time);
        }
        zone_wipe(&zone);
    }
    free(copy);
}

static struct file file_of(const char *name)
{
    struct file file;
    char path[256];
    FILE *stream;

    snprintf(path, sizeof path, "%s/%s", zone_directory, name);
    stream = fopen(path, "rb");
    assert_non_null(stream);
    file.size = fread(file.data, 1, FILE_MAX, stream);
    fclose(stream);
    return file;
}

static void damaged_files_are_refused_or_give_answers(void **state)
{
    struct file sources[] = { a_file("CET-1CEST,M3.5.0,M10.5.0/3"),
                              file_of("Australia/Lord_Howe") };
    struct random_seeded dice;

    (void)state;
    random_seeded_init(&dice, 11);
    for (int i = 0; i < 40000; i++) {
        struct file file = sources[i % 2];

        for (uint64_t hits = random_below(&dice.base, 4); hits > 0; hits--)
            file.data[random_below(&dice.base, file.size)] = (uint8_t)random_below(&dice.base, 256);
        if (random_below(&dice.base, 4) == 0)
            file.size = random_below(&dice.base, file.size);
        read_damaged(file.data, file.size);
    }
}

/* ---- the database ---- */

static enum err find(struct zones *among, const char *name)
{
    const struct zone *zone;

    return zones_find(among, bytes_of_text(name), &zone, NULL);
}

static void what_is_no_zone_is_not_found(void **state)
{
    static const char *const names[] = {
        "Europe",
        "Europe/",
        "/Europe/Berlin",
        "Europe//Berlin",
        "Europe/Atlantis",
        "europe/berlin",
        "zone.tab",
        "tzdata.zi",
        "..",
        "../zoneinfo/UTC",
        "Europe/../UTC",
        "./UTC",
        "localtime",
        "posixrules",
        "posix/Europe/Berlin",
        "right/Europe/Berlin",
        "Europe/Berlin ",
        " UTC",
        "utc",
        "Europe/Berlin\n",
        "Europ\xc3\xa9",
        "leapseconds",
        "+01:00",
        "CET-1CEST",
        "Europe/Berlin/x",
        "A234567890123456789012345678901234567890123456789012345678901234567890",
    };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (find(zones, names[i]) != ERR_NOT_FOUND)
            fail_msg("%s was found", names[i]);
}

static void a_name_of_any_bytes_is_found_or_not(void **state)
{
    static const char alphabet[] = "Europe/Berlin.UTC-+_0\0\xff\n%s";
    struct random_seeded dice;

    (void)state;
    random_seeded_init(&dice, 13);
    for (int i = 0; i < 20000; i++) {
        size_t size = random_below(&dice.base, 80);
        uint8_t *name = malloc(size + 1);
        const struct zone *zone;
        enum err e;

        assert_non_null(name);
        for (size_t n = 0; n < size; n++)
            name[n] = i % 2 ? (uint8_t)random_below(&dice.base, 256)
                            : (uint8_t)alphabet[random_below(&dice.base, sizeof alphabet)];
        e = zones_find(zones, bytes_of(name, size), &zone, NULL);
        assert_true(e == OK || e == ERR_NOT_FOUND);
        free(name);
    }
}

static void names_from_outside_are_not_shown_again(void **state)
{
    const struct zone *zone;
    struct why why;

    (void)state;
    assert_int_equal(zones_find(zones, bytes_of_text("<script>\xff"), &zone, &why), ERR_NOT_FOUND);
    assert_null(strchr(why.text, '<'));
    assert_int_equal(zones_find(zones, bytes_of_text("Europe/Atlantis"), &zone, &why),
                     ERR_NOT_FOUND);
    assert_non_null(strstr(why.text, "Europe/Atlantis"));
}

static void utc_needs_no_database(void **state)
{
    struct zones *none = zones_new("/nowhere");
    const struct zone *zone;

    (void)state;
    assert_int_equal(find(none, "UTC"), OK);
    assert_int_equal(find(none, "Europe/Berlin"), ERR_NOT_FOUND);
    assert_int_equal(zones_find(none, bytes_of(NULL, 0), &zone, NULL), OK);
    assert_int_equal(zone_wall(zone, 12345), 12345);
    zones_free(none);
}

/* A database of one's own, in a directory that goes with it. */
struct database {
    char directory[64];
    struct zones *zones;
};

static void path_of(const struct database *database, const char *name, char path[128])
{
    snprintf(path, 128, "%.63s/%.60s", database->directory, name);
}

/* As packages do it: a new file takes the name of the old one. */
static void put(const struct database *database, const char *name, const struct file *file)
{
    char path[128], fresh[128];
    FILE *stream;

    path_of(database, name, path);
    path_of(database, "fresh", fresh);
    stream = fopen(fresh, "wb");
    assert_non_null(stream);
    assert_int_equal(fwrite(file->data, 1, file->size, stream), file->size);
    assert_int_equal(fclose(stream), 0);
    assert_int_equal(rename(fresh, path), 0);
}

static void take_away(const struct database *database, const char *name)
{
    char path[128];

    path_of(database, name, path);
    assert_int_equal(unlink(path), 0);
}

static struct database database_new(void)
{
    struct database database = { .directory = "/tmp/zone_test.XXXXXX" };

    assert_non_null(mkdtemp(database.directory));
    return database;
}

static void database_free(struct database *database)
{
    zones_free(database->zones);
    assert_int_equal(rmdir(database->directory), 0);
}

static int64_t offset_in(struct database *database, const char *name)
{
    const struct zone *zone;

    assert_int_equal(zones_find(database->zones, bytes_of_text(name), &zone, NULL), OK);
    return zone_stretch(zone, at("2050-01-01T00:00:00Z")).offset_s;
}

static void a_file_that_is_replaced_is_read_anew(void **state)
{
    struct database database = database_new();
    struct file one = a_file("AAA-1"), three = a_file("AAA-3"), bad = a_file("AAA");

    (void)state;
    database.zones = zones_new(database.directory);
    assert_int_equal(find(database.zones, "Here"), ERR_NOT_FOUND);
    put(&database, "Here", &one);
    assert_int_equal(offset_in(&database, "Here"), HOUR_S);
    put(&database, "Here", &three);
    assert_int_equal(offset_in(&database, "Here"), 3 * HOUR_S);
    put(&database, "Here", &bad); /* what was read once stays */
    assert_int_equal(offset_in(&database, "Here"), 3 * HOUR_S);
    take_away(&database, "Here");
    assert_int_equal(offset_in(&database, "Here"), 3 * HOUR_S);
    put(&database, "Here", &one);
    assert_int_equal(offset_in(&database, "Here"), HOUR_S);
    take_away(&database, "Here");
    database_free(&database);
}

static void what_cannot_be_read_says_so(void **state)
{
    struct database database = database_new();
    struct file bad = a_file("AAA"), huge = { .size = FILE_MAX };
    char path[128];

    (void)state;
    database.zones = zones_new(database.directory);
    put(&database, "Bad", &bad);
    put(&database, "Huge", &huge);
    path_of(&database, "Loop", path);
    assert_int_equal(symlink("Loop", path), 0);
    assert_int_equal(find(database.zones, "Bad"), ERR_CORRUPT);
    assert_int_equal(find(database.zones, "Huge"), ERR_NOT_FOUND);
    assert_int_equal(find(database.zones, "Loop"), ERR_UNAVAILABLE);
    take_away(&database, "Bad");
    take_away(&database, "Huge");
    take_away(&database, "Loop");
    database_free(&database);
}

/* More than are kept: the first ones are read again, and are still right. */
static void any_number_of_zones_can_be_asked_for(void **state)
{
    enum { MANY = 300 };
    struct database database = database_new();
    char name[16], footer[32];

    (void)state;
    database.zones = zones_new(database.directory);
    for (int i = 0; i < MANY; i++) {
        struct file file;

        snprintf(name, sizeof name, "Z%d", i);
        snprintf(footer, sizeof footer, "AAA-0:%02d:%02d", i / 60, i % 60);
        file = a_file(footer);
        put(&database, name, &file);
    }
    for (int round = 0; round < 3; round++)
        for (int i = 0; i < MANY; i++) {
            snprintf(name, sizeof name, "Z%d", i);
            assert_int_equal(offset_in(&database, name), i);
            assert_int_equal(offset_in(&database, "Z0"), 0);
        }
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof name, "Z%d", i);
        take_away(&database, name);
    }
    database_free(&database);
}

static int setup(void **state)
{
    (void)state;
    zones = zones_new(zone_directory);
    return zones == NULL;
}

static int teardown(void **state)
{
    (void)state;
    zones_free(zones);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_time_the_clock_skips_is_reached_when_the_gap_is_over),
        cmocka_unit_test(a_time_the_clock_shows_twice_is_reached_the_first_time),
        cmocka_unit_test(what_a_clock_has_shown_is_not_ahead_of_it),
        cmocka_unit_test(summer_may_be_the_standard_time),
        cmocka_unit_test(reaching_and_having_reached_are_the_same_question),
        cmocka_unit_test(stretches_follow_each_other_without_end),
        cmocka_unit_test(the_table_comes_first_and_the_rule_behind_it),
        cmocka_unit_test(rules_are_read_in_all_their_forms),
        cmocka_unit_test(summer_may_last_for_ever),
        cmocka_unit_test(a_file_of_the_first_version_is_read),
        cmocka_unit_test(rules_that_make_no_sense_are_refused),
        cmocka_unit_test(files_that_count_leap_seconds_are_refused),
        cmocka_unit_test(damaged_files_are_refused_or_give_answers),
        cmocka_unit_test(what_is_no_zone_is_not_found),
        cmocka_unit_test(a_name_of_any_bytes_is_found_or_not),
        cmocka_unit_test(names_from_outside_are_not_shown_again),
        cmocka_unit_test(utc_needs_no_database),
        cmocka_unit_test(a_file_that_is_replaced_is_read_anew),
        cmocka_unit_test(what_cannot_be_read_says_so),
        cmocka_unit_test(any_number_of_zones_can_be_asked_for),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
