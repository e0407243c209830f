#include "imap/frame.h"
#include "base/budget.h"

#define DIGITS       ((size_t)40)  /* of the size of a literal */
#define ANNOUNCEMENT (DIGITS + 6)  /* `~{123+}` CRLF */
#define HEAD         ((size_t)256) /* kept of a command that is thrown away */

const struct imap_frame_limits imap_frame_preauth = {.line = (size_t)8 * 1024,
    .literal = (size_t)8 * 1024,
    .literals = (size_t)8 * 1024,
    .literal_count = 16,
    .thrown = (uint64_t)64 * 1024};
const struct imap_frame_limits imap_frame_id = {.line = (size_t)33 * 1024,
    .literal = (size_t)1024,
    .literals = (size_t)32 * 1024,
    .literal_count = 64,
    .thrown = (uint64_t)64 * 1024};
const struct imap_frame_limits imap_frame_mail = {.line = (size_t)64 * 1024,
    .literal = (size_t)128 * 1024,
    .literals = (size_t)1024 * 1024,
    .literal_count = 1000,
    .thrown = (uint64_t)128 * 1024 * 1024};

enum state {
    STATE_LINE,      /* a line is coming, the first or the one behind a literal */
    STATE_ANNOUNCED, /* LITERAL was said */
    STATE_TAKING,
    STATE_STREAMING,
    STATE_THROWING, /* a line of a command that is refused */
    STATE_THROWING_LITERAL,
    STATE_REFUSED, /* TOO_LONG is to be said */
    STATE_FLOODED, /* FLOOD is to be said */
    STATE_SAID,    /* COMMAND or TOO_LONG was said */
};

void imap_frame_init(struct imap_frame *f, const struct imap_frame_limits *limits)
{
    *f = (struct imap_frame){.limits = limits, .code = ""};
    buffer_init(&f->gathered, 0);
}

void imap_frame_reset(struct imap_frame *f)
{
    budget_give(f->literals);
    buffer_finish(&f->gathered);
    imap_frame_init(f, f->limits);
}

void imap_frame_finish(struct imap_frame *f)
{
    imap_frame_reset(f);
}

bool imap_frame_fresh(const struct imap_frame *f)
{
    return f->state == STATE_LINE && !f->line;
}

/* ---- announcements ---- */

struct announcement {
    uint64_t n; /* UINT64_MAX: that or more */
    bool sync, literal8;
};

/* Does this line, with its LF, announce a literal? */
static bool announced(struct slice line, struct announcement *a)
{
    size_t at = line.n, digits = 0;
    *a = (struct announcement){.sync = true};
    at -= slice_ends(line, S("\r\n")) ? 2 : 1;
    if (!at || line.p[--at] != '}')
        return false;
    if (at && line.p[at - 1] == '+') {
        a->sync = false;
        at--;
    }
    size_t end = at;
    while (at && digits < DIGITS && ascii_digit(line.p[at - 1])) {
        at--;
        digits++;
    }
    if (!digits || !at || line.p[at - 1] != '{')
        return false;
    if (!slice_to_u64(slice(line.p + at, end - at), UINT64_MAX - 1, &a->n))
        a->n = UINT64_MAX;
    a->literal8 = at > 1 && line.p[at - 2] == '~';
    return true;
}

/* ---- throwing away ---- */

/* Only the beginning stays, for its tag. */
static void keep_head(struct imap_frame *f, struct slice in)
{
    char head[HEAD];
    struct slice from = f->gathered.n ? buffer_slice(&f->gathered) : in;
    size_t n = from.n < HEAD ? from.n : HEAD;
    if (n)
        memcpy(head, from.p, n);
    budget_give(f->literals);
    f->literals = 0;
    buffer_finish(&f->gathered);
    buffer_init(&f->gathered, HEAD);
    buffer_add(&f->gathered, slice(head, n));
}

static void fail(
    struct imap_frame *f, enum state state, const char *code, const char *why, struct slice in)
{
    keep_head(f, in);
    f->state = (uint8_t)state;
    f->code = code;
    f->why = why;
}

