#ifndef TOOLS_SYNCCTL_DISPLAY_H
#define TOOLS_SYNCCTL_DISPLAY_H

#include "tools/syncctl/format.h"

/* Jobs as they change: on a terminal a bar for each live one, redrawn in place,
 * with those that ended left standing above; elsewhere a line for each change;
 * with -o json each job as an object on a line. */

struct display;

struct display *display_new(struct session *session);
/* Takes note; ended jobs are printed at once. */
void display_job(struct display *display, const Sync__V1__Job *job);
/* Draws what changed since: call it a few times a second. */
void display_draw(struct display *display);
void display_note(struct display *display, const char *text);

#endif
