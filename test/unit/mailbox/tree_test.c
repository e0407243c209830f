#include "mailbox/row.h"
#include "mailbox/tree.h"
#include "unit/mailbox/fixture.h"
#include <stdio.h>

struct create {
    struct slice name;
    enum mailbox_special special;
    uint32_t id;
};

static enum outcome create_fn(struct store_txn *t, void *arg)
{
    struct create *c = arg;
    return mailbox_create(t, c->name, c->special, 5000, &c->id);
}

static uint32_t create(struct slice name)
{
    struct create c = {.name = name};
    fixture_mutate(create_fn, &c);
    return c.id;
}

struct subscribe {
    struct slice name;
    bool on;
};

static enum outcome subscribe_fn(struct store_txn *t, void *arg)
{
    struct subscribe *s = arg;
    return mailbox_subscribe(t, s->name, s->on, 1);
}

static void subscribe(struct slice name, bool on)
{
    struct subscribe s = {name, on};
    fixture_mutate(subscribe_fn, &s);
}

static enum outcome rename_fn(struct store_txn *t, void *arg)
{
    return mailbox_rename(t, arg);
}

static enum mailbox_refusal rename_refused(struct slice from, struct slice to)
{
    struct mailbox_rename r = {.from = from, .to = to, .now = 1};
    CHECK(fixture_try(rename_fn, &r) == OUTCOME_REFUSED);
    return r.refusal;
}

static uint32_t rename_all(struct slice from, struct slice to)
{
    struct mailbox_rename r = {.from = from, .to = to, .now = 1};
    fixture_mutate(rename_fn, &r);
    CHECK(r.refusal == MAILBOX_REFUSED_NOT);
    return r.renamed;
}

/* The walk as text: name, + when it is a mailbox, * when it is subscribed. */
struct walked {
    struct slice from;
    char text[4096];
};

static void walk_fn(struct store_view *v, void *arg)
{
    struct walked *out = arg;
    struct mailbox_walk w;
    struct mailbox_name_row row;
    size_t n = 0;
    out->text[0] = '\0';
    mailbox_walk_start(v, out->from, &w);
    while (mailbox_walk_next(&w, &row)) {
        struct mailbox m;
        CHECK(!row.id || (mailbox_read(v, row.id, &m) &&
                             slice_eq(mailbox_name(&m), slice(row.name, row.name_n))));
        n += (size_t)snprintf(out->text + n, sizeof out->text - n, "%.*s%s%s ", row.name_n,
            row.name, row.id ? "+" : "", row.subscribed ? "*" : "");
    }
}

static bool walks(const char *from, const char *text)
{
    struct walked w = {.from = slice_str(from)};
    fixture_read(walk_fn, &w);
    if (strcmp(w.text, text) != 0)
        fprintf(stderr, "walked: %s\nwanted: %s\n", w.text, text);
    return strcmp(w.text, text) == 0;
}

static void walk(void *arg)
{
    fixture_open();
    CHECK(walks("", ""));
    CHECK(mailbox_open_account(fixture_store, ACCOUNT, SOON) == OUTCOME_DONE);
    CHECK(walks("", "Archive+* Drafts+* INBOX+* Junk+* Sent+* Trash+* "));
    create(S("Work/a"));
    create(S("Work!"));
    subscribe(S("Gone"), true);
    subscribe(S("Gone"), true);
    subscribe(S("Zoo"), true);
    subscribe(S("Sent"), false);
    subscribe(S("never"), false);
    CHECK(walks("Drafts", "Drafts+* Gone* INBOX+* Junk+* Sent+ Trash+* Work!+ Work/a+ Zoo* "));
    CHECK(walks("Zop", ""));
    CHECK(fixture_faults(false) == 0);
    fixture_close();
}

static void the_walk_joins_mailboxes_and_subscriptions(void **state)
{
    fixture_run(walk);
}

static void children_fn(struct store_view *v, void *arg)
{
    char longest[MAILBOX_NAME_MAX];
    memset(longest, 'n', sizeof longest);
    CHECK(mailbox_has_children(v, S("Work")) && mailbox_has_children(v, S("Work/a")));
    CHECK(!mailbox_has_children(v, S("Work/a/b")) && !mailbox_has_children(v, S("Wor")));
    CHECK(!mailbox_has_children(v, S("INBOX")));
    CHECK(!mailbox_has_children(v, slice(longest, sizeof longest)));
    CHECK(!mailbox_has_children(v, slice(longest, sizeof longest - 1)));
}

static void children(void *arg)
{
    fixture_open();
    create(S("Work/a/b"));
    create(S("INBOX2"));
    fixture_read(children_fn, NULL);
    fixture_close();
}