static void fail_busy(struct imap_frame *f, enum state state, struct slice in)
{
    fail(f, state, "LIMIT", "The server is short of memory, try again later", in);
    f->busy = true;
}

/* The command that was thrown away has ended. */
static enum imap_framed thrown(struct imap_frame *f)
{
    if (f->silent) {
        imap_frame_reset(f);
        return IMAP_FRAMED_MORE;
    }
    f->state = STATE_SAID;
    f->text = buffer_slice(&f->gathered);
    return IMAP_FRAMED_TOO_LONG;
}

static bool flood(struct imap_frame *f, uint64_t more)
{
    if (more > f->limits->thrown - f->thrown)
        return true;
    f->thrown += more;
    return false;
}

/* The end of a line stays unread until its LF is there, so that an announcement in it is seen. */
static enum imap_framed throw_line(struct imap_frame *f, struct slice in, size_t *used)
{
    struct announcement a;
    size_t lf = slice_find(in, '\n');
    if (lf == SLICE_NONE)
        *used = in.n > ANNOUNCEMENT ? in.n - ANNOUNCEMENT : 0;
    else
        *used = lf + 1;
    if (flood(f, *used))
        return IMAP_FRAMED_FLOOD;
    if (lf == SLICE_NONE)
        return IMAP_FRAMED_MORE;
    if (!announced(slice_sub(in, 0, lf + 1), &a) || a.sync)
        return thrown(f);
    if (flood(f, a.n))
        return IMAP_FRAMED_FLOOD;
    f->left = a.n;
    f->state = STATE_THROWING_LITERAL;
    return IMAP_FRAMED_MORE;
}

static size_t part(struct imap_frame *f, struct slice in)
{
    size_t n = f->left < in.n ? (size_t)f->left : in.n;
    f->left -= n;
    return n;
}

static void throw_literal(struct imap_frame *f, struct slice in, size_t *used)
{
    *used = part(f, in);
    if (!f->left)
        f->state = STATE_THROWING;
}

/* ---- lines and literals ---- */

/* The lines of a command with literals go one behind the other. */
static bool gather(struct imap_frame *f, struct slice bytes)
{
    f->gathered.max = f->limits->line + f->limits->literals;
    return buffer_add(&f->gathered, bytes);
}

static enum imap_framed announce(struct imap_frame *f, const struct announcement *a)
{
    f->literal_n = a->n;
    f->literal_sync = a->sync;
    f->literal8 = a->literal8;
    f->state = STATE_ANNOUNCED;
    f->text = buffer_slice(&f->gathered);
    return IMAP_FRAMED_LITERAL;
}

static enum imap_framed whole(struct imap_frame *f, struct slice line)
{
    f->state = STATE_SAID;
    f->text = slice_sub(line, 0, line.n - 2);
    if (!f->gathered.n)
        return IMAP_FRAMED_COMMAND;
    if (gather(f, f->text)) {
        f->text = buffer_slice(&f->gathered);
        return IMAP_FRAMED_COMMAND;
    }
    fail_busy(f, STATE_SAID, line);
    return thrown(f);
}

static enum imap_framed take_line(struct imap_frame *f, struct slice in, size_t *used)
{
    struct announcement a;
    size_t lf = slice_find(in, '\n'), n = lf == SLICE_NONE ? in.n : lf + 1;
    size_t room = f->limits->line - f->line;
    *used = 0;
    struct slice line = slice_sub(in, 0, n);
    if (lf == SLICE_NONE ? n >= room : n > room) {
        fail(f, STATE_THROWING, "", "The command is too long", slice_sub(line, 0, room));
        return IMAP_FRAMED_MORE;
    }
    if (lf == SLICE_NONE)
        return IMAP_FRAMED_MORE;
    if (!lf || in.p[lf - 1] != '\r') {
        fail(f, STATE_THROWING, "", "Lines end with CRLF, not with LF alone", line);
        return IMAP_FRAMED_MORE;
    }
    f->line += n;
    *used = n;
    if (!announced(line, &a))
        return whole(f, line);
    if (gather(f, line))
        return announce(f, &a);
    fail_busy(f, a.sync ? STATE_REFUSED : STATE_THROWING_LITERAL, line);
    f->left = a.n;
    return !a.sync && flood(f, a.n) ? IMAP_FRAMED_FLOOD : IMAP_FRAMED_MORE;
}

