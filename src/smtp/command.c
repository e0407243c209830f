#include "base/utf8.h"
#include "smtp/command_private.h"

static const struct {
    struct slice name;
    enum smtp_verb verb;
} verbs[] = {
    {{"EHLO", 4}, SMTP_EHLO},
    {{"HELO", 4}, SMTP_HELO},
    {{"LHLO", 4}, SMTP_LHLO},
    {{"MAIL", 4}, SMTP_MAIL},
    {{"RCPT", 4}, SMTP_RCPT},
    {{"DATA", 4}, SMTP_DATA},
    {{"BDAT", 4}, SMTP_BDAT},
    {{"RSET", 4}, SMTP_RSET},
    {{"STARTTLS", 8}, SMTP_STARTTLS},
    {{"AUTH", 4}, SMTP_AUTH},
    {{"NOOP", 4}, SMTP_NOOP},
    {{"VRFY", 4}, SMTP_VRFY},
    {{"EXPN", 4}, SMTP_EXPN},
    {{"HELP", 4}, SMTP_HELP},
    {{"QUIT", 4}, SMTP_QUIT},
    {{"TURN", 4}, SMTP_TURN},
    {{"ETRN", 4}, SMTP_TURN},
    {{"ATRN", 4}, SMTP_TURN},
    {{"SEND", 4}, SMTP_TURN},
    {{"SOML", 4}, SMTP_TURN},
    {{"SAML", 4}, SMTP_TURN},
};

static bool has_control(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (((unsigned char)s.p[i] < 32 && s.p[i] != '\t') || s.p[i] == 127)
            return true;
    return false;
}

bool smtp_command_parse(struct slice line, struct smtp_command *out)
{
    while (line.n && (line.p[line.n - 1] == ' ' || line.p[line.n - 1] == '\t'))
        line.n--;
    out->verb = SMTP_UNKNOWN;
    out->args = line;
    out->name = slice_cut(&out->args, ' ');
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (slice_eq_nocase(out->name, verbs[i].name))
            out->verb = verbs[i].verb;
    return !has_control(line);
}

/* ---- parameters ---- */

static bool is_keyword_byte(unsigned char c)
{
    return ascii_alnum((char)c) || c == '-';
}

/* esmtp-value = 1*(%d33-60 / %d62-126), and UTF-8 (RFC 6531 §3.3). A '=' inside is let pass: common
 * clients do not encode it in ENVID and AUTH. */
static bool is_value_byte(unsigned char c)
{
    return c > 32 && c != 127;
}

/* esmtp-keyword ["=" esmtp-value] behind at least one blank. */
static bool take_parameter(struct cursor *c, struct smtp_parameter_text *out)
{
    if (cursor_peek(c) != ' ' && cursor_peek(c) != '\t')
        return false;
    cursor_skip_blanks(c);
    out->value = (struct slice){0};
    if (!cursor_take_while(c, is_keyword_byte, 1, &out->name) || out->name.p[0] == '-')
        return false;
    out->has_value = cursor_take_char(c, '=');
    return !out->has_value || cursor_take_while(c, is_value_byte, 1, &out->value);
}

bool smtp_command_bad(
    struct smtp_reply *error, const struct smtp_parameter_text *p, const char *what)
{
    smtp_reply_set(
        error, 501, "5.5.4", "%.*s: %s", (int)(p->name.n > 32 ? 32 : p->name.n), p->name.p, what);
    return false;
}

/* Which of the offered ones it is; each may stand once (RFC 1870 §6, RFC 3461 §4). 0: refused. */
static enum smtp_parameter recognise(const struct smtp_known *table, unsigned offered,
    unsigned *given, const struct smtp_parameter_text *p, struct smtp_reply *error)
{
    for (; table->name.n; table++) {
        if (!slice_eq_nocase(p->name, table->name) || !(offered & table->bit))
            continue;
        if (*given & table->bit) {
            smtp_command_bad(error, p, "given twice");
            return 0;
        }
        *given |= table->bit;
        return table->bit;
    }
    smtp_reply_set(error, 555, "5.5.4", "Parameter %.*s is not offered here",
        (int)(p->name.n > 64 ? 64 : p->name.n), p->name.p);
    return 0;
}

