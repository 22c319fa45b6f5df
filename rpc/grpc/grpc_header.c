#include "rpc/grpc/grpc_header.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

static bool starts_with(struct bytes text, const char *prefix)
{
    size_t size = strlen(prefix);

    return text.size >= size && memcmp(text.data, prefix, size) == 0;
}

bool grpc_name_is_reserved(struct bytes name)
{
    static const char *const reserved[] = { "te",
                                            "content-type",
                                            "host",
                                            "connection",
                                            "content-length",
                                            "transfer-encoding",
                                            "trailer",
                                            "upgrade",
                                            "keep-alive",
                                            "proxy-connection" };

    if (name.size == 0 || name.data[0] == ':' || starts_with(name, "grpc-"))
        return true;
    for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
        if (bytes_equal(name, bytes_of_text(reserved[i])))
            return true;
    return false;
}

bool grpc_name_is_valid(struct bytes name)
{
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.'))
            return false;
    }
    return name.size > 0;
}

bool grpc_name_is_binary(struct bytes name)
{
    return name.size > 4 && memcmp(name.data + name.size - 4, "-bin", 4) == 0;
}

bool grpc_value_is_valid(struct bytes value)
{
    for (size_t i = 0; i < value.size; i++)
        if (value.data[i] < 0x20 || value.data[i] > 0x7e)
            return false;
    return value.size == 0 || (value.data[0] != ' ' && value.data[value.size - 1] != ' ');
}

bool grpc_content_type_is_ours(struct bytes value)
{
    const size_t size = strlen("application/grpc");

    if (!starts_with(value, "application/grpc"))
        return false;
    value = bytes_of(value.data + size, value.size - size);
    if (starts_with(value, "+proto"))
        value = bytes_of(value.data + 6, value.size - 6);
    return value.size == 0 || value.data[0] == ';' || value.data[0] == ' ';
}

struct bytes grpc_message_encode(struct bytes text, struct arena *mem)
{
    static const char digits[] = "0123456789ABCDEF";
    uint8_t *out = arena_alloc(mem, text.size * 3 + 1);
    size_t size = 0;

    if (out == NULL)
        return bytes_of(NULL, 0);
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        /* Spaces at the ends would be lost: HTTP trims values. */
        bool end_space = c == ' ' && (i == 0 || i + 1 == text.size);
        if (c >= 0x20 && c <= 0x7e && c != '%' && !end_space) {
            out[size++] = c;
            continue;
        }
        out[size++] = '%';
        out[size++] = (uint8_t)digits[c >> 4];
        out[size++] = (uint8_t)digits[c & 15];
    }
    return bytes_of(out, size);
}

struct bytes grpc_text_cut(struct bytes text, size_t max)
{
    if (text.size <= max)
        return text;
    while (max > 0 && (text.data[max] & 0xc0) == 0x80)
        max--;
    return bytes_of(text.data, max);
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

struct bytes grpc_message_decode(struct bytes text, struct arena *mem)
{
    uint8_t *out = arena_alloc(mem, text.size + 1);
    size_t size = 0;

    if (out == NULL)
        return bytes_of(NULL, 0);
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (c == '%' && text.size - i > 2 && hex_digit(text.data[i + 1]) >= 0 &&
            hex_digit(text.data[i + 2]) >= 0) {
            c = (uint8_t)(hex_digit(text.data[i + 1]) << 4 | hex_digit(text.data[i + 2]));
            i += 2;
        }
        out[size++] = c;
    }
    return bytes_of(out, size);
}

struct bytes grpc_binary_encode(struct bytes value, struct arena *mem)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t *out = arena_alloc(mem, value.size / 3 * 4 + 5);
    uint32_t bits = 0;
    unsigned count = 0;
    size_t size = 0;

    if (out == NULL)
        return bytes_of(NULL, 0);
    for (size_t i = 0; i < value.size; i++) {
        bits = bits << 8 | value.data[i];
        for (count += 8; count >= 6; count -= 6)
            out[size++] = (uint8_t)digits[bits >> (count - 6) & 63];
    }
    if (count > 0)
        out[size++] = (uint8_t)digits[bits << (6 - count) & 63];
    return bytes_of(out, size);
}

