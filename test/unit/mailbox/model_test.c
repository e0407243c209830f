/* Everything that changes an account, at random, against a plain model; some commits end unknown.
 */
#include "base/random.h"
#include "mailbox/copy.h"
#include "mailbox/row.h"
#include "mailbox/uids.h"
#include "unit/mailbox/fixture.h"
#include <stdio.h>

#define STEPS    4000
#define BOXES    40
#define MESSAGES 300 /* in one mailbox */
#define NAMES    200 /* subscriptions */
#define NAME_MAX 60
#define WORDS    5

static const struct slice words[WORDS] = {S("$Forwarded"), S("$Junk"), S("x"), S("y"), S("z")};

struct message {
    uint32_t uid;
    uint8_t flags, words;
    int64_t date; /* tells the messages apart */
    uint64_t size;
};

struct box {
    uint32_t id, uidnext; /* id 0: free */
    char name[NAME_MAX + 1];
    uint32_t n;
    struct message m[MESSAGES];
};

static struct {
    struct box boxes[BOXES];
    char subscribed[NAMES][NAME_MAX + 1];
    size_t subscribed_n;
    uint32_t next_id;
    int64_t next_date;
    unsigned unknown;
} model;

/* What a client knew once. */
static struct {
    uint32_t box;
    uint64_t since;
    size_t n;
    struct mailbox_uids known[MESSAGES];
} client;

/* ---- names ---- */

static const char *some_name(char out[NAME_MAX + 1])
{
    static const char levels[] = "abc";
    size_t n = 0;
    for (uint64_t depth = 1 + random_below(3); depth; depth--) {
        out[n++] = levels[random_below(3)];
        out[n++] = '/';
    }
    out[n - 1] = '\0';
    return out;
}

static struct box *box_of(const char *name)
{
    for (size_t i = 0; i < BOXES; i++)
        if (model.boxes[i].id && strcmp(model.boxes[i].name, name) == 0)
            return &model.boxes[i];
    return NULL;
}

static struct box *some_box(void)
{
    struct box *b;
    do
        b = &model.boxes[random_below(BOXES)];
    while (!b->id);
    return b;
}

static struct box *free_box(void)
{
    for (size_t i = 0; i < BOXES; i++)
        if (!model.boxes[i].id)
            return &model.boxes[i];
    return NULL;
}

/* The rest of the name behind a level and all above it; NULL: it is not of this tree. */
static const char *below(const char *name, const char *top)
{
    size_t n = strlen(top);
    bool inside = strncmp(name, top, n) == 0 && (name[n] == '\0' || name[n] == '/');
    return inside ? name + n : NULL;
}

static size_t subscription(const char *name)
{
    size_t i = 0;
    while (i < model.subscribed_n && strcmp(model.subscribed[i], name) != 0)
        i++;
    return i;
}

/* ---- mutations; an unknown one is done when the partition has a new version ---- */

static void nothing_fn(struct store_view *v, void *arg)
{
}

static uint64_t version(void)
{
    uint64_t n;
    CHECK(store_read(fixture_store, mailbox_partition(ACCOUNT), nothing_fn, NULL, &n, SOON) ==
          OUTCOME_DONE);
    return n;
}

static enum outcome settle(enum outcome o, uint64_t before)
{
    if (o != OUTCOME_UNKNOWN)
        return o;
    model.unknown++;
    return version() != before ? OUTCOME_DONE : OUTCOME_FAILED;
}

static enum outcome try(store_mutate_fn fn, void *arg)
{
    uint64_t before = version();
    return settle(fixture_try(fn, arg), before);
}

/* ---- the tree ---- */

struct create {
    struct slice name;
    uint32_t id;
};

static enum outcome create_fn(struct store_txn *t, void *arg)
{
    struct create *c = arg;
    return mailbox_create(t, c->name, MAILBOX_PLAIN, 1, &c->id);
}

static void do_create(void)
{
    char name[NAME_MAX + 1];
    struct create c = {.name = slice_str(some_name(name))};
    struct box *b = free_box();
    if (!b)
        return;
    bool exists = box_of(name);
    enum outcome o = try(create_fn, &c);
    CHECK(exists ? o == OUTCOME_REFUSED : o != OUTCOME_REFUSED);
    if (o != OUTCOME_DONE)
        return;
    CHECK(c.id == model.next_id);
    *b = (struct box){.id = model.next_id++, .uidnext = 1};
    memcpy(b->name, name, sizeof name);
}