enum smtp_parameter smtp_command_next(struct cursor *c, const struct smtp_known *table,
    unsigned offered, unsigned *given, struct smtp_parameter_text *p, struct smtp_reply *error)
{
    if (take_parameter(c, p))
        return recognise(table, offered, given, p, error);
    smtp_reply_set(
        error, 501, "5.5.4", "Behind the address stand parameters: KEYWORD or KEY=value");
    return 0;
}

bool smtp_command_xtext(struct slice s, size_t max)
{
    if (!s.n || s.n > max)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 33 || c > 126 || c == '=')
            return false;
        if (c == '+' && (s.n - i < 3 || !strchr("0123456789ABCDEF", s.p[i + 1]) ||
                            !strchr("0123456789ABCDEF", s.p[i + 2]) || !s.p[i + 1] || !s.p[i + 2]))
            return false;
    }
    return true;
}

static unsigned hex_value(char c)
{
    return ascii_digit(c) ? (unsigned)(c - '0') : (unsigned)(c - 'A' + 10);
}

bool smtp_xtext_decode(struct slice xtext, struct buffer *out)
{
    if (!smtp_command_xtext(xtext, SIZE_MAX))
        return false;
    for (size_t i = 0; i < xtext.n; i++) {
        char byte = xtext.p[i];
        if (byte == '+') {
            byte = (char)(hex_value(xtext.p[i + 1]) << 4 | hex_value(xtext.p[i + 2]));
            i += 2;
        }
        if (!buffer_add_char(out, byte))
            return false;
    }
    return true;
}

bool smtp_xtext_encode(struct slice bytes, struct buffer *out)
{
    for (size_t i = 0; i < bytes.n; i++) {
        unsigned char c = (unsigned char)bytes.p[i];
        if (c < 33 || c > 126 || c == '+' || c == '=')
            buffer_printf(out, "+%02X", c);
        else
            buffer_add_char(out, (char)c);
    }
    return !out->overflow;
}

/* ---- RCPT, and what MAIL has too ---- */

bool smtp_command_path(struct cursor *c, struct slice keyword, enum smtp_path_kind kind,
    struct smtp_path *path, struct smtp_reply *error)
{
    const char *enhanced = kind == SMTP_REVERSE ? "5.1.7" : "5.1.3";
    if (!cursor_take_text(c, keyword)) {
        smtp_reply_set(error, 501, "5.5.4", "Syntax: %s%.*s<address>",
            kind == SMTP_REVERSE ? "MAIL " : "RCPT ", SLICE_ARG(keyword));
        return false;
    }
    cursor_skip_blanks(c);
    static const char *const words[] = {
        [SMTP_PATH_SYNTAX] = "The address is not valid; write it as <local@domain>",
        [SMTP_PATH_LOCAL_LONG] = "The part before the @ is too long",
        [SMTP_PATH_DOMAIN_LONG] = "The domain is longer than 255 octets",
        [SMTP_PATH_LONG] = "Path too long",
    };
    enum smtp_path_result r = smtp_path_take(c, kind, path);
    if (r != SMTP_PATH_OK)
        smtp_reply_set(error, 501, enhanced, "%s", words[r]);
    return r == SMTP_PATH_OK;
}

