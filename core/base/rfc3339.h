#ifndef CORE_BASE_RFC3339_H
#define CORE_BASE_RFC3339_H

#include "core/base/bytes.h"

/* Times as text, RFC 3339, and civil dates (proleptic Gregorian, UTC). No
 * process-global time zone is touched. */

enum { RFC3339_SIZE = 32 };   /* room for any text written here, NUL included */

/* "2023-01-01T12:00:00Z"; with milliseconds only where they are not zero.
 * Years 1 to 9999. */
void rfc3339_write(int64_t time_ms, char text[RFC3339_SIZE]);

/* Accepts what section 5.6 allows: offset or Z, any number of fraction digits
 * (cut to milliseconds), a lower-case t or z. A leap second counts as the
 * second after it. False if the text is anything else. */
bool rfc3339_read(struct bytes text, int64_t *time_ms);

struct civil {
    int year, month, day;              /* month and day from 1 */
    int hour, minute, second, ms;
};

struct civil civil_from_ms(int64_t time_ms);
int64_t civil_to_ms(const struct civil *civil);   /* fields in range */
int civil_days_in_month(int year, int month);

#endif
