#include "tools/settings/tls_settings.h"

const struct tls_client_options *tls_settings_read(const struct settings *settings, size_t first,
                                                   struct tls_client_options *options)
{
    bool is_on = settings_switch(settings, first + TLS_SETTING_ON);

    for (size_t i = TLS_SETTING_CA; i < TLS_SETTING_COUNT; i++)
        is_on = is_on || settings_text(settings, first + i) != NULL;
    *options = (struct tls_client_options){
        .ca_file = settings_text(settings, first + TLS_SETTING_CA),
        .cert_file = settings_text(settings, first + TLS_SETTING_CERT),
        .key_file = settings_text(settings, first + TLS_SETTING_KEY),
        .server_name = settings_text(settings, first + TLS_SETTING_SERVER_NAME),
    };
    return is_on ? options : NULL;
}