static void take_literal(struct imap_frame *f, struct slice in, size_t *used)
{
    *used = part(f, in);
    if (!gather(f, slice_sub(in, 0, *used))) {
        fail_busy(f, STATE_THROWING_LITERAL, S(""));
        return;
    }
    if (!f->left)
        f->state = STATE_LINE;
}

static enum imap_framed stream(struct imap_frame *f, struct slice in, size_t *used)
{
    if (!f->left) {
        f->state = STATE_LINE;
        return IMAP_FRAMED_STREAMED;
    }
    *used = part(f, in);
    f->text = slice_sub(in, 0, *used);
    return *used ? IMAP_FRAMED_STREAM : IMAP_FRAMED_MORE;
}

/* One step; MORE here may also mean that the state has changed. */
static enum imap_framed step(struct imap_frame *f, struct slice in, size_t *used)
{
    *used = 0;
    switch ((enum state)f->state) {
    case STATE_LINE:
        return take_line(f, in, used);
    case STATE_TAKING:
        take_literal(f, in, used);
        break;
    case STATE_STREAMING:
        return stream(f, in, used);
    case STATE_THROWING:
        return throw_line(f, in, used);
    case STATE_THROWING_LITERAL:
        throw_literal(f, in, used);
        break;
    case STATE_REFUSED:
        return thrown(f);
    case STATE_FLOODED:
        return IMAP_FRAMED_FLOOD;
    case STATE_ANNOUNCED:
    case STATE_SAID:
        break;
    }
    return IMAP_FRAMED_MORE;
}

enum imap_framed imap_frame_feed(struct imap_frame *f, struct slice in, size_t *used)
{
    enum imap_framed found;
    uint8_t before;
    size_t n;
    *used = 0;
    do {
        before = f->state;
        found = step(f, slice_from(in, *used), &n);
        *used += n;
    } while (found == IMAP_FRAMED_MORE && (n || f->state != before));
    return found;
}

/* ---- the owner's answer to LITERAL ---- */

/* What is announced will not be taken. */
static void turn_down(struct imap_frame *f, const char *code, const char *why)
{
    enum state state = f->literal_sync ? STATE_REFUSED : STATE_THROWING_LITERAL;
    if (why)
        fail(f, state, code, why, S(""));
    else
        fail_busy(f, state, S(""));
    f->left = f->literal_n;
    if (!f->literal_sync && flood(f, f->literal_n))
        f->state = STATE_FLOODED; /* it is not waited for */
}

bool imap_frame_take(struct imap_frame *f)
{
    const struct imap_frame_limits *l = f->limits;
    const char *why = NULL, *code = "LIMIT";
    if (f->literal_n > l->literal) {
        why = "The literal is too large";
        code = "TOOBIG";
    } else if (f->literal_n > l->literals - f->literals) {
        why = "The literals are too large together";
    } else if (f->literal_count >= l->literal_count) {
        why = "Too many literals in one command";
    }
    if (why || !budget_take((size_t)f->literal_n)) {
        turn_down(f, code, why);
        return false;
    }
    f->literals += (size_t)f->literal_n;
    f->literal_count++;
    f->left = f->literal_n;
    f->state = f->left ? STATE_TAKING : STATE_LINE;
    return true;
}

void imap_frame_stream(struct imap_frame *f)
{
    f->left = f->literal_n;
    f->state = STATE_STREAMING;
}

void imap_frame_refuse(struct imap_frame *f)
{
    f->silent = true;
    if (f->literal_sync)
        imap_frame_reset(f);
    else
        turn_down(f, "", "");
}
