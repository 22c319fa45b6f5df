#ifndef GATEWAY_OPENAPI_TEXT_H
#define GATEWAY_OPENAPI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the table of routes and the descriptors do not say: what endpoints and
 * fields are for, and what values are allowed. A test holds that nothing lacks
 * its text. */

struct api_operation {
    const char *pattern;        /* as in the route */
    const char *id;             /* operationId of its POST, or only, verb */
    const char *group;          /* tag */
    const char *right;          /* NULL: none is needed */
    const char *summary;
};

struct api_field {
    const char *name;           /* "Job.progress"; "*.reason": of every message */
    const char *text;
    bool required;              /* in a request; always there, in an answer */
    int64_t min, max;           /* max 0: no bounds */
    const char *preset;         /* the default, as JSON; NULL: none */
    const char *pattern;        /* regular expression of text; NULL: any */
};

/* An example of the documentation, word for word. */
struct api_example {
    const char *pattern;
    bool of_request;
    const char *name;
    const char *json;
};

/* NULL if there is none. */
const struct api_operation *api_operation_of(const char *pattern);
/* message: its name without the package. */
const struct api_field *api_field_of(const char *message, const char *json_name);
const struct api_example *api_examples(size_t *count);

#endif