static void children_are_mailboxes_below(void **state)
{
    fixture_run(children);
}

/* ---- special uses ---- */

struct specials {
    uint32_t id, drafts, sent, plain;
};

static void specials_fn(struct store_view *v, void *arg)
{
    struct specials *s = arg;
    s->drafts = mailbox_find_special(v, MAILBOX_DRAFTS);
    s->sent = mailbox_find_special(v, MAILBOX_SENT);
    s->plain = mailbox_find_special(v, MAILBOX_PLAIN);
}

static enum outcome set_special_fn(struct store_txn *t, void *arg)
{
    struct specials *s = arg;
    return mailbox_set_special(t, s->id, MAILBOX_DRAFTS);
}

static void specials(void *arg)
{
    struct specials s = {0};
    fixture_open();
    CHECK(mailbox_open_account(fixture_store, ACCOUNT, SOON) == OUTCOME_DONE);
    fixture_read(specials_fn, &s);
    CHECK(s.drafts == 2 && s.sent == 3 && s.plain == 0);
    struct create c = {.name = S("Sent Items"), .special = MAILBOX_SENT};
    fixture_mutate(create_fn, &c);
    fixture_read(specials_fn, &s);
    CHECK(s.sent == c.id && s.drafts == 2);
    CHECK(fixture_faults(false) == 0);
    s.id = c.id; /* it takes another use: Drafts loses it, and nobody has Sent */
    fixture_mutate(set_special_fn, &s);
    fixture_mutate(set_special_fn, &s);
    fixture_read(specials_fn, &s);
    CHECK(s.drafts == c.id && s.sent == 0);
    s.id = 99;
    CHECK(fixture_try(set_special_fn, &s) == OUTCOME_REFUSED);
    CHECK(fixture_faults(false) == 0);
    fixture_close();
}

static void one_mailbox_has_a_special_use(void **state)
{
    fixture_run(specials);
}

/* ---- rename ---- */

static void renames(void *arg)
{
    fixture_open();
    uint32_t id = create(S("a"));
    create(S("a!"));
    create(S("a/x"));
    create(S("a/x/y"));
    subscribe(S("a/x"), true);
    subscribe(S("a/gone"), true);
    subscribe(S("b/x"), true);
    CHECK(rename_all(S("a"), S("b")) == 3);
    CHECK(walks("a", "a!+ b+ b/gone* b/x+* b/x/y+ "));
    CHECK(fixture_faults(false) == 0);
    fixture_append(id, S("still the same mailbox"), 0);
    CHECK(rename_all(S("b/x"), S("deep/er/x")) == 2);
    CHECK(walks("a", "a!+ b+ b/gone* deep/er/x+* deep/er/x/y+ "));
    CHECK(rename_all(S("deep"), S("c")) == 2); /* a level that is no mailbox */
    CHECK(walks("b", "b+ b/gone* c/er/x+* c/er/x/y+ "));
    CHECK(fixture_faults(false) == 0);
    fixture_close();
}

static void rename_takes_all_below_along(void **state)
{
    fixture_run(renames);
}

/* New names may be old names of others that move too. */
static void upward(void *arg)
{
    fixture_open();
    create(S("p/r"));
    create(S("p/r/r"));
    create(S("p/r/r/r"));
    create(S("p/r/a"));
    create(S("p/s"));
    subscribe(S("p/r/r"), true);
    CHECK(rename_all(S("p/r"), S("p")) == 4);
    CHECK(walks("p", "p+ p/a+ p/r+* p/r/r+ p/s+ "));
    CHECK(fixture_faults(false) == 0);
    create(S("p/r/s"));
    CHECK(rename_refused(S("p/r"), S("p")) == MAILBOX_REFUSED_EXISTS);
    CHECK(rename_all(S("p"), S("q")) == 6);
    CHECK(rename_refused(S("q/r"), S("q")) == MAILBOX_REFUSED_EXISTS);
    CHECK(fixture_faults(false) == 0);
    fixture_close();
}

static void rename_to_a_level_above(void **state)
{
    fixture_run(upward);
}

