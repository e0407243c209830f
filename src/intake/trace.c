#include "base/random.h"
#include "intake/submission_private.h"
#include "message/address.h"
#include "message/compose.h"
#include <stdio.h>

#define HEAD_MAX ((size_t)60 * 1024) /* with the From and Sender of sendmail */

/* 55 bits of time in us and 25 random ones, five to a letter: sorts by time. */
void intake_trace_id(char id[INTAKE_ID + 1])
{
    static const char letters[] = "0123456789abcdefghjkmnpqrstvwxyz";
    uint64_t time = (uint64_t)clock_wall(), random = random_u64();
    for (int i = 10; i >= 0; i--, time >>= 5)
        id[i] = letters[time & 31];
    for (int i = 11; i < INTAKE_ID; i++, random >>= 5)
        id[i] = letters[random & 31];
    id[INTAKE_ID] = '\0';
}

/* RFC 5321 §4.4: the path as a command has it. */
static bool return_path(const struct intake_session *t, struct buffer *head)
{
    char text[SMTP_PATH_TEXT];
    struct buffer to = {.p = text, .cap = sizeof text, .max = sizeof text};
    struct slice sender = slice_str(t->sender);
    size_t at = slice_rfind(sender, '@');
    if (at == SLICE_NONE)
        return compose_return_path(head, sender);
    return address_quote(slice_sub(sender, 0, at), &to) &&
           buffer_add(&to, slice_from(sender, at)) && compose_return_path(head, buffer_slice(&to));
}

bool intake_trace_head(const struct intake_session *t, int64_t now, struct buffer *head)
{
    struct conn *c = smtp_conn(t->smtp);
    const struct tls_facts *tls = conn_tls(c);
    const struct peer *peer = conn_peer(c);
    char secured[sizeof tls->version + sizeof tls->cipher + 1] = "";
    if (tls->on)
        snprintf(secured, sizeof secured, "%s %s", tls->version, tls->cipher);
    const struct intake_caller *caller = t->submitter ? &t->submitter->caller : NULL;
    char from[64] = "";
    if (caller && caller->on)
        snprintf(from, sizeof from, "from uid %u%s%.40s", caller->uid, *caller->name ? " / " : "",
            caller->name);
    const struct compose_received received = {
        .helo = *from ? (struct slice){0} : slice_str(smtp_helo(t->smtp)),
        .local = slice_str(from),
        .peer = peer->unix_socket ? (struct slice){0} : slice_str(peer->address),
        .by = slice_str(t->options->hostname),
        .protocol = slice_str(smtp_protocol(t->smtp, t->utf8)),
        .tls = slice_str(secured),
        .id = slice_str(t->id),
        .recipient = t->single ? slice_str(t->recipient) : (struct slice){0},
        .priority = t->wishes.priority,
        .seconds = now / 1000000,
    };
    buffer_init(head, HEAD_MAX);
    return return_path(t, head) && compose_received(head, &received);
}
