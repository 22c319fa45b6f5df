#ifndef GATEWAY_DASHBOARD_H
#define GATEWAY_DASHBOARD_H

#include "core/base/bytes.h"

#include <stdbool.h>

/* The dashboard: a page for people's browsers that uses the JSON API and
 * nothing else. Its files (gateway/dashboard/) are part of the program, so that
 * there is nothing to install and nothing on the disk to tamper with. */

struct dashboard_file {
    const char *content_type;
    struct bytes body;         /* lent for ever */
};

/* The file of that name; "" is the page itself. False if there is none. */
bool dashboard_find(const char *name, struct dashboard_file *file);

/* What a browser may load for the page, and from where: from here only
 * (W3C Content Security Policy Level 3). */
extern const char dashboard_policy[];

#endif
