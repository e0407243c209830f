#include "sendmail/options.h"
#include <stdio.h>

/* Options with a value: behind the letter or in the next word. */
#define WITH_VALUE "ABCDFLMNORVXbefhopr"
/* With a value behind the letter only, or none. */
#define MAYBE_VALUE "dq"
#define PLAIN       "GITUcimnstvx"

struct parse {
    struct sendmail_options *o;
    char *why;
    bool flush;
};

static enum sendmail_exit refuse(struct parse *p, const char *text, const char *what)
{
    snprintf(p->why, SENDMAIL_WHY, "%s: %.200s", text, what);
    return SENDMAIL_USAGE;
}

static enum sendmail_exit take_mode(struct parse *p, const char *value)
{
    static const struct {
        char letter;
        enum sendmail_mode mode;
    } modes[] = {
        {'m', SENDMAIL_POST}, {'s', SENDMAIL_SMTP}, {'p', SENDMAIL_QUEUE}, {'i', SENDMAIL_NOTHING}};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (value[0] == modes[i].letter && !value[1]) {
            p->o->mode = modes[i].mode;
            return SENDMAIL_OK;
        }
    if (!strcmp(value, "d") || !strcmp(value, "D"))
        return refuse(p, "the daemon is `barid serve`, not", "-bd");
    return refuse(p, "there is no such mode (there are -bm, -bs, -bp, -bi)", value);
}

/* -oi and its kin. */
static void take_old(struct sendmail_options *o, const char *value)
{
    if (!strcmp(value, "i"))
        o->dot_is_text = true;
    else if (!strcmp(value, "v"))
        o->verbose = true;
}

static bool one_of(struct slice word, const char *words)
{
    struct slice rest = slice_str(words);
    while (rest.n)
        if (slice_eq_nocase(slice_cut(&rest, ' '), word))
            return true;
    return false;
}

/* RFC 3461 §4.1: NEVER alone, or a list of the others. */
static bool notify_valid(const char *value)
{
    struct slice rest = slice_str(value);
    if (slice_eq_nocase(rest, S("never")))
        return true;
    bool ok = rest.n > 0;
    while (ok && rest.n)
        ok = one_of(slice_cut(&rest, ','), "success failure delay");
    return ok;
}

/* RFC 3461 §4.4: what needs no encoding as xtext. */
static bool envid_valid(const char *value)
{
    size_t n = 0;
    while (value[n] > ' ' && value[n] < 0x7f && value[n] != '+' && value[n] != '=')
        n++;
    return n && n <= 100 && !value[n];
}

static enum sendmail_exit take_dsn(struct parse *p, char letter, const char *value)
{
    if (letter == 'N' && !notify_valid(value))
        return refuse(p, "-N wants never, or a list of success, failure, delay", value);
    if (letter == 'R' && !one_of(slice_str(value), "full hdrs"))
        return refuse(p, "-R wants full or hdrs", value);
    if (letter == 'V' && !envid_valid(value))
        return refuse(p, "-V wants up to 100 printable characters without + and =", value);
    if (letter == 'N')
        p->o->notify = value;
    else if (letter == 'R')
        p->o->ret = value;
    else
        p->o->envid = value;
    return SENDMAIL_OK;
}

static enum sendmail_exit take_value(struct parse *p, char letter, const char *value)
{
    struct sendmail_options *o = p->o;
    switch (letter) {
    case 'b':
        return take_mode(p, value);
    case 'C':
        o->config = value;
        break;
    case 'F':
        o->name = value;
        break;
    case 'f':
    case 'r':
        o->sender = value;
        break;
    case 'o':
        take_old(o, value);
        break;
    case 'N':
    case 'R':
    case 'V':
        return take_dsn(p, letter, value);
    case 'q':
        p->flush = true;
        break;
    default:
        break;
    }
    return SENDMAIL_OK;
}

static void take_plain(struct parse *p, char letter)
{
    if (letter == 't')
        p->o->from_header = true;
    else if (letter == 'i')
        p->o->dot_is_text = true;
    else if (letter == 'v')
        p->o->verbose = true;
    else if (letter == 'I')
        p->o->mode = SENDMAIL_NOTHING;
}

/* A word of options: "-ti", "-fann@example.org", "-oi". */
static enum sendmail_exit take_word(struct parse *p, int argc, char **argv, int *i)
{
    for (const char *at = argv[*i] + 1; *at; at++) {
        if (strchr(PLAIN, *at)) {
            take_plain(p, *at);
        } else if (strchr(MAYBE_VALUE, *at)) {
            return take_value(p, *at, at + 1);
        } else if (!strchr(WITH_VALUE, *at)) {
            return refuse(p, "there is no such option", argv[*i]);
        } else if (at[1]) {
            return take_value(p, *at, at + 1);
        } else if (++*i < argc) {
            return take_value(p, *at, argv[*i]);
        } else {
            return refuse(p, "the option needs a value", argv[*i - 1]);
        }
    }
    return SENDMAIL_OK;
}

static void take_name(struct sendmail_options *o, const char *called)
{
    struct slice name = slice_str(called ? called : "");
    if (slice_ends(name, S("mailq")))
        o->mode = SENDMAIL_QUEUE;
    else if (slice_ends(name, S("newaliases")))
        o->mode = SENDMAIL_NOTHING;
}

enum sendmail_exit sendmail_options_parse(
    int argc, char **argv, struct sendmail_options *o, char why[SENDMAIL_WHY])
{
    struct parse p = {.o = o, .why = why};
    enum sendmail_exit e = SENDMAIL_OK;
    int n = 0;
    *o = (struct sendmail_options){.recipients = argv + (argc > 0)};
    take_name(o, argc > 0 ? argv[0] : NULL);
    for (int i = 1; i < argc && e == SENDMAIL_OK; i++) {
        bool last = !strcmp(argv[i], "--");
        if (last)
            while (++i < argc)
                o->recipients[n++] = argv[i];
        else if (argv[i][0] == '-' && argv[i][1])
            e = take_word(&p, argc, argv, &i);
        else
            o->recipients[n++] = argv[i];
    }
    o->recipient_n = n;
    if (p.flush && o->mode == SENDMAIL_POST && !n && !o->from_header)
        o->mode = SENDMAIL_NOTHING;
    if (e == SENDMAIL_OK && o->mode == SENDMAIL_POST && !n && !o->from_header) {
        snprintf(why, SENDMAIL_WHY, "nobody to send to: name recipients, or say -t");
        e = SENDMAIL_USAGE;
    }
    return e;
}
