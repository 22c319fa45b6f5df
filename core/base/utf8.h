#ifndef CORE_BASE_UTF8_H
#define CORE_BASE_UTF8_H

#include "core/base/bytes.h"

/* UTF-8 as RFC 3629 has it: shortest form, no surrogates, up to U+10FFFF. */

/* Bytes of the character that text begins with; 0 if it begins with none. */
size_t utf8_character_size(struct bytes text);
bool utf8_is_valid(struct bytes text);

#endif