static enum outcome remove_fn(struct store_txn *t, void *arg)
{
    return mailbox_remove(t, arg);
}

static void do_remove(void)
{
    char name[NAME_MAX + 1];
    struct mailbox_remove r = {.name = slice_str(some_name(name))};
    struct box *b = box_of(name);
    enum outcome o = try(remove_fn, &r);
    CHECK(b ? o != OUTCOME_REFUSED : o == OUTCOME_REFUSED && r.refusal == MAILBOX_REFUSED_ABSENT);
    if (o == OUTCOME_DONE)
        b->id = 0;
}

static enum mailbox_refusal expected(const char *from, const char *to, bool *too_long)
{
    bool some = false, taken = false;
    for (size_t i = 0; i < BOXES; i++) {
        const char *rest = model.boxes[i].id ? below(model.boxes[i].name, from) : NULL;
        if (!rest)
            continue;
        char renamed[2 * NAME_MAX + 2];
        some = true;
        *too_long |= snprintf(renamed, sizeof renamed, "%s%s", to, rest) > NAME_MAX;
        const struct box *there = box_of(renamed);
        taken |= there && !below(there->name, from);
    }
    for (size_t i = 0; i < model.subscribed_n; i++) {
        const char *rest = below(model.subscribed[i], from);
        *too_long |= rest && strlen(to) + strlen(rest) > NAME_MAX;
    }
    if (!some)
        return MAILBOX_REFUSED_ABSENT;
    if (box_of(to))
        return MAILBOX_REFUSED_EXISTS;
    if (below(to, from))
        return MAILBOX_REFUSED_NAME;
    return taken ? MAILBOX_REFUSED_EXISTS : MAILBOX_REFUSED_NOT;
}

static void replace_top(char name[NAME_MAX + 1], const char *from, const char *to)
{
    char renamed[2 * NAME_MAX + 2];
    const char *rest = below(name, from);
    if (!rest)
        return;
    snprintf(renamed, sizeof renamed, "%s%s", to, rest);
    memcpy(name, renamed, strlen(renamed) + 1);
}

static enum outcome rename_fn(struct store_txn *t, void *arg)
{
    return mailbox_rename(t, arg);
}

static void do_rename(void)
{
    char from[NAME_MAX + 1], to[NAME_MAX + 1];
    bool too_long = false;
    struct mailbox_rename r = {
        .from = slice_str(some_name(from)), .to = slice_str(some_name(to)), .now = 1};
    enum mailbox_refusal why = expected(from, to, &too_long);
    if (too_long)
        return;
    enum outcome o = try(rename_fn, &r);
    CHECK(why ? o == OUTCOME_REFUSED && r.refusal == why : o != OUTCOME_REFUSED);
    if (o != OUTCOME_DONE)
        return;
    for (size_t i = 0; i < BOXES; i++)
        if (model.boxes[i].id)
            replace_top(model.boxes[i].name, from, to);
    for (size_t i = 0; i < model.subscribed_n; i++)
        replace_top(model.subscribed[i], from, to);
    for (size_t i = 0; i < model.subscribed_n; i++) /* two may have become one */
        while (subscription(model.subscribed[i]) < i) {
            memmove(model.subscribed[i], model.subscribed[--model.subscribed_n], NAME_MAX + 1);
            if (i == model.subscribed_n)
                break;
        }
}

struct subscribe {
    struct slice name;
    bool on;
};

static enum outcome subscribe_fn(struct store_txn *t, void *arg)
{
    const struct subscribe *s = arg;
    return mailbox_subscribe(t, s->name, s->on, 1);
}

static void do_subscribe(void)
{
    char name[NAME_MAX + 1];
    struct subscribe s = {slice_str(some_name(name)), random_below(2)};
    size_t at = subscription(name);
    bool is = at < model.subscribed_n;
    if (!is && model.subscribed_n == NAMES)
        return;
    enum outcome o = try(subscribe_fn, &s);
    CHECK(o != OUTCOME_REFUSED);
    if (is == s.on || o != OUTCOME_DONE)
        return;
    if (s.on)
        memcpy(model.subscribed[model.subscribed_n++], name, sizeof name);
    else if (at != --model.subscribed_n)
        memcpy(model.subscribed[at], model.subscribed[model.subscribed_n], NAME_MAX + 1);
}