static int base64_digit(uint8_t c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

/* Takes the first of joined values off *rest; its data is NULL after the last. */
static struct bytes next_value(struct bytes *rest)
{
    const uint8_t *comma = rest->size > 0 ? memchr(rest->data, ',', rest->size) : NULL;
    struct bytes value = *rest;

    if (comma == NULL) {
        *rest = bytes_of(NULL, 0);
        return value;
    }
    value.size = (size_t)(comma - value.data);
    *rest = bytes_of(comma + 1, rest->size - value.size - 1);
    return value;
}

bool grpc_value_at(struct bytes name, struct bytes value, size_t *index, struct bytes *found)
{
    struct bytes rest = grpc_name_is_binary(name) ? value : bytes_of(NULL, 0);

    do {
        if (rest.data != NULL)
            value = next_value(&rest);
        if ((*index)-- == 0) {
            *found = value;
            return true;
        }
    } while (rest.data != NULL);
    return false;
}

static struct bytes without_padding(struct bytes text)
{
    while (text.size > 0 && text.data[0] == ' ') /* behind a comma */
        text = bytes_of(text.data + 1, text.size - 1);
    for (unsigned i = 0; i < 2 && text.size > 0 && text.data[text.size - 1] == '='; i++)
        text.size--;
    return text;
}

struct bytes grpc_binary_decode(struct bytes text, struct arena *mem)
{
    uint32_t bits = 0;
    unsigned count = 0;
    uint8_t *out;
    size_t size = 0;

    text = without_padding(text);
    out = arena_alloc(mem, text.size / 4 * 3 + 4);
    if (out == NULL || text.size % 4 == 1)
        return bytes_of(NULL, 0);
    for (size_t i = 0; i < text.size; i++) {
        int digit = base64_digit(text.data[i]);
        if (digit < 0)
            return bytes_of(NULL, 0);
        bits = bits << 6 | (uint32_t)digit;
        count += 6;
        if (count >= 8) {
            count -= 8;
            out[size++] = (uint8_t)(bits >> count);
        }
    }
    return bytes_of(out, size);
}

bool grpc_timeout_parse(struct bytes text, int64_t *timeout_ms)
{
    int64_t value = 0;

    if (text.size < 2 || text.size > 9)
        return false;
    for (size_t i = 0; i + 1 < text.size; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (text.data[i] - '0');
    }
    switch (text.data[text.size - 1]) {
    case 'H':
        *timeout_ms = value * 3600 * 1000;
        return true;
    case 'M':
        *timeout_ms = value * 60 * 1000;
        return true;
    case 'S':
        *timeout_ms = value * 1000;
        return true;
    case 'm':
        *timeout_ms = value;
        return true;
    case 'u':
        *timeout_ms = value / 1000;
        return true;
    case 'n':
        *timeout_ms = value / 1000000;
        return true;
    default:
        return false;
    }
}

void grpc_timeout_format(int64_t timeout_ms, char text[GRPC_TIMEOUT_SIZE])
{
    static const struct {
        int64_t ms;
        char unit;
    } units[] = {
        { 1, 'm' },
        { 1000, 'S' },
        { 60 * 1000, 'M' },
        { 3600 * 1000, 'H' },
    };
    int64_t value = 0;
    size_t i;

    assert(timeout_ms > 0);
    for (i = 0; i < sizeof units / sizeof units[0]; i++) {
        value = timeout_ms / units[i].ms + (timeout_ms % units[i].ms != 0);
        if (value <= 99999999)
            break;
    }
    if (i == sizeof units / sizeof units[0]) { /* 11,000 years */
        value = 99999999;
        i--;
    }
    snprintf(text, GRPC_TIMEOUT_SIZE, "%" PRId64 "%c", value, units[i].unit);
}
