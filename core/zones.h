#ifndef CORE_ZONES_H
#define CORE_ZONES_H

#include "core/base/bytes.h"
#include "core/base/err.h"
#include "core/zone.h"

/* The machine's time-zone database: zones by their IANA names, each read once,
 * at most 128 of them kept in memory. A file that was replaced, as packages do
 * it, is read anew. One thread at a time. */
struct zones;

enum { ZONE_NAME_SIZE_MAX = 64 };
extern const char *const zone_directory; /* of the system: /usr/share/zoneinfo */

/* Gives an empty cache, NULL without memory. The directory's name is borrowed
 * for as long as it lives. */
struct zones *zones_new(const char *directory);
void zones_free(struct zones *zones); /* NULL is fine */

/* Lends the zone until the next zones_find(). "UTC" and the empty name need no
 * file. ERR_NOT_FOUND: no zone has this name. ERR_CORRUPT: its file makes no
 * sense. ERR_UNAVAILABLE: it cannot be read just now. A zone that was read once
 * stays, whatever becomes of its file. */
MUST_USE enum err zones_find(struct zones *zones, struct bytes name, const struct zone **zone,
                             struct why *why);

#endif