/* ---- messages ---- */

static void do_append(void)
{
    static const char text[64] = "Subject: x";
    struct box *b = some_box();
    struct slice names[WORDS];
    struct spool_options options = {.tmp_dir = -1};
    struct message m = {.flags = (uint8_t)random_below(32), .date = model.next_date++};
    if (b->n == MESSAGES)
        return;
    struct mailbox_new new = {
        .mailbox = b->id, .flags = m.flags, .keywords = names, .date = m.date};
    m.words = (uint8_t)(random_below(1 << WORDS) & random_below(1 << WORDS));
    for (unsigned i = 0; i < WORDS; i++)
        if (m.words >> i & 1)
            names[new.keyword_n++] = words[i];
    m.size = 1 + random_below(sizeof text);
    m.uid = b->uidnext;
    new.rendered = slice(text, random_below(3));
    new.body = spool_create(&options);
    CHECK(new.body &&spool_write(new.body, slice(text, m.size)) == SPOOL_OK);
    CHECK(spool_end(new.body, SOON) == OUTCOME_DONE);
    uint64_t before = version();
    enum outcome o = settle(mailbox_add(fixture_store, ACCOUNT, &new, SOON), before);
    spool_destroy(new.body);
    CHECK(o != OUTCOME_REFUSED);
    if (o != OUTCOME_DONE)
        return;
    CHECK(new.uid == m.uid);
    b->m[b->n++] = m;
    b->uidnext++;
}

static uint32_t picked[MESSAGES];

/* Some UIDs, also of messages that are not there. */
static size_t pick(const struct box *b)
{
    size_t n = 0;
    uint32_t uid = 1 + (uint32_t)random_below(b->uidnext);
    if (b->n && random_below(2))
        uid = b->m[random_below(b->n)].uid;
    for (size_t most = 1 + random_below(30); n < most && uid < b->uidnext + 2;) {
        picked[n++] = uid;
        uid += 1 + (uint32_t)random_below(4);
    }
    return n;
}

static struct message *message_of(struct box *b, uint32_t uid)
{
    for (uint32_t i = 0; i < b->n; i++)
        if (b->m[i].uid == uid)
            return &b->m[i];
    return NULL;
}

static void take_out(struct box *b, struct message *m)
{
    memmove(m, m + 1, (size_t)(b->m + b->n - (m + 1)) * sizeof *m);
    b->n--;
}

struct change {
    struct mailbox_flags f;
    uint8_t words;
};

static enum outcome flags_fn(struct store_txn *t, void *arg)
{
    struct change *c = arg;
    c->f.keywords = 0;
    for (unsigned i = 0; i < WORDS; i++)
        if (c->words >> i & 1)
            c->f.keywords |= UINT64_C(1) << mailbox_keyword(t, c->f.mailbox, words[i], true);
    return mailbox_flags(t, &c->f);
}

static void do_flags(void)
{
    struct box *b = some_box();
    struct change c = {.f = {.mailbox = b->id,
                           .uids = picked,
                           .n = pick(b),
                           .change = (enum mailbox_flag_change)random_below(3),
                           .flags = (uint8_t)random_below(32),
                           .unchanged_since = UINT64_MAX},
        .words = (uint8_t)random_below(1 << WORDS)};
    if (try(flags_fn, &c) != OUTCOME_DONE)
        return;
    for (size_t i = 0; i < c.f.n; i++) {
        struct message *m = message_of(b, picked[i]);
        if (!m)
            continue;
        if (c.f.change == MAILBOX_FLAGS_REPLACE)
            m->flags = m->words = 0;
        if (c.f.change == MAILBOX_FLAGS_REMOVE) {
            m->flags &= (uint8_t)~c.f.flags;
            m->words &= (uint8_t)~c.words;
        } else {
            m->flags |= c.f.flags;
            m->words |= c.words;
        }
    }
}

static enum outcome expunge_fn(struct store_txn *t, void *arg)
{
    return mailbox_expunge(t, arg);
}

