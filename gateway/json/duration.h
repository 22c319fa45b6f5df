#ifndef GATEWAY_DURATION_H
#define GATEWAY_DURATION_H

#include <stdbool.h>
#include <stdint.h>

/* Spans of time as text. */

enum { DURATION_TEXT_SIZE = 48 };

/* ISO 8601: "PT90S", "PT1H2M3.5S", "P1DT12H", "P2W"; no years or months, whose
 * length is not fixed. Or a number of seconds: "30", "1.5". Not negative, at
 * most 10,000 years, cut to milliseconds. False if the text is anything else. */
bool duration_read(const char *text, int64_t *duration_ms);

/* "PT1H2M3.5S"; "PT0S" for none. duration_ms >= 0. */
void duration_write(int64_t duration_ms, char text[DURATION_TEXT_SIZE]);

#endif
