#include "mailbox/copy.h"
#include "mailbox/quota.h"
#include "mailbox/row.h"
#include "unit/mailbox/fixture.h"

static struct spool *body(struct slice text)
{
    struct spool_options options = {.tmp_dir = -1};
    struct spool *s = spool_create(&options);
    CHECK(s && spool_write(s, text) == SPOOL_OK && spool_end(s, SOON) == OUTCOME_DONE);
    return s;
}

static enum outcome add(struct mailbox_new *m)
{
    m->body = body(S("Subject: x\r\n\r\nhello\r\n"));
    enum outcome o = mailbox_add(fixture_store, ACCOUNT, m, SOON);
    spool_destroy(m->body);
    return o;
}

static void kept_fn(struct store_view *v, void *arg)
{
    struct mailbox_message m;
    struct slice rendered;
    int wanted = mailbox_find_keyword(v, MAILBOX_INBOX, S("$forwarded"));
    int other = mailbox_find_keyword(v, MAILBOX_INBOX, S("other"));
    CHECK(mailbox_read_message(v, MAILBOX_INBOX, 1, &m));
    CHECK(m.flags == (MAILBOX_SEEN | MAILBOX_DRAFT) && m.date == -77 && m.zone == -90);
    CHECK(m.size == 25 && m.saved > 1000000000 && m.modseq == *(uint64_t *)arg);
    CHECK(wanted == 0 && other == 1 && m.keywords == 3);
    CHECK(mailbox_read_rendered(v, MAILBOX_INBOX, 1, &rendered) && slice_eq(rendered, S("r")));
}

static void kept(void *arg)
{
    const struct slice keywords[] = {S("$Forwarded"), S("other"), S("$FORWARDED")};
    fixture_open();
    struct mailbox_new m = {.mailbox = MAILBOX_INBOX,
        .head = S("X: y"),
        .flags = MAILBOX_SEEN | MAILBOX_DRAFT,
        .keywords = keywords,
        .keyword_n = 3,
        .date = -77,
        .zone = -90,
        .rendered = S("r")};
    CHECK(add(&m) == OUTCOME_DONE);
    CHECK(m.uid == 1 && m.uidvalidity && m.modseq && !m.refusal);
    CHECK(store_read(fixture_store, mailbox_partition(ACCOUNT), kept_fn, &m.modseq, NULL, SOON) ==
          OUTCOME_DONE);
    CHECK(add(&m) == OUTCOME_DONE && m.uid == 2);
    CHECK(fixture_faults(false) == 0);
    fixture_close();
}

static void what_is_given_is_kept(void **state)
{
    fixture_run(kept);
}

static enum outcome full_fn(struct store_txn *t, void *arg)
{
    struct mailbox m;
    char name[] = "key00";
    if (!mailbox_read(store_txn_view(t), 2, &m))
        return OUTCOME_FAILED;
    m.uidnext = UINT32_MAX;
    row_put_mailbox(t, &m);
    for (int i = 0; i < MAILBOX_KEYWORDS; i++) {
        name[3] = (char)('0' + i / 10);
        name[4] = (char)('0' + i % 10);
        mailbox_keyword(t, MAILBOX_INBOX, slice(name, 5), true);
    }
    return OUTCOME_DONE;
}

static void refused(void *arg)
{
    const struct slice keywords[] = {S("key63"), S("one-more")};
    struct store_mutation full = {.partition = mailbox_partition(ACCOUNT), .fn = full_fn};
    struct mailbox_new m = {.mailbox = MAILBOX_INBOX, .quota = 41};
    fixture_open();
    CHECK(add(&m) == OUTCOME_DONE);
    CHECK(add(&m) == OUTCOME_REFUSED && m.refusal == MAILBOX_REFUSED_QUOTA);
    m.quota = 20; /* smaller than the message */
    CHECK(add(&m) == OUTCOME_REFUSED && m.refusal == MAILBOX_REFUSED_QUOTA);
    m.quota = 42; /* just fits; but not while somebody else was promised a byte */
    struct quota_hold hold;
    CHECK(quota_take(fixture_store, ACCOUNT, 42, 1, &hold, SOON) == QUOTA_OK);
    CHECK(add(&m) == OUTCOME_REFUSED && m.refusal == MAILBOX_REFUSED_QUOTA);
    quota_drop(&hold);
    CHECK(add(&m) == OUTCOME_DONE && !m.refusal);
    m.quota = 0;
    m.mailbox = 99;
    CHECK(add(&m) == OUTCOME_REFUSED && m.refusal == MAILBOX_REFUSED_ABSENT);
    CHECK(store_mutate(fixture_store, &full, NULL, SOON) == OUTCOME_DONE);
    m.mailbox = 2;
    CHECK(add(&m) == OUTCOME_REFUSED && m.refusal == MAILBOX_REFUSED_LIMIT);
    m = (struct mailbox_new){.mailbox = MAILBOX_INBOX, .keywords = keywords, .keyword_n = 2};
    CHECK(add(&m) == OUTCOME_DONE); /* one keyword found no room */
    CHECK(fixture_faults(false) == 0);
    CHECK(mailbox_purge(fixture_store, ACCOUNT, SOON) == OUTCOME_DONE);
    CHECK(add(&m) == OUTCOME_REFUSED && m.refusal == MAILBOX_REFUSED_GONE);
    CHECK(fixture_faults(false) == 0);
    fixture_close();
}

static void what_does_not_fit_is_refused_with_its_reason(void **state)
{
    fixture_run(refused);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_given_is_kept),
        cmocka_unit_test(what_does_not_fit_is_refused_with_its_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