static void do_expunge(void)
{
    struct box *b = some_box();
    struct mailbox_expunge e = {
        .mailbox = b->id, .uids = picked, .n = pick(b), .only_deleted = random_below(2), .now = 1};
    if (try(expunge_fn, &e) != OUTCOME_DONE)
        return;
    for (size_t i = 0; i < e.n; i++) {
        struct message *m = message_of(b, picked[i]);
        if (m && (!e.only_deleted || m->flags & MAILBOX_DELETED))
            take_out(b, m);
    }
}

static void do_transfer(void)
{
    static struct mailbox_copied pairs[MESSAGES];
    struct box *from = some_box(), *to = some_box();
    struct mailbox_transfer t = {.from = from->id,
        .to = to->id,
        .uids = picked,
        .n = pick(from),
        .move = random_below(2),
        .pairs = pairs};
    uint32_t end = from->uidnext, start = to->uidnext;
    size_t n = 0;
    if (to->n + t.n > MESSAGES)
        return;
    uint64_t before = version();
    if (settle(mailbox_transfer(fixture_store, ACCOUNT, &t, SOON), before) != OUTCOME_DONE)
        return;
    for (size_t i = 0; i < t.n; i++) {
        struct message *m = picked[i] < end ? message_of(from, picked[i]) : NULL;
        if (!m)
            continue;
        struct message copy = *m;
        copy.uid = to->uidnext++;
        CHECK(pairs[n].from == picked[i] && pairs[n].to == start + n);
        if (t.move)
            take_out(from, m);
        to->m[to->n++] = copy;
        n++;
    }
    CHECK(!t.copied || t.copied == n); /* unknown: it tells nothing */
}

/* ---- comparing ---- */

struct seen {
    uint32_t box, n;
    struct mailbox row;
    struct message m[MESSAGES + 1];
};

static void seen_fn(struct store_view *v, void *arg)
{
    struct seen *s = arg;
    struct mailbox_message m;
    struct store_cursor c;
    s->n = 0;
    CHECK(mailbox_read(v, s->box, &s->row));
    mailbox_seek_message(v, s->box, 0, &c);
    while (s->n <= MESSAGES && mailbox_next_message(&c, s->box, &m)) {
        struct message *to = &s->m[s->n++];
        *to = (struct message){.uid = m.uid, .flags = m.flags, .date = m.date, .size = m.size};
        for (unsigned i = 0; i < WORDS; i++) {
            int bit = mailbox_find_keyword(v, s->box, words[i]);
            if (bit >= 0 && m.keywords >> bit & 1)
                to->words |= (uint8_t)(1U << i);
        }
    }
}

static void compare(const struct box *b)
{
    static struct seen s;
    s.box = b->id;
    fixture_read(seen_fn, &s);
    CHECK(slice_eq(mailbox_name(&s.row), slice_str(b->name)) && s.row.uidnext == b->uidnext);
    CHECK(s.n == b->n && s.row.messages == b->n);
    for (uint32_t i = 0; i < b->n; i++)
        CHECK(s.m[i].uid == b->m[i].uid && s.m[i].flags == b->m[i].flags &&
              s.m[i].words == b->m[i].words && s.m[i].date == b->m[i].date &&
              s.m[i].size == b->m[i].size);
}

static void walk_fn(struct store_view *v, void *arg)
{
    struct mailbox_walk w;
    struct mailbox_name_row row;
    size_t boxes = 0, subscribed = 0;
    mailbox_walk_start(v, S(""), &w);
    while (mailbox_walk_next(&w, &row)) {
        char name[NAME_MAX + 1];
        CHECK(row.name_n <= NAME_MAX);
        memcpy(name, row.name, row.name_n);
        name[row.name_n] = '\0';
        const struct box *b = box_of(name);
        CHECK(b ? row.id == b->id : !row.id);
        CHECK(row.subscribed == (subscription(name) < model.subscribed_n));
        boxes += row.id != 0;
        subscribed += row.subscribed;
    }
    for (size_t i = 0; i < BOXES; i++)
        boxes -= model.boxes[i].id != 0;
    CHECK(!boxes && subscribed == model.subscribed_n);
}

static void vanished_fn(struct store_view *v, void *arg)
{
    CHECK(mailbox_read_vanished(v, arg));
}

