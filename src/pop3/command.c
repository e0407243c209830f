#include "pop3/command.h"

enum arguments { NONE, NAME, PASSWORD, MECHANISM, MESSAGE, MAYBE_MESSAGE, MESSAGE_LINES };

static const struct {
    struct slice name;
    enum pop3_verb verb;
    enum arguments arguments;
    const char *syntax;
} verbs[] = {
    {{"CAPA", 4}, POP3_CAPA, NONE, "CAPA"},
    {{"STLS", 4}, POP3_STLS, NONE, "STLS"},
    {{"USER", 4}, POP3_USER, NAME, "USER name"},
    {{"PASS", 4}, POP3_PASS, PASSWORD, "PASS password"},
    {{"AUTH", 4}, POP3_AUTH, MECHANISM, "AUTH mechanism [initial-response]"},
    {{"STAT", 4}, POP3_STAT, NONE, "STAT"},
    {{"LIST", 4}, POP3_LIST, MAYBE_MESSAGE, "LIST [message]"},
    {{"UIDL", 4}, POP3_UIDL, MAYBE_MESSAGE, "UIDL [message]"},
    {{"RETR", 4}, POP3_RETR, MESSAGE, "RETR message"},
    {{"TOP", 3}, POP3_TOP, MESSAGE_LINES, "TOP message lines"},
    {{"DELE", 4}, POP3_DELE, MESSAGE, "DELE message"},
    {{"NOOP", 4}, POP3_NOOP, NONE, "NOOP"},
    {{"RSET", 4}, POP3_RSET, NONE, "RSET"},
    {{"QUIT", 4}, POP3_QUIT, NONE, "QUIT"},
};

static bool has_control(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (((unsigned char)s.p[i] < 32 && s.p[i] != '\t') || s.p[i] == 127)
            return true;
    return false;
}

/* Digits only. What does not fit is UINT64_MAX: a client may ask for 2^63 lines, or more. */
static bool number(struct slice s, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (!ascii_digit(s.p[i]))
            return false;
        uint64_t digit = (uint64_t)(s.p[i] - '0');
        bool fits = *value <= (UINT64_MAX - digit) / 10;
        *value = fits ? *value * 10 + digit : UINT64_MAX;
    }
    return s.n > 0;
}

static bool parse_arguments(
    enum arguments kind, struct slice raw, struct slice args, struct pop3_command *out)
{
    struct slice first, rest = args;
    switch (kind) {
    case NONE:
        return !args.n;
    case NAME:
        out->text = args;
        return args.n > 0;
    case PASSWORD: /* RFC 1939 §7: one argument, so that blanks are part of it */
        out->text = raw;
        return raw.n > 0;
    case MECHANISM:
        out->text = slice_cut(&rest, ' ');
        out->second = slice_trim(rest);
        return out->text.n > 0 && slice_find(out->second, ' ') == SLICE_NONE;
    case MAYBE_MESSAGE:
        out->has_message = args.n > 0;
        return !args.n || number(args, &out->message);
    case MESSAGE:
        out->has_message = true;
        return number(args, &out->message);
    case MESSAGE_LINES:
        out->has_message = true;
        first = slice_cut(&rest, ' ');
        return number(first, &out->message) && number(slice_trim(rest), &out->lines);
    }
    return false;
}

enum pop3_parse pop3_command_parse(struct slice line, struct pop3_command *out)
{
    struct slice raw = line;
    struct slice name = slice_trim(slice_cut(&raw, ' '));
    *out = (struct pop3_command){.verb = POP3_UNKNOWN};
    if (has_control(line))
        return POP3_PARSE_CONTROLS;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (!slice_eq_nocase(name, verbs[i].name))
            continue;
        out->verb = verbs[i].verb;
        out->syntax = verbs[i].syntax;
        bool fine = parse_arguments(verbs[i].arguments, raw, slice_trim(raw), out);
        return fine ? POP3_PARSE_OK : POP3_PARSE_SYNTAX;
    }
    return POP3_PARSE_UNKNOWN;
}
