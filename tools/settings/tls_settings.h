#ifndef TOOLS_SETTINGS_TLS_SETTINGS_H
#define TOOLS_SETTINGS_TLS_SETTINGS_H

#include "rpc/tls.h"
#include "tools/settings/settings.h"

/* How a client speaks to its server, as the rows of a table of settings: the same
 * for all programs. There is no row that turns verification off. */

/* In this order, from a place of the table's own. */
enum {
    TLS_SETTING_ON,
    TLS_SETTING_CA,
    TLS_SETTING_CERT,
    TLS_SETTING_KEY,
    TLS_SETTING_SERVER_NAME,
    TLS_SETTING_COUNT
};

/* clang-format off */
#define TLS_SETTINGS(first, how_far)                                                             \
    [(first) + TLS_SETTING_ON] = { .name = "tls", .type = SETTING_SWITCH, .reach = (how_far),    \
        .help = "Speak TLS with the server; any other tls setting says so, too." },              \
    [(first) + TLS_SETTING_CA] = { .name = "tls-ca", .placeholder = "FILE", .reach = (how_far),  \
        .help = "Whom to trust, in PEM; absent: whom the system trusts. The server's certificate"\
                " must be of one of these and for its name." },                                  \
    [(first) + TLS_SETTING_CERT] = { .name = "tls-cert", .placeholder = "FILE",                  \
        .reach = (how_far),                                                                      \
        .help = "A certificate to show to the server, in PEM; read again when it was renewed." },\
    [(first) + TLS_SETTING_KEY] = { .name = "tls-key", .placeholder = "FILE",                    \
        .reach = (how_far), .help = "Its private key, in PEM; mode 0600." },                     \
    [(first) + TLS_SETTING_SERVER_NAME] = { .name = "tls-server-name", .placeholder = "NAME",    \
        .reach = (how_far),                                                                      \
        .help = "What the server's certificate must be for; absent: its address's host." }
/* clang-format on */

/* What they come to, lent by the settings and by *options. NULL: plain text. */
const struct tls_client_options *tls_settings_read(const struct settings *settings, size_t first,
                                                   struct tls_client_options *options);

#endif
