#include "tools/worker/connectors/json_scan.h"

/* A recursive descent with a bound on its depth. */

struct scanner {
    const uint8_t *at, *end;
    unsigned depth;
    json_member_fn *member;
    void *context;
    const char *reason;
};

static bool scan_value(struct scanner *s);

static bool refuse(struct scanner *s, const char *reason)
{
    if (s->reason == NULL)
        s->reason = reason;
    return false;
}

static void skip_space(struct scanner *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r'))
        s->at++;
}

static bool next_is(const struct scanner *s, uint8_t c)
{
    return s->at < s->end && *s->at == c;
}

static bool take(struct scanner *s, uint8_t c)
{
    if (!next_is(s, c))
        return false;
    s->at++;
    return true;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool scan_escape(struct scanner *s)
{
    if (s->at == s->end)
        return refuse(s, "a string does not end");
    if (strchr("\"\\/bfnrt", *s->at) != NULL && *s->at != '\0') {
        s->at++;
        return true;
    }
    if (!take(s, 'u'))
        return refuse(s, "an unknown escape in a string");
    for (int i = 0; i < 4; i++, s->at++)
        if (s->at == s->end || hex_digit(*s->at) < 0)
            return refuse(s, "\\u without four hexadecimal digits");
    return true;
}

/* Leaves the value between the quotes. */
static bool scan_string(struct scanner *s, struct bytes *inside)
{
    const uint8_t *begin;

    if (!take(s, '"'))
        return refuse(s, "a string is expected");
    begin = s->at;
    while (s->at < s->end && *s->at != '"') {
        uint8_t c = *s->at++;

        if (c < 0x20)
            return refuse(s, "a control character in a string");
        if (c == '\\' && !scan_escape(s))
            return false;
    }
    *inside = bytes_of(begin, (size_t)(s->at - begin));
    return take(s, '"') || refuse(s, "a string does not end");
}

static bool scan_digits(struct scanner *s)
{
    const uint8_t *begin = s->at;

    while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
        s->at++;
    return s->at > begin || refuse(s, "a digit is missing in a number");
}

static bool scan_number(struct scanner *s)
{
    take(s, '-');
    if (!take(s, '0') && !scan_digits(s))
        return false;
    if (take(s, '.') && !scan_digits(s))
        return false;
    if (take(s, 'e') || take(s, 'E')) {
        if (!take(s, '+'))
            take(s, '-');
        return scan_digits(s);
    }
    return true;
}

static bool scan_word(struct scanner *s, const char *word)
{
    size_t size = strlen(word);

    if ((size_t)(s->end - s->at) < size || memcmp(s->at, word, size) != 0)
        return refuse(s, "a value is expected");
    s->at += size;
    return true;
}

static bool scan_member(struct scanner *s)
{
    struct bytes name;
    const uint8_t *value;

    skip_space(s);
    if (!scan_string(s, &name))
        return false;
    skip_space(s);
    if (!take(s, ':'))
        return refuse(s, "a colon is missing behind a member's name");
    skip_space(s);
    value = s->at;
    if (!scan_value(s))
        return false;
    if (s->depth == 1)
        s->member(s->context, name, bytes_of(value, (size_t)(s->at - value)));
    return true;
}

static bool scan_items(struct scanner *s, uint8_t close, bool (*item)(struct scanner *))
{
    skip_space(s);
    if (take(s, close))
        return true;
    do {
        if (!item(s))
            return false;
        skip_space(s);
    } while (take(s, ','));
    return take(s, close) || refuse(s, "a comma or a closing bracket is missing");
}

static bool scan_element(struct scanner *s)
{
    skip_space(s);
    return scan_value(s);
}

static bool scan_nested(struct scanner *s, uint8_t close, bool (*item)(struct scanner *))
{
    bool good;

    if (s->depth == JSON_DEPTH_MAX)
        return refuse(s, "it is nested too deeply");
    s->depth++;
    good = scan_items(s, close, item);
    s->depth--;
    return good;
}

static bool scan_value(struct scanner *s)
{
    struct bytes inside;

    if (s->at == s->end)
        return refuse(s, "a value is expected");
    if (take(s, '{'))
        return scan_nested(s, '}', scan_member);
    if (take(s, '['))
        return scan_nested(s, ']', scan_element);
    switch (*s->at) {
    case '"':
        return scan_string(s, &inside);
    case 't':
        return scan_word(s, "true");
    case 'f':
        return scan_word(s, "false");
    case 'n':
        return scan_word(s, "null");
    default:
        if (*s->at == '-' || (*s->at >= '0' && *s->at <= '9'))
            return scan_number(s);
        return refuse(s, "a value is expected");
    }
}

bool json_scan_object(struct bytes text, json_member_fn *member, void *context, const char **reason)
{
    struct scanner s = {
        .at = text.data, .end = text.data + text.size, .member = member, .context = context
    };
    bool good;

    skip_space(&s);
    if (!utf8_is_valid(text))
        good = refuse(&s, "it is not UTF-8");
    else if (!next_is(&s, '{'))
        good = refuse(&s, "it is not a JSON object");
    else
        good = scan_value(&s);
    skip_space(&s);
    if (good && s.at != s.end)
        good = refuse(&s, "something follows the object");
    *reason = s.reason;
    return good;
}

static void add_utf8(struct buffer *buffer, unsigned code)
{
    if (code < 0x80) {
        buffer_add_char(buffer, (char)code);
        return;
    }
    if (code < 0x800) {
        buffer_add_char(buffer, (char)(0xc0 | code >> 6));
    } else if (code < 0x10000) {
        buffer_add_char(buffer, (char)(0xe0 | code >> 12));
        buffer_add_char(buffer, (char)(0x80 | (code >> 6 & 0x3f)));
    } else {
        buffer_add_char(buffer, (char)(0xf0 | code >> 18));
        buffer_add_char(buffer, (char)(0x80 | (code >> 12 & 0x3f)));
        buffer_add_char(buffer, (char)(0x80 | (code >> 6 & 0x3f)));
    }
    buffer_add_char(buffer, (char)(0x80 | (code & 0x3f)));
}

/* Four digits at text[at]. */
static unsigned hex_code(struct bytes text, size_t at)
{
    unsigned code = 0;

    for (size_t i = at; i < at + 4; i++)
        code = code << 4 | (unsigned)hex_digit(text.data[i]);
    return code;
}

/* A \u escape whose digits begin at text[at]; returns how many bytes it took
 * from there. Half a surrogate pair becomes U+FFFD. */
static size_t unescape_code(struct bytes text, size_t at, struct buffer *buffer)
{
    unsigned code = hex_code(text, at);

    if (code >= 0xd800 && code < 0xdc00 && at + 10 < text.size && text.data[at + 4] == '\\' &&
        text.data[at + 5] == 'u') {
        unsigned low = hex_code(text, at + 6);

        if (low >= 0xdc00 && low < 0xe000) {
            add_utf8(buffer, 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00));
            return 10;
        }
    }
    add_utf8(buffer, code >= 0xd800 && code < 0xe000 ? 0xfffd : code);
    return 4;
}

