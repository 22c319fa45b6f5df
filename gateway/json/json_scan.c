#include "gateway/json/json_scan.h"

#include <assert.h>

#include "gateway/json/utf8.h"

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

struct bytes json_scan_member(struct bytes text, size_t index)
{
    struct scan scan = { .text = text, .depth_max = UINT32_MAX };
    size_t begin;
    bool ok;

    skip_space(&scan);
    for (;; index--) {
        scan.at++; /* the brace, then each comma */
        ok = scan_key(&scan);
        assert(ok);
        skip_space(&scan);
        begin = scan.at;
        ok = scan_value(&scan);
        assert(ok);
        if (index == 0)
            return bytes_of(text.data + begin, scan.at - begin);
        skip_space(&scan);
        assert(peek(&scan) == ',');
    }
}

bool json_scan_is_object(struct bytes text)
{
    struct scan scan = { .text = text };

    skip_space(&scan);
    return peek(&scan) == '{';
}