/* What the client knew and is gone, as the store tells it. */
static void compare_client(void)
{
    static struct mailbox_uids ranges[MESSAGES];
    struct mailbox_vanished r = {.mailbox = client.box,
        .since = client.since,
        .known = client.known,
        .known_n = client.n,
        .ranges = ranges,
        .room = MESSAGES};
    struct box *b = NULL;
    for (size_t i = 0; i < BOXES; i++)
        if (model.boxes[i].id && model.boxes[i].id == client.box)
            b = &model.boxes[i];
    if (!b)
        return;
    fixture_read(vanished_fn, &r);
    CHECK(!r.more);
    for (size_t i = 0; i < client.n; i++) {
        uint32_t uid = client.known[i].first;
        bool told = false;
        for (size_t j = 0; j < r.n; j++)
            told |= ranges[j].first <= uid && uid <= ranges[j].last;
        CHECK(told == !message_of(b, uid));
    }
}

static void connect_client(void)
{
    static struct seen s;
    const struct box *b = some_box();
    s.box = b->id;
    fixture_read(seen_fn, &s);
    client.box = b->id;
    client.since = s.row.highestmodseq;
    client.n = b->n;
    for (uint32_t i = 0; i < b->n; i++)
        client.known[i] = (struct mailbox_uids){b->m[i].uid, b->m[i].uid};
}

static void do_compare(void)
{
    compare(some_box());
    fixture_read(walk_fn, NULL);
    compare_client();
    if (random_below(3) == 0)
        connect_client();
}

static void do_sweep(void)
{
    enum outcome o = mailbox_sweep(fixture_store, ACCOUNT, SOON);
    CHECK(o == OUTCOME_DONE || o == OUTCOME_UNKNOWN);
}

/* ---- all of it ---- */

static void start(void)
{
    static const char *const names[] = {"INBOX", "Drafts", "Sent", "Junk", "Trash", "Archive"};
    memset(&model, 0, sizeof model);
    memset(&client, 0, sizeof client);
    model.next_date = 1;
    for (uint32_t i = 0; i < 6; i++) {
        model.boxes[i].id = i + 1;
        model.boxes[i].uidnext = 1;
        memcpy(model.boxes[i].name, names[i], strlen(names[i]));
        memcpy(model.subscribed[i], names[i], strlen(names[i]));
    }
    model.subscribed_n = 6;
    model.next_id = 7;
}

static void steps(void *arg)
{
    static const struct {
        unsigned weight;
        void (*fn)(void);
    } choices[] = {{30, do_append}, {20, do_flags}, {12, do_expunge}, {15, do_transfer},
        {5, do_create}, {4, do_rename}, {3, do_remove}, {3, do_subscribe}, {7, do_compare},
        {1, do_sweep}};
    char why[512];
    enum store_open_error error;
    struct store_options options = {
        .engine = "memory", .dir = -1, .harsh = true, .seed = 7, .unknown_one_in = 40};
    fixture_store = store_open(&options, &error, why);
    CHECK(fixture_store);
    enum outcome o;
    while ((o = mailbox_open_account(fixture_store, ACCOUNT, SOON)) != OUTCOME_DONE)
        CHECK(o == OUTCOME_UNKNOWN);
    start();
    for (int i = 0; i < STEPS; i++) {
        uint64_t dice = random_below(100);
        size_t which = 0;
        for (; dice >= choices[which].weight; which++)
            dice -= choices[which].weight;
        choices[which].fn();
        if (i % 1000 == 999)
            CHECK(fixture_faults(false) == 0);
    }
    for (size_t i = 0; i < BOXES; i++)
        if (model.boxes[i].id)
            compare(&model.boxes[i]);
    fixture_read(walk_fn, NULL);
    CHECK(model.unknown > STEPS / 200 && model.next_id > 60);
    while ((o = mailbox_sweep(fixture_store, ACCOUNT, SOON)) != OUTCOME_DONE)
        CHECK(o == OUTCOME_UNKNOWN);
    CHECK(fixture_faults(false) == 0);
    fixture_close();
}

static void an_account_follows_the_model(void **state)
{
    random_seed(11);
    fixture_run(steps);
    random_seed(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(an_account_follows_the_model)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
