#include "core/base/utf8.h"

/* Lead byte range → length and the range of the second byte; the bytes after
 * it are always 80..BF. The table of RFC 3629, section 4. */
static const struct form {
    uint8_t lead_min, lead_max, size, second_min, second_max;
} forms[] = {
    { 0x00, 0x7f, 1, 0, 0 },       { 0xc2, 0xdf, 2, 0x80, 0xbf }, { 0xe0, 0xe0, 3, 0xa0, 0xbf },
    { 0xe1, 0xec, 3, 0x80, 0xbf }, { 0xed, 0xed, 3, 0x80, 0x9f }, { 0xee, 0xef, 3, 0x80, 0xbf },
    { 0xf0, 0xf0, 4, 0x90, 0xbf }, { 0xf1, 0xf3, 4, 0x80, 0xbf }, { 0xf4, 0xf4, 4, 0x80, 0x8f },
};

static const struct form *form_of(uint8_t lead)
{
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        if (lead >= forms[i].lead_min && lead <= forms[i].lead_max)
            return &forms[i];
    return NULL;
}

size_t utf8_character_size(struct bytes text)
{
    const struct form *form = text.size > 0 ? form_of(text.data[0]) : NULL;

    if (form == NULL || text.size < form->size)
        return 0;
    if (form->size > 1 && (text.data[1] < form->second_min || text.data[1] > form->second_max))
        return 0;
    for (size_t i = 2; i < form->size; i++)
        if ((text.data[i] & 0xc0) != 0x80)
            return 0;
    return form->size;
}

bool utf8_is_valid(struct bytes text)
{
    while (text.size > 0) {
        size_t size = utf8_character_size(text);

        if (size == 0)
            return false;
        text = bytes_of(text.data + size, text.size - size);
    }
    return true;
}
