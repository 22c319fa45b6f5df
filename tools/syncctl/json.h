#ifndef TOOLS_SYNCCTL_JSON_H
#define TOOLS_SYNCCTL_JSON_H

#include "tools/syncctl/session.h"

/* Messages as JSON, with the names, words and times of the documented JSON API. */

/* On a line of its own. */
void print_json(struct session *session, const ProtobufCMessage *message);

/* Reads a job as POST /sync/queue takes it, from a file or from standard input
 * ("-"). False if it is wrong: printed. */
bool read_json(struct session *session, const char *path, ProtobufCMessage *request);

#endif
