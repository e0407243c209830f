/* A whole session with a fake policy. The first byte chooses the kind of service and the size of
 * pieces, and what is offered; 0xff in the rest is where the client waits for replies, 0xfe a
 * finished handshake. Replies are well formed; a DATA never makes two messages; every transaction
 * ends; whoever is told 250 for a body has a message. */
#include "../unit/smtp/fake_conn.h"
#include "../unit/smtp/fake_hooks.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(bool right)
{
    if (!right)
        abort();
}

/* RFC 5321 §4.2: lines of CODE ("-" | " ") text CRLF, the code the same until the blank. */
static void check_replies(struct slice out)
{
    char code[3] = "";
    bool more = false;
    while (out.n) {
        size_t end = slice_find_slice(out, S("\r\n"));
        check(end != SLICE_NONE && end >= 4);
        struct slice line = slice_sub(out, 0, end);
        check(line.p[0] >= '2' && line.p[0] <= '5' && ascii_digit(line.p[1]) &&
              ascii_digit(line.p[2]) && (line.p[3] == ' ' || line.p[3] == '-'));
        check(!more || memcmp(code, line.p, 3) == 0);
        check(slice_find(line, '\n') == SLICE_NONE && slice_find(line, '\r') == SLICE_NONE);
        memcpy(code, line.p, 3);
        more = line.p[3] == '-';
        out = slice_from(out, end + 2);
    }
    check(!more);
}

static void play(struct conn *c, struct slice bytes, size_t piece)
{
    fake_send_pieces(c, bytes, piece);
    for (int i = 0; c->held && i < 10000; i++)
        smtp_body_resume(c->session);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const size_t pieces[] = {1, 7, 512, 65536};
    struct fake_policy policy;
    struct conn c;
    const struct conn_handler *handler;
    void *session;
    struct slice refusal;
    if (!n)
        return 0;
    fake_policy_init(&policy);
    bool submission = (data[0] & 17) == 16;
    policy.auth = data[0] & 4;
    policy.wait = data[0] & 8;
    struct smtp_service service = {
        .protocol = "smtp",
        .hostname = "mx.test",
        .hooks = &fake_hooks,
        .arg = &policy,
        .lmtp = data[0] & 1,
        .submission = submission,
        .auth_required = submission,
        .newline = data[0] & 2 ? SMTP_NEWLINE_NORMALISE : SMTP_NEWLINE_REFUSE,
        .starttls = true,
        .offered = data[0] & 32 ? SMTP_PARAM_ALL & ~(unsigned)SMTP_PARAM_AUTH : 0,
        .hold_max = 1000,
        .by_min = 60,
        .message_size = 4096,
        .errors_slow = 1000,
    };
    check(smtp_accept(&service, NULL, &handler, &session, &refusal));
    fake_open(&c, handler, session, "");
    struct slice rest = slice(data + 1, n - 1);
    while (rest.n && !c.closed) {
        size_t at = 0;
        while (at < rest.n && (unsigned char)rest.p[at] < 0xfe)
            at++;
        play(&c, slice_sub(rest, 0, at), pieces[data[0] >> 6]);
        if (at < rest.n && (unsigned char)rest.p[at] == 0xfe && c.start_tls && !c.closed)
            fake_secure(&c);
        rest = slice_from(rest, at + 1);
    }
    check(c.in.n < SIZE_MAX && !c.out.overflow);
    check_replies(buffer_slice(&c.out));
    fake_gone(&c);
    check(policy.closed == 1 && policy.mails == policy.resets);
    check(policy.messages <= policy.begun && policy.begun <= policy.mails);
    fake_policy_finish(&policy);
    return 0;
}