static void refusals(void *arg)
{
    char name[MAILBOX_NAME_MAX], longer[MAILBOX_NAME_MAX];
    fixture_open();
    memset(name, 'n', sizeof name);
    memset(longer, 'm', sizeof longer);
    name[200] = longer[200] = '/';
    create(S("a"));
    create(S("a/b"));
    create(S("z/b"));
    CHECK(rename_refused(S("INBOX"), S("x")) == MAILBOX_REFUSED_INBOX);
    CHECK(rename_refused(S("a"), S("INBOX")) == MAILBOX_REFUSED_EXISTS);
    CHECK(rename_refused(S("nope"), S("x")) == MAILBOX_REFUSED_ABSENT);
    CHECK(rename_refused(S("a"), S("Sent")) == MAILBOX_REFUSED_EXISTS);
    CHECK(rename_refused(S("a"), S("a")) == MAILBOX_REFUSED_EXISTS);
    CHECK(rename_refused(S("a"), S("a/b/c")) == MAILBOX_REFUSED_NAME);
    CHECK(rename_refused(S("z"), S("z")) == MAILBOX_REFUSED_NAME);
    CHECK(rename_refused(S("a"), S("z")) == MAILBOX_REFUSED_EXISTS); /* z/b is there */
    CHECK(rename_refused(S("a"), slice(longer, 399)) == MAILBOX_REFUSED_NAME);
    CHECK(rename_all(S("a"), slice(longer, 398)) == 2); /* its child has 400 bytes */
    CHECK(rename_all(slice(longer, 398), slice(name, 398)) == 2);
    CHECK(fixture_faults(false) == 0);
    CHECK(mailbox_purge(fixture_store, ACCOUNT, SOON) == OUTCOME_DONE);
    CHECK(rename_refused(S("a"), S("b")) == MAILBOX_REFUSED_GONE);
    fixture_close();
}

static void rename_says_why_not(void **state)
{
    fixture_run(refusals);
}

struct many {
    uint32_t from, n;
};

static enum outcome many_fn(struct store_txn *t, void *arg)
{
    const struct many *m = arg;
    for (uint32_t i = m->from; i < m->from + m->n; i++) {
        char name[32];
        uint32_t id;
        int n = snprintf(name, sizeof name, "top/%u", i);
        if (mailbox_create(t, slice(name, (size_t)n), MAILBOX_PLAIN, 1, &id) != OUTCOME_DONE)
            return OUTCOME_FAILED;
    }
    return OUTCOME_DONE;
}

#define RENAMED_MAX ((STORE_WRITE_KEYS_MAX - 1) / 3) /* a header, and three keys each */

static void too_many(void *arg)
{
    fixture_open();
    for (uint32_t from = 0; from < RENAMED_MAX; from += 1000) {
        struct many m = {from, RENAMED_MAX - from < 1000 ? RENAMED_MAX - from : 1000};
        fixture_mutate(many_fn, &m);
    }
    CHECK(rename_all(S("top"), S("new")) == RENAMED_MAX);
    create(S("new/one more"));
    CHECK(rename_refused(S("new"), S("top")) == MAILBOX_REFUSED_LIMIT);
    CHECK(fixture_faults(false) == 0);
    fixture_close();
}

static void rename_is_one_mutation_or_refused(void **state)
{
    fixture_run(too_many);
}

/* ---- how many ---- */

static enum outcome counters_fn(struct store_txn *t, void *arg)
{
    struct mailbox_account a;
    if (!mailbox_read_account(store_txn_view(t), &a))
        return OUTCOME_FAILED;
    a.mailboxes = a.subscriptions = MAILBOX_COUNT_MAX - 1;
    row_put_account(t, &a);
    return OUTCOME_DONE;
}

static void counts(void *arg)
{
    struct create c = {.name = S("two")};
    struct subscribe s = {S("two"), true};
    fixture_open();
    create(S("zero"));
    fixture_mutate(counters_fn, NULL);
    create(S("one"));
    subscribe(S("one"), true);
    CHECK(fixture_try(create_fn, &c) == OUTCOME_REFUSED);
    CHECK(fixture_try(subscribe_fn, &s) == OUTCOME_REFUSED);
    subscribe(S("one"), true); /* is already */
    subscribe(S("one"), false);
    CHECK(fixture_try(subscribe_fn, &s) == OUTCOME_DONE);
    s.name = S("");
    CHECK(fixture_try(subscribe_fn, &s) == OUTCOME_REFUSED);
    fixture_close();
}

static void mailboxes_and_subscriptions_are_counted(void **state)
{
    fixture_run(counts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_walk_joins_mailboxes_and_subscriptions),
        cmocka_unit_test(children_are_mailboxes_below),
        cmocka_unit_test(one_mailbox_has_a_special_use),
        cmocka_unit_test(rename_takes_all_below_along),
        cmocka_unit_test(rename_to_a_level_above),
        cmocka_unit_test(rename_says_why_not),
        cmocka_unit_test(rename_is_one_mutation_or_refused),
        cmocka_unit_test(mailboxes_and_subscriptions_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
