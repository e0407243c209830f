/* One transaction of a courier. */
#include "base/utf8.h"
#include "delivery/remote_private.h"
#include "smtp/command.h"
#include <stdio.h>

#define READ (60 * CLOCK_SEC)

/* ---- the message, in pieces of the store ---- */

/* Our Return-Path is for the last server alone (RFC 5321 §4.4). */
static size_t return_path(struct slice head)
{
    if (!slice_starts_nocase(head, S("Return-Path:")))
        return 0;
    for (size_t i = 0; i + 1 < head.n; i++)
        if (head.p[i] == '\n' && head.p[i + 1] != ' ' && head.p[i + 1] != '\t')
            return i + 1;
    return 0;
}

static bool read_piece(struct courier *c, struct slice *piece)
{
    size_t got;
    if (store_blob_read(c->blob, c->at, c->piece, sizeof c->piece, &got, deadline_in(READ)) !=
        OUTCOME_DONE)
        return false;
    c->at += got;
    *piece = slice(c->piece, got);
    return true;
}

/* On top of what an alias sends on, so that it is known when it comes back (RFC 9228). */
static size_t delivered_to(struct courier *c, const struct queue_item *item)
{
    struct slice alias = item->message.alias;
    c->delivered_to[0] = '\0';
    if (alias.n)
        snprintf(c->delivered_to, sizeof c->delivered_to, "Delivered-To: " SLICE_FMT "\r\n",
            SLICE_ARG(alias));
    return strlen(c->delivered_to);
}

/* Opens the message and reads its first piece. */
static bool open_message(struct courier *c, const struct queue_item *item, uint64_t *size)
{
    enum outcome o =
        store_blob_open(c->remote->store, item->message.blob, &c->blob, deadline_in(READ));
    if (o != OUTCOME_DONE)
        return false;
    c->at = 0;
    if (!read_piece(c, &c->first))
        return false;
    size_t left_out = return_path(c->first);
    c->first = slice_from(c->first, left_out);
    *size = store_blob_size(c->blob) - left_out + delivered_to(c, item);
    return true;
}

static void close_message(struct courier *c)
{
    store_blob_close(c->blob);
    c->blob = NULL;
}

static bool next_piece(void *arg, struct slice *piece, deadline until)
{
    struct courier *c = arg;
    if (c->give == GIVE_REST)
        return read_piece(c, piece);
    *piece = c->give == GIVE_FIRST ? c->first : slice_str(c->delivered_to);
    c->give++;
    return true;
}

/* ---- the envelope ---- */

static struct slice notify_text(struct arena *arena, uint8_t notify)
{
    char text[40];
    if (!notify)
        return S("");
    if (notify & QUEUE_NOTIFY_NEVER)
        return S("NEVER");
    int n = snprintf(text, sizeof text, "%s%s%s", notify & QUEUE_NOTIFY_SUCCESS ? ",SUCCESS" : "",
        notify & QUEUE_NOTIFY_FAILURE ? ",FAILURE" : "",
        notify & QUEUE_NOTIFY_DELAY ? ",DELAY" : "");
    return n > 1 ? arena_copy(arena, slice(text + 1, (size_t)n - 1)) : S("");
}

/* RFC 3461 §5.2.1: as it was given, else what RCPT said. A report has none. */
static struct slice orcpt_text(
    struct arena *arena, const struct queue_message *m, const struct queue_entry *e)
{
    char text[QUEUE_ORCPT_MAX];
    struct buffer to = {.p = text, .cap = sizeof text, .max = sizeof text};
    if (e->orcpt.n || m->flags & QUEUE_IS_REPORT || !utf8_ascii(e->recipient))
        return e->orcpt;
    buffer_add(&to, S("rfc822;"));
    smtp_xtext_encode(e->recipient, &to);
    return to.overflow ? S("") : arena_copy(arena, buffer_slice(&to));
}

static struct smtp_send_recipient *recipients(struct courier *c, const struct queue_item *item)
{
    struct smtp_send_recipient *list = arena_array(&c->item, struct smtp_send_recipient, item->n);
    for (size_t i = 0; list && i < item->n; i++)
        list[i] = (struct smtp_send_recipient){.address = item->entries[i].recipient,
            .orcpt = orcpt_text(&c->item, &item->message, &item->entries[i])};
    return list;
}

/* LMTP: nobody hands it on any further. */
static bool at_end(const struct courier *c)
{
    return c->hop && c->hop->lmtp;
}

/* The server does not keep the time, and nothing of the sender's is lost when it is late. */
static bool by_is_lost(const struct courier *c, const struct queue_message *m)
{
    return m->deliver_by && !(m->flags & QUEUE_DELIVERBY_RETURN) && !at_end(c) &&
           !smtp_client_offer(c->client)->deliver_by;
}

/* NOTIFY for the server that is asked now: the next one must at least tell of delays where it does
 * not know of the time (RFC 2852 §4.1.4.2). */
static void wish(struct courier *c, const struct queue_item *item, struct smtp_send_recipient *list)
{
    bool lost = by_is_lost(c, &item->message);
    for (size_t i = 0; i < item->n; i++) {
        uint8_t notify = item->entries[i].notify;
        if (lost && !notify)
            notify = QUEUE_NOTIFY_FAILURE;
        if (lost && !(notify & QUEUE_NOTIFY_NEVER))
            notify |= QUEUE_NOTIFY_DELAY;
        list[i].notify = notify_text(&c->item, notify);
    }
}

