/* MAIL and its parameters. */
#include "message/date.h"
#include "smtp/command_private.h"

static bool set_size(
    struct smtp_mail *m, const struct smtp_parameter_text *p, struct smtp_reply *error)
{
    if (!p->value.n || p->value.n > 20) /* 1*20DIGIT, RFC 1870 §5 of the appendix's ABNF */
        return smtp_command_bad(error, p, "1 to 20 digits are wanted");
    for (size_t i = 0; i < p->value.n; i++)
        if (!ascii_digit(p->value.p[i]))
            return smtp_command_bad(error, p, "1 to 20 digits are wanted");
    if (!slice_to_u64(p->value, UINT64_MAX, &m->size))
        m->size = UINT64_MAX;
    return true;
}

static bool set_body(
    struct smtp_mail *m, const struct smtp_parameter_text *p, struct smtp_reply *error)
{
    if (slice_eq_nocase(p->value, S("7BIT"))) {
        m->body = SMTP_BODY_7BIT;
    } else if (slice_eq_nocase(p->value, S("8BITMIME"))) {
        m->body = SMTP_BODY_8BITMIME;
    } else if (slice_eq_nocase(p->value, S("BINARYMIME"))) {
        smtp_reply_set(error, 504, "5.5.4", "BODY=BINARYMIME is not offered here");
        return false;
    } else {
        return smtp_command_bad(error, p, "7BIT or 8BITMIME is wanted");
    }
    return true;
}

static bool set_auth(
    struct smtp_mail *m, const struct smtp_parameter_text *p, struct smtp_reply *error)
{
    if (!slice_eq(p->value, S("<>")) && !smtp_command_xtext(p->value, SMTP_AUTH_MAX))
        return smtp_command_bad(error, p, "xtext or <> is wanted");
    m->auth = p->value;
    return true;
}

static bool set_ret(
    struct smtp_mail *m, const struct smtp_parameter_text *p, struct smtp_reply *error)
{
    m->headers_only = slice_eq_nocase(p->value, S("HDRS"));
    if (!m->headers_only && !slice_eq_nocase(p->value, S("FULL")))
        return smtp_command_bad(error, p, "FULL or HDRS is wanted");
    return true;
}

/* ---- RFC 4865 §3, RFC 2852 §4, RFC 6710 §7 ---- */

/* 1 to 9 digits, at least one of them not 0. */
static bool set_hold_for(
    struct smtp_mail *m, const struct smtp_parameter_text *p, struct smtp_reply *error)
{
    uint64_t seconds;
    if (p->value.n > 9 || !slice_to_u64(p->value, 999999999, &seconds) || !seconds ||
        p->value.p[0] == '0')
        return smtp_command_bad(error, p, "1 to 999999999 seconds are wanted");
    m->hold_for = (uint32_t)seconds;
    return true;
}

/* In UTC, as RFC 4865 §3 has it: behind 'Z', not a distance of 0. */
static bool set_hold_until(
    struct smtp_mail *m, const struct smtp_parameter_text *p, struct smtp_reply *error)
{
    struct date date;
    bool utc = p->value.n && ascii_lower(p->value.p[p->value.n - 1]) == 'z';
    if (!utc || !date_parse_rfc3339(p->value, &date))
        return smtp_command_bad(error, p, "a time like 2030-01-31T08:00:00Z is wanted");
    m->hold_until = date_to_unix(&date);
    return true;
}

static bool set_hold(
    struct smtp_mail *m, const struct smtp_parameter_text *p, struct smtp_reply *error)
{
    bool interval = slice_eq_nocase(p->name, S("HOLDFOR"));
    return interval ? set_hold_for(m, p, error) : set_hold_until(m, p, error);
}

/* ["+" / "-"] 1*9DIGIT ";" ("N" / "R") ["T"] */
static bool set_by(
    struct smtp_mail *m, const struct smtp_parameter_text *p, struct smtp_reply *error)
{
    static const char what[] = "seconds, ';', N or R, and perhaps T are wanted";
    struct slice mode = p->value, time = slice_cut(&mode, ';');
    bool minus = slice_starts(time, S("-"));
    uint64_t seconds;
    if (minus || slice_starts(time, S("+")))
        time = slice_from(time, 1);
    if (time.n > 9 || !slice_to_u64(time, 999999999, &seconds))
        return smtp_command_bad(error, p, what);
    m->by = minus ? -(int32_t)seconds : (int32_t)seconds;
    m->by_return = mode.n && ascii_lower(mode.p[0]) == 'r';
    m->by_trace = mode.n == 2 && ascii_lower(mode.p[1]) == 't';
    if (!mode.n || (!m->by_return && ascii_lower(mode.p[0]) != 'n') ||
        mode.n != 1 + (size_t)m->by_trace)
        return smtp_command_bad(error, p, what);
    if (m->by_return && m->by <= 0)
        return smtp_command_bad(error, p, "with R, more than 0 seconds are wanted");
    return true;
}