static bool set_notify(
    struct smtp_rcpt *r, const struct smtp_parameter_text *p, struct smtp_reply *error)
{
    struct slice rest = p->value;
    while (rest.n) {
        struct slice word = slice_cut(&rest, ',');
        if (slice_eq_nocase(word, S("NEVER")))
            r->notify |= SMTP_NOTIFY_NEVER;
        else if (slice_eq_nocase(word, S("SUCCESS")))
            r->notify |= SMTP_NOTIFY_SUCCESS;
        else if (slice_eq_nocase(word, S("FAILURE")))
            r->notify |= SMTP_NOTIFY_FAILURE;
        else if (slice_eq_nocase(word, S("DELAY")))
            r->notify |= SMTP_NOTIFY_DELAY;
        else
            return smtp_command_bad(error, p, "NEVER, or some of SUCCESS,FAILURE,DELAY are wanted");
    }
    bool never = r->notify & SMTP_NOTIFY_NEVER;
    if (!r->notify || (never && r->notify != SMTP_NOTIFY_NEVER))
        return smtp_command_bad(error, p, "NEVER stands by itself");
    return true;
}

/* RFC 6533 §3: behind SMTPUTF8, an address of the type utf-8 may stand as it is. */
static bool utf8_original(const struct smtp_rcpt *r)
{
    struct slice s = r->orcpt;
    if (!slice_eq_nocase(r->orcpt_type, S("utf-8")) || !utf8_valid(s))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '+' || s.p[i] == '=')
            return false;
    return s.n > 0;
}

static bool set_orcpt(
    struct smtp_rcpt *r, const struct smtp_parameter_text *p, bool utf8, struct smtp_reply *error)
{
    r->orcpt = p->value;
    r->orcpt_type = slice_cut(&r->orcpt, ';');
    if (r->orcpt_type.n && r->orcpt_type.n <= 32 && p->value.n <= SMTP_ORCPT_MAX &&
        utf8_ascii(r->orcpt_type) &&
        (smtp_command_xtext(r->orcpt, SMTP_ORCPT_MAX) || (utf8 && utf8_original(r))))
        return true;
    return smtp_command_bad(error, p, "type;xtext is wanted");
}

static const struct smtp_known rcpt_parameters[] = {
    {{"NOTIFY", 6}, SMTP_PARAM_NOTIFY},
    {{"ORCPT", 5}, SMTP_PARAM_ORCPT},
    {{0}, 0},
};

bool smtp_command_not_ascii(unsigned code, struct smtp_reply *error)
{
    smtp_reply_set(
        error, code, "5.6.7", "An address with non-ASCII letters needs MAIL ... SMTPUTF8");
    return false;
}

bool smtp_command_rcpt(
    struct slice args, unsigned offered, bool utf8, struct smtp_rcpt *out, struct smtp_reply *error)
{
    struct cursor c = cursor(args);
    struct smtp_parameter_text p;
    out->given = out->notify = 0;
    out->orcpt_type = out->orcpt = (struct slice){0};
    if (!smtp_command_path(&c, S("TO:"), SMTP_FORWARD, &out->recipient, error))
        return false;
    while (!cursor_end(&c)) {
        enum smtp_parameter bit =
            smtp_command_next(&c, rcpt_parameters, offered, &out->given, &p, error);
        bool fine = bit == SMTP_PARAM_NOTIFY ? set_notify(out, &p, error)
                                             : bit && set_orcpt(out, &p, utf8, error);
        if (!fine)
            return false;
    }
    return out->recipient.utf8 && !utf8 ? smtp_command_not_ascii(553, error) : true;
}

bool smtp_command_helo(struct slice args, char name[SMTP_HELO_MAX + 1], struct smtp_reply *error)
{
    struct slice text = slice_trim(args);
    name[0] = '\0';
    if (!text.n || text.n > SMTP_HELO_MAX) {
        smtp_reply_set(error, 501, NULL, "%s",
            text.n ? "The name is longer than 255 octets"
                   : "Say your host name behind the command");
        return false;
    }
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        name[i] = ascii_alnum(c) || (c && strchr(".-_:[]", c)) ? c : '?';
    }
    name[text.n] = '\0';
    return true;
}
