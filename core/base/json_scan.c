#include "core/base/json_scan.h"

#include "core/base/utf8.h"

#include <assert.h>

/* A recursive descent whose recursion the depth limit bounds. `flaw` is set
 * where the text first goes wrong; then everything returns at once. */
struct scan {
    struct bytes text;
    size_t at;
    unsigned depth, depth_max;
    const char *flaw;
};

static bool scan_value(struct scan *scan);

static bool flawed(struct scan *scan, const char *flaw)
{
    scan->flaw = flaw;
    return false;
}

static int peek(const struct scan *scan)
{
    return scan->at < scan->text.size ? scan->text.data[scan->at] : -1;
}

static bool is_space(int c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static void skip_space(struct scan *scan)
{
    while (is_space(peek(scan)))
        scan->at++;
}

static bool scan_literal(struct scan *scan, const char *word)
{
    struct bytes expected = bytes_of_text(word);

    if (scan->text.size - scan->at < expected.size ||
        memcmp(scan->text.data + scan->at, word, expected.size) != 0)
        return flawed(scan, "a value was expected");
    scan->at += expected.size;
    return true;
}

static bool scan_digits(struct scan *scan)
{
    if (!is_digit(peek(scan)))
        return flawed(scan, "a digit was expected");
    while (is_digit(peek(scan)))
        scan->at++;
    return true;
}

static bool scan_number(struct scan *scan)
{
    if (peek(scan) == '-')
        scan->at++;
    if (peek(scan) == '0')
        scan->at++;
    else if (!scan_digits(scan))
        return false;
    if (peek(scan) == '.') {
        scan->at++;
        if (!scan_digits(scan))
            return false;
    }
    if (peek(scan) == 'e' || peek(scan) == 'E') {
        scan->at++;
        if (peek(scan) == '+' || peek(scan) == '-')
            scan->at++;
        return scan_digits(scan);
    }
    return true;
}

static bool is_hex(int c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool scan_escape(struct scan *scan)
{
    int c;

    scan->at++; /* the backslash */
    c = peek(scan);
    if (c <= 0 || strchr("\"\\/bfnrtu", c) == NULL)
        return flawed(scan, "this escape does not exist");
    scan->at++;
    if (c != 'u')
        return true;
    for (int i = 0; i < 4; i++, scan->at++)
        if (!is_hex(peek(scan)))
            return flawed(scan, "\\u needs four hexadecimal digits");
    return true;
}

static bool scan_character(struct scan *scan)
{
    size_t size =
        utf8_character_size(bytes_of(scan->text.data + scan->at, scan->text.size - scan->at));

    if (size == 0)
        return flawed(scan, "the text is not valid UTF-8");
    scan->at += size;
    return true;
}

static bool scan_string(struct scan *scan)
{
    scan->at++;
    for (;;) {
        int c = peek(scan);

        if (c < 0)
            return flawed(scan, "the text ends inside a string");
        if (c < ' ')
            return flawed(scan, "a control character must be escaped");
        if (c == '"')
            break;
        if (c == '\\' ? !scan_escape(scan) : !scan_character(scan))
            return false;
    }
    scan->at++;
    return true;
}

static bool scan_key(struct scan *scan)
{
    skip_space(scan);
    if (peek(scan) != '"')
        return flawed(scan, "a member's name in quotes was expected");
    if (!scan_string(scan))
        return false;
    skip_space(scan);
    if (peek(scan) != ':')
        return flawed(scan, "a colon was expected");
    scan->at++;
    return true;
}

/* What stands between the braces or brackets, and the closing one. */
static bool scan_items(struct scan *scan, char close)
{
    scan->at++;
    skip_space(scan);
    if (peek(scan) == close) {
        scan->at++;
        return true;
    }
    for (;;) {
        if (close == '}' && !scan_key(scan))
            return false;
        if (!scan_value(scan))
            return false;
        skip_space(scan);
        if (peek(scan) == close)
            break;
        if (peek(scan) != ',')
            return flawed(scan, "a comma or the end was expected");
        scan->at++;
    }
    scan->at++;
    return true;
}

static bool scan_container(struct scan *scan, char close)
{
    bool ok;

    if (scan->depth == scan->depth_max)
        return flawed(scan, "it is nested too deep");
    scan->depth++;
    ok = scan_items(scan, close);
    scan->depth--;
    return ok;
}

static bool scan_value(struct scan *scan)
{
    skip_space(scan);
    switch (peek(scan)) {
    case '{':
        return scan_container(scan, '}');
    case '[':
        return scan_container(scan, ']');
    case '"':
        return scan_string(scan);
    case 't':
        return scan_literal(scan, "true");
    case 'f':
        return scan_literal(scan, "false");
    case 'n':
        return scan_literal(scan, "null");
    default:
        if (peek(scan) != '-' && !is_digit(peek(scan)))
            return flawed(scan, "a value was expected");
        return scan_number(scan);
    }
}

static bool scan_document(struct scan *scan)
{
    if (!scan_value(scan))
        return false;
    skip_space(scan);
    return scan->at == scan->text.size || flawed(scan, "there is more after the end");
}

enum err json_scan(struct bytes text, unsigned depth_max, struct why *why)
{
    struct scan scan = { .text = text, .depth_max = depth_max };

    if (scan_document(&scan))
        return OK;
    return err_because(why, ERR_INVALID, "Malformed JSON: %s (at byte %zu)", scan.flaw,
                       scan.at + 1);
}

bool json_scan_is_object(struct bytes text)
{
    struct scan scan = { .text = text };

    skip_space(&scan);
    return peek(&scan) == '{';
}

/* ---- What stands in a text that has passed. ---- */

struct json_items json_items_of(struct bytes text)
{
    struct scan scan = { .text = text };

    skip_space(&scan);
    return (struct json_items){ .text = text, .at = scan.at };
}

bool json_items_next(struct json_items *items, struct bytes *name, struct bytes *value)
{
    struct scan scan = { .text = items->text, .at = items->at, .depth_max = UINT32_MAX };
    size_t begin;
    bool ok = true;

    if (items->ended)
        return false;
    items->is_object |= peek(&scan) == '{';
    scan.at++; /* the brace or bracket, then each comma */
    skip_space(&scan);
    items->ended = peek(&scan) == '}' || peek(&scan) == ']';
    if (items->ended)
        return false;
    begin = scan.at;
    if (items->is_object) {
        ok = scan_string(&scan);
        if (name != NULL)
            *name = bytes_of(items->text.data + begin, scan.at - begin);
        skip_space(&scan);
        scan.at++; /* the colon */
        skip_space(&scan);
        begin = scan.at;
    }
    ok = ok && scan_value(&scan);
    assert(ok);
    *value = bytes_of(items->text.data + begin, scan.at - begin);
    skip_space(&scan);
    items->ended = peek(&scan) != ',';
    items->at = scan.at;
    return true;
}

struct bytes json_scan_member(struct bytes text, size_t index)
{
    struct json_items items = json_items_of(text);
    struct bytes value = { 0 };
    bool ok = true;

    for (size_t i = 0; ok && i <= index; i++)
        ok = json_items_next(&items, NULL, &value);
    assert(ok);
    return value;
}

/* ---- What a string says. ---- */

static uint32_t read_hex(const uint8_t *digits)
{
    uint32_t number = 0;

    for (int i = 0; i < 4; i++) {
        int c = digits[i];
        number = number << 4 | (uint32_t)(is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return number;
}

static size_t put_character(uint32_t c, uint8_t *out)
{
    if (c < 0x80) {
        out[0] = (uint8_t)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (uint8_t)(0xc0 | c >> 6);
        out[1] = (uint8_t)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (uint8_t)(0xe0 | c >> 12);
        out[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        out[2] = (uint8_t)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (uint8_t)(0xf0 | c >> 18);
    out[1] = (uint8_t)(0x80 | (c >> 12 & 0x3f));
    out[2] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
    out[3] = (uint8_t)(0x80 | (c & 0x3f));
    return 4;
}

/* What \u at text stands for, perhaps with the other half of its pair; *size: of
 * what was read. A half alone is no character. */
static uint32_t read_unicode(const uint8_t *text, const uint8_t *end, size_t *size)
{
    enum { ESCAPE_SIZE = 6, REPLACEMENT = 0xfffd };
    uint32_t first = read_hex(text + 2), second;

    *size = ESCAPE_SIZE;
    if (first < 0xd800 || first > 0xdfff)
        return first;
    if (first > 0xdbff || end - text < 2 * ESCAPE_SIZE || text[ESCAPE_SIZE] != '\\' ||
        text[ESCAPE_SIZE + 1] != 'u')
        return REPLACEMENT;
    second = read_hex(text + ESCAPE_SIZE + 2);
    if (second < 0xdc00 || second > 0xdfff)
        return REPLACEMENT;
    *size = (size_t)2 * ESCAPE_SIZE;
    return 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
}

struct bytes json_scan_text(struct bytes string, struct arena *mem)
{
    static const char letters[] = "\"\\/bfnrt", stand_for[] = "\"\\/\b\f\n\r\t";
    const uint8_t *text = string.data + 1, *end = string.data + string.size - 1;
    uint8_t *decoded;
    size_t size = 0, read;

    if (memchr(text, '\\', (size_t)(end - text)) == NULL)
        return bytes_of(text, (size_t)(end - text));
    decoded = arena_alloc(mem, string.size); /* an escape is longer than what it says */
    if (decoded == NULL)
        return bytes_of(NULL, 0);
    for (; text < end; text += read) {
        read = 1;
        if (*text != '\\') {
            decoded[size++] = *text;
        } else if (text[1] == 'u') {
            size += put_character(read_unicode(text, end, &read), decoded + size);
        } else {
            decoded[size++] = (uint8_t)stand_for[strchr(letters, text[1]) - letters];
            read = 2;
        }
    }
    return bytes_of(decoded, size);
}