static bool set_priority(
    struct smtp_mail *m, const struct smtp_parameter_text *p, struct smtp_reply *error)
{
    bool minus = slice_starts(p->value, S("-"));
    struct slice digit = slice_from(p->value, minus);
    if (digit.n != 1 || !ascii_digit(digit.p[0]) || (minus && digit.p[0] == '0'))
        return smtp_command_bad(error, p, "-9 to 9 is wanted");
    m->priority = (int8_t)(minus ? '0' - digit.p[0] : digit.p[0] - '0');
    return true;
}

static bool set_flag(bool *flag, const struct smtp_parameter_text *p, struct smtp_reply *error)
{
    *flag = true;
    return p->has_value ? smtp_command_bad(error, p, "it takes no value") : true;
}

/* ---- the command ---- */

static bool set_mail_parameter(struct smtp_mail *m, const struct smtp_parameter_text *p,
    enum smtp_parameter bit, struct smtp_reply *error)
{
    switch (bit) {
    case SMTP_PARAM_SIZE:
        return set_size(m, p, error);
    case SMTP_PARAM_BODY:
        return set_body(m, p, error);
    case SMTP_PARAM_SMTPUTF8: /* RFC 6531 §3.4 */
        return set_flag(&m->utf8, p, error);
    case SMTP_PARAM_AUTH:
        return set_auth(m, p, error);
    case SMTP_PARAM_RET:
        return set_ret(m, p, error);
    case SMTP_PARAM_REQUIRETLS: /* RFC 8689 §2 */
        return set_flag(&m->require_tls, p, error);
    case SMTP_PARAM_HOLD:
        return set_hold(m, p, error);
    case SMTP_PARAM_BY:
        return set_by(m, p, error);
    case SMTP_PARAM_PRIORITY:
        return set_priority(m, p, error);
    default: /* ENVID */
        m->envid = p->value;
        return smtp_command_xtext(p->value, SMTP_ENVID_MAX)
                   ? true
                   : smtp_command_bad(error, p, "xtext is wanted");
    }
}

static const struct smtp_known mail_parameters[] = {
    {{"SIZE", 4}, SMTP_PARAM_SIZE},
    {{"BODY", 4}, SMTP_PARAM_BODY},
    {{"SMTPUTF8", 8}, SMTP_PARAM_SMTPUTF8},
    {{"AUTH", 4}, SMTP_PARAM_AUTH},
    {{"RET", 3}, SMTP_PARAM_RET},
    {{"ENVID", 5}, SMTP_PARAM_ENVID},
    {{"REQUIRETLS", 10}, SMTP_PARAM_REQUIRETLS},
    {{"HOLDFOR", 7}, SMTP_PARAM_HOLD}, /* one of the two, and once (RFC 4865 §4.2) */
    {{"HOLDUNTIL", 9}, SMTP_PARAM_HOLD},
    {{"BY", 2}, SMTP_PARAM_BY},
    {{"MT-PRIORITY", 11}, SMTP_PARAM_PRIORITY},
    {{0}, 0},
};

static void clear(struct smtp_mail *m)
{
    m->given = 0;
    m->size = 0;
    m->body = SMTP_BODY_UNSAID;
    m->utf8 = m->headers_only = m->require_tls = m->by_return = m->by_trace = false;
    m->envid = m->auth = (struct slice){0};
    m->hold_for = 0;
    m->hold_until = 0;
    m->by = 0;
    m->priority = 0;
}

bool smtp_command_mail(
    struct slice args, unsigned offered, struct smtp_mail *out, struct smtp_reply *error)
{
    struct cursor c = cursor(args);
    struct smtp_parameter_text p;
    clear(out);
    if (!smtp_command_path(&c, S("FROM:"), SMTP_REVERSE, &out->sender, error))
        return false;
    while (!cursor_end(&c)) {
        enum smtp_parameter bit =
            smtp_command_next(&c, mail_parameters, offered, &out->given, &p, error);
        if (!bit || !set_mail_parameter(out, &p, bit, error))
            return false;
    }
    return out->sender.utf8 && !out->utf8 ? smtp_command_not_ascii(550, error) : true;
}