static void describe(
    struct courier *c, const struct queue_item *item, uint64_t size, struct smtp_send *m)
{
    uint32_t flags = item->message.flags;
    *m = (struct smtp_send){.sender = item->message.sender,
        .size = size,
        .eight_bit = flags & (QUEUE_8BIT | QUEUE_UTF8),
        .utf8 = flags & QUEUE_UTF8,
        .require_tls = flags & QUEUE_REQUIRETLS && !at_end(c) &&
                       (item->message.sender.n || c->level == LEVEL_VERIFIED), /* RFC 8689 §2 */
        .envid = item->message.envid,
        .ret = flags & QUEUE_RET_FULL      ? S("FULL")
               : flags & QUEUE_RET_HEADERS ? S("HDRS")
                                           : S(""),
        .priority = item->message.priority,
        .deliver_by = at_end(c) ? 0 : item->message.deliver_by,
        .by_return = flags & QUEUE_DELIVERBY_RETURN,
        .by_trace = flags & QUEUE_DELIVERBY_TRACE,
        .read = next_piece,
        .arg = c};
}

/* ---- what became of it ---- */

static void settle_all(const struct queue_item *item, const struct queue_settlement *one,
    struct queue_settlement *settlements)
{
    for (size_t i = 0; i < item->n; i++)
        settlements[i] = *one;
}

/* "TLSv1.3 TLS_AES_256_GCM_SHA384, verified": by the policy of the domain or of the message, not by
 * the way (RFC 7672 §2.2.1). */
static struct slice tls_text(struct courier *c)
{
    struct tls_facts tls;
    char text[sizeof tls.version + sizeof tls.cipher + 16];
    channel_tls_facts(smtp_client_channel(c->client), &tls);
    int n = tls.on ? snprintf(text, sizeof text, "%s %s%s", tls.version, tls.cipher,
                         c->level == LEVEL_VERIFIED ? ", verified" : "")
                   : 0;
    return n > 0 ? arena_copy(&c->item, slice(text, (size_t)n)) : S("");
}

/* RFC 2852 §4.1.4: "relayed" for a message that is traced, or whose time the server does not keep.
 */
static bool tell(const struct courier *c, const struct queue_message *m)
{
    bool in_time = clock_wall() / 1000000 <= m->deliver_by;
    return m->deliver_by && !at_end(c) &&
           (m->flags & QUEUE_DELIVERBY_TRACE || (by_is_lost(c, m) && in_time));
}

static bool judge(struct courier *c, const struct queue_item *item,
    const struct smtp_send_recipient *list, struct queue_settlement *settlements)
{
    size_t n = item->n;
    bool relayed = tell(c, &item->message);
    struct delivery_facts facts = {.dsn = smtp_client_offer(c->client)->dsn,
        .without_tls = c->without_tls,
        .chosen = c->chosen};
    struct slice tls = tls_text(c);
    for (size_t i = 0; i < n; i++)
        facts.some_taken |= list[i].outcome.answer == ANSWER_OK;
    for (size_t i = 0; i < n; i++) {
        char *reply = arena_alloc(&c->item, QUEUE_REPLY_MAX);
        if (!reply)
            return false;
        delivery_verdict(&list[i].outcome, &facts, reply, &settlements[i]);
        remote_hop_judge(c, &settlements[i]);
        settlements[i].remote = slice_str(c->peer);
        settlements[i].tls = tls;
        settlements[i].tell = relayed;
    }
    return true;
}

/* Nothing was heard about the message: a connection that had grown old, or a host that says no to
 * everybody. */
static bool unheard(const struct courier *c)
{
    const struct smtp_outcome *o = smtp_client_outcome(c->client);
    if (smtp_client_alive(c->client))
        return false;
    return o->stage == SMTP_AT_RSET ||
           (o->stage == SMTP_AT_MAIL && (o->answer == ANSWER_LOST || o->reply.code == 421));
}

/* Over as many connections as it takes until a server has heard of the message. */
static enum reach transact(struct courier *c, const struct queue_item *item,
    const struct smtp_send *m, struct smtp_send_recipient *list)
{
    for (;;) {
        c->give = c->delivered_to[0] ? GIVE_DELIVERED_TO : GIVE_FIRST;
        wish(c, item, list);
        smtp_client_send(c->client, m, list, item->n, deadline_in(DELIVERY_MESSAGE));
        if (!unheard(c) || task_cancelled())
            return REACH_OK;
        if (c->messages)
            c->tries = 0; /* it takes mail, if only so much of one connection */
        else
            remote_next_address(c);
        const struct delivery_facts facts = {.without_tls = c->without_tls, .chosen = c->chosen};
        delivery_verdict(smtp_client_outcome(c->client), &facts, c->why_reply, &c->why);
        c->any_later = true;
        snprintf(c->why_remote, sizeof c->why_remote, "%s", c->peer);
        c->why.remote = slice_str(c->why_remote);
        enum reach reach = remote_connect(c);
        if (reach != REACH_OK)
            return reach;
    }
}

enum reach remote_send(
    struct courier *c, const struct queue_item *item, struct queue_settlement *settlements)
{
    struct smtp_send_recipient *list = recipients(c, item);
    struct smtp_send m;
    uint64_t size;
    enum reach reach = list ? REACH_OK : REACH_STOP;
    if (list && open_message(c, item, &size)) {
        describe(c, item, size, &m);
        reach = transact(c, item, &m, list);
        if (reach == REACH_OK && !judge(c, item, list, settlements))
            reach = REACH_STOP;
        c->messages += reach == REACH_OK;
    } else if (list) {
        struct queue_settlement unreadable;
        delivery_own_verdict(
            QUEUE_DEFERRED, "4.3.0", S("The message cannot be read here"), &unreadable);
        settle_all(item, &unreadable, settlements);
    }
    close_message(c);
    return reach;
}