void json_unescape(struct bytes string, struct buffer *buffer)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";

    for (size_t i = 1; i + 1 < string.size; i++) {
        uint8_t c = string.data[i];

        if (c != '\\') {
            buffer_add_char(buffer, (char)c);
            continue;
        }
        c = string.data[++i];
        if (c == 'u') {
            i += unescape_code(string, i + 1, buffer);
        } else {
            const char *known = strchr(from, c);

            buffer_add_char(buffer, known != NULL ? to[known - from] : (char)c);
        }
    }
}

/* The bytes that must follow a first byte; 0 if it cannot be one. The table of
 * well-formed sequences (Unicode, table 3-7): [0] and [1] bound the second. */
static unsigned following(uint8_t first, uint8_t second[2])
{
    second[0] = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    second[1] = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (first >= 0xc2 && first <= 0xdf)
        return 1;
    if (first >= 0xe0 && first <= 0xef)
        return 2;
    return first >= 0xf0 && first <= 0xf4 ? 3 : 0;
}

bool utf8_is_valid(struct bytes text)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t second[2];
        unsigned more;

        if (text.data[i] < 0x80)
            continue;
        more = following(text.data[i], second);
        if (more == 0 || text.size - i <= more || text.data[i + 1] < second[0] ||
            text.data[i + 1] > second[1])
            return false;
        for (unsigned n = 2; n <= more; n++)
            if ((text.data[i + n] & 0xc0) != 0x80)
                return false;
        i += more;
    }
    return true;
}
