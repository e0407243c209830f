/* LIST, LSUB and what changes the tree: every row of the tables of RFC 5258. */
#include "mailbox/row.h"
#include "unit/imap/dialog.h"

static void with_store(void (*fn)(void))
{
    dialog_open_store();
    speaker_result = AUTH_OK;
    fn();
    CHECK(conn_count() == 0);
    CHECK(fixture_faults(false) == 0);
    fixture_close();
}

#define TEST(name) DIALOG_TEST(name, with_store)

static void say(const char *input, const char *want)
{
    struct buffer in, out;
    buffer_init(&in, 1 << 20);
    buffer_init(&out, 1 << 20);
    buffer_add(&in, S(LOGIN));
    buffer_add(&in, slice_str(input));
    buffer_add(&in, S(LOGOUT));
    buffer_add(&out, S(IN));
    buffer_add(&out, slice_str(want));
    buffer_add(&out, S(BYE));
    buffer_add_char(&out, '\0');
    dialog_say(buffer_slice(&in), out.p);
    buffer_finish(&in);
    buffer_finish(&out);
}

#define DONE(tag)      tag " OK Done\r\n"
#define LEAF           "\\HasNoChildren"
#define PARENT         "\\HasChildren"
#define L(flags, name) "* LIST (" flags ") \"/\" " name "\r\n"
#define DRAFTS         L(LEAF " \\Archive", "Archive") L(LEAF " \\Drafts", "Drafts")
#define JUNK           L(LEAF " \\Junk", "Junk")
#define SENT           L(LEAF " \\Sent", "Sent")
#define TRASH          L(LEAF " \\Trash", "Trash")
#define DEFAULTS       DRAFTS L(LEAF, "INBOX") JUNK SENT TRASH

TEST(the_default_mailboxes)
{
    say("1 LIST \"\" *\r\n", DEFAULTS DONE("1"));
    say("1 LIST \"\" %\r\n2 LSUB \"\" %\r\n",
        DEFAULTS DONE(
            "1") "* LSUB () \"/\" Archive\r\n* LSUB () \"/\" Drafts\r\n* LSUB () \"/\" INBOX\r\n"
                 "* LSUB () \"/\" Junk\r\n* LSUB () \"/\" Sent\r\n* LSUB () \"/\" Trash\r\n" DONE(
                     "2"));
    say("1 LIST \"\" \"\"\r\n2 LIST foo \"\"\r\n3 NAMESPACE\r\n4 LIST \"\" \"\" RETURN ()\r\n",
        L("\\Noselect", "\"\"") DONE("1") L("\\Noselect", "\"\"")
            DONE("2") "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n" DONE("3") DONE("4"));
    say("1 LIST \"\" inbox\r\n2 LIST in box\r\n3 LIST \"\" (inbox Sent inbox I* nothing)\r\n",
        L(LEAF, "INBOX") DONE("1") L(LEAF, "INBOX") DONE("2") L(LEAF, "INBOX")
            L(LEAF " \\Sent", "Sent") DONE("3"));
    say("1 LIST (SPECIAL-USE) \"\" *t\r\n2 LIST \"\" I% RETURN (SUBSCRIBED CHILDREN "
        "SPECIAL-USE)\r\n",
        L(LEAF " \\Sent", "Sent") DONE("1") L(LEAF " \\Subscribed", "INBOX") DONE("2"));
}

TEST(create_and_delete)
{
    say("1 CREATE a/b/c/\r\n2 LIST \"\" a*\r\n3 CREATE a/b\r\n4 CREATE inBox\r\n5 CREATE "
        "inbox/x\r\n"
        "6 LIST inbox %/x\r\n7 LIST \"\" INBOX*\r\n",
        DONE("1") L(PARENT, "a") L(PARENT, "a/b") L(LEAF, "a/b/c")
            DONE("2") "3 NO [ALREADYEXISTS] " ANY "\r\n4 NO [ALREADYEXISTS] " ANY "\r\n" DONE("5")
                DONE("6") L(PARENT, "INBOX") L(LEAF, "INBOX/x") DONE("7"));
    say("1 DELETE a/b\r\n2 LIST \"\" a*\r\n3 LIST \"\" a/%\r\n4 LIST () \"\" a/%\r\n5 DELETE "
        "a/b\r\n"
        "6 DELETE INBOX\r\n7 DELETE a/b/c\r\n8 DELETE inbox/x\r\n9 LIST \"\" a/*\r\n",
        DONE("1") L(PARENT, "a") L(LEAF, "a/b/c") DONE("2") L("\\Noselect " PARENT, "a/b") DONE("3")
            L("\\NonExistent " PARENT, "a/b") DONE("4") "5 NO [NONEXISTENT] " ANY "\r\n"
                                                        "6 NO [CANNOT] " ANY "\r\n" DONE("7")
                                                            DONE("8") DONE("9"));
}

TEST(special_uses)
{
    say("1 CREATE mine (USE (\\Sent))\r\n2 LIST (SPECIAL-USE) \"\" *n*\r\n"
        "3 CREATE x (USE (\\All))\r\n4 CREATE x (USE (\\Sent \\Junk))\r\n5 LIST \"\" x\r\n",
        DONE("1") L(LEAF " \\Junk", "Junk") L(LEAF " \\Sent", "mine")
            DONE("2") "3 NO [USEATTR] " ANY "\r\n4 NO [USEATTR] " ANY "\r\n" DONE("5"));
}

TEST(names_that_cannot_be)
{
    static const char *const names[] = {"\"\"", "/", "/a", "a//b", "a//", "\"a\\\\\x01\"", "\"&\"",
        "\"&AOQ\"", "{2}\r\n\xc3\xa4", "{4}\r\na\r\nb", "\"a\tb\""};
    struct buffer in, out;
    buffer_init(&in, 1 << 16);
    buffer_init(&out, 1 << 16);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        static const char *const commands[] = {"CREATE %s", "DELETE %s", "SUBSCRIBE %s",
            "UNSUBSCRIBE %s", "RENAME Sent %s", "RENAME %s x"};
        for (size_t k = 0; k < sizeof commands / sizeof *commands; k++) {
            char command[64];
            snprintf(command, sizeof command, commands[k], names[i]);
            buffer_printf(&in, "1 %s\r\n", command);
            buffer_add(&out, slice_starts(slice_str(names[i]), S("{")) ? S("+ OK\r\n") : S(""));
            buffer_add(&out, S("1 NO [CANNOT] " ANY "\r\n"));
        }
    }
    buffer_add_char(&in, '\0');
    buffer_add_char(&out, '\0');
    say(in.p, out.p);
    buffer_finish(&in);
    buffer_finish(&out);
    say("1 LIST \"\" \"&\"\r\n2 LIST \"&\" *\r\n3 LIST \"\" ../*\r\n4 CREATE\r\n5 LIST \"\"\r\n",
        DONE("1") DONE("2") DONE("3") "4 BAD Error in CREATE: " ANY "\r\n5 BAD Error in LIST: " ANY
                                      "\r\n");
}

/* RFC 3501 §6.3.9 */
TEST(lsub)
{
    say("1 CREATE foo\r\n2 SUBSCRIBE foo/bar\r\n3 LSUB \"\" f%\r\n4 LSUB \"\" f*\r\n5 LSUB \"\" "
        "foo\r\n"
        "6 SUBSCRIBE foo\r\n7 LSUB \"\" f%\r\n8 UNSUBSCRIBE foo/bar\r\n9 LSUB foo/ %\r\n",
        DONE("1") DONE("2") "* LSUB (\\Noselect) \"/\" foo\r\n" DONE(
            "3") "* LSUB () \"/\" foo/bar\r\n" DONE("4") DONE("5")
            DONE("6") "* LSUB () \"/\" foo\r\n" DONE("7") DONE("8") DONE("9"));
}

#define CHILD " (\"CHILDINFO\" (\"SUBSCRIBED\"))"

/* RFC 5258 §5, examples 8 to 10 */
TEST(recursive_match)
{
    static const char unsubscribe[] =
        "1 UNSUBSCRIBE Archive\r\n1 UNSUBSCRIBE Drafts\r\n1 UNSUBSCRIBE INBOX\r\n"
        "1 UNSUBSCRIBE Junk\r\n1 UNSUBSCRIBE Sent\r\n1 UNSUBSCRIBE Trash\r\n";
    say(unsubscribe, DONE("1") DONE("1") DONE("1") DONE("1") DONE("1") DONE("1"));
    say("1 CREATE Foo/Bar\r\n1 CREATE Foo/Baz\r\n1 SUBSCRIBE Foo/Baz\r\n"
        "2 LIST (SUBSCRIBED) \"\" *\r\n3 LIST (SUBSCRIBED) \"\" %\r\n"
        "4 LIST (SUBSCRIBED RECURSIVEMATCH) \"\" %\r\n5 SUBSCRIBE Foo\r\n"
        "6 LIST (SUBSCRIBED RECURSIVEMATCH) \"\" %\r\n7 UNSUBSCRIBE Foo/Baz\r\n"
        "8 LIST (SUBSCRIBED RECURSIVEMATCH) \"\" % RETURN (CHILDREN)\r\n",
        DONE("1") DONE("1") DONE("1") L(LEAF " \\Subscribed", "Foo/Baz") DONE("2")
            DONE("3") "* LIST (" PARENT ") \"/\" Foo" CHILD "\r\n" DONE("4")
                DONE("5") "* LIST (" PARENT " \\Subscribed) \"/\" Foo" CHILD "\r\n" DONE("6")
                    DONE("7") L(PARENT " \\Subscribed", "Foo") DONE("8"));
    say("1 UNSUBSCRIBE Foo\r\n1 CREATE eps2\r\n1 SUBSCRIBE eps2\r\n1 SUBSCRIBE eps2/mamba\r\n"
        "1 CREATE foo2\r\n1 SUBSCRIBE foo2/bar1\r\n1 SUBSCRIBE foo2/bar2\r\n1 SUBSCRIBE "
        "qux2/bar2\r\n"
        "1 CREATE baz2\r\n1 SUBSCRIBE baz2/bar2\r\n1 SUBSCRIBE baz2/bar22\r\n"
        "2 LIST (RECURSIVEMATCH SUBSCRIBED) \"\" *2\r\n",
        DONE("1") DONE("1") DONE("1") DONE("1") DONE("1") DONE("1") DONE("1") DONE("1") DONE("1")
            DONE("1") DONE("1") L("\\NonExistent " LEAF " \\Subscribed", "baz2/bar2")
                L("\\NonExistent " LEAF " \\Subscribed",
                    "baz2/bar22") "* LIST (" LEAF " \\Subscribed) \"/\" eps2" CHILD
                                  "\r\n" L("\\NonExistent " LEAF " \\Subscribed",
                                      "foo2/bar2") "* LIST (" LEAF ") \"/\" foo2" CHILD
                                                   "\r\n" L("\\NonExistent " LEAF " \\Subscribed",
                                                       "qux2/bar2") DONE("2"));
    say("1 LIST (SUBSCRIBED RECURSIVEMATCH) \"\" qux2\r\n2 LIST (SUBSCRIBED) \"\" q%\r\n",
        "* LIST (\\NonExistent " LEAF ") \"/\" qux2" CHILD "\r\n" DONE("1")
            L("\\NonExistent " LEAF, "qux2") DONE("2"));
}

/* "a b" and "a-b" stand between "a" and "a/b". */
TEST(names_between_a_name_and_its_children)
{
    say("1 CREATE a/b\r\n1 CREATE \"a b/c\"\r\n1 CREATE a-b\r\n1 DELETE \"a b\"\r\n1 DELETE a\r\n"
        "2 LIST \"\" a%\r\n3 LIST \"\" a*\r\n",
        DONE("1") DONE("1") DONE("1") DONE("1") DONE("1") L("\\Noselect " PARENT, "\"a b\"")
            L(LEAF, "a-b") L("\\Noselect " PARENT, "a") DONE("2") L(LEAF, "\"a b/c\"")
                L(LEAF, "a-b") L(LEAF, "a/b") DONE("3"));
}

TEST(status_with_list)
{
    fixture_append(MAILBOX_INBOX, S("Subject: x\r\n\r\nbody\r\n"), 0);
    say("1 LIST \"\" (INBOX Se%) RETURN (STATUS (MESSAGES UNSEEN))\r\n",
        L(LEAF, "INBOX")
            L(LEAF " \\Sent", "Sent") "* STATUS INBOX (MESSAGES 1 UNSEEN 1)\r\n"
                                      "* STATUS Sent (MESSAGES 0 UNSEEN 0)\r\n" DONE("1"));
}

static enum outcome spoil_fn(struct store_txn *t, void *arg)
{
    struct row_key k = row_key_uid(KEY_UID_MAP, MAILBOX_INBOX, 0);
    struct slice row = *(struct slice *)arg;
    store_put(t, row_key_slice(&k), row);
    return OUTCOME_DONE;
}

struct kept {
    char bytes[64];
    struct slice row;
};

static void keep_fn(struct store_view *v, void *arg)
{
    struct kept *kept = arg;
    struct row_key k = row_key_uid(KEY_UID_MAP, MAILBOX_INBOX, 0);
    struct slice row;
    CHECK(store_get(v, row_key_slice(&k), &row) && row.n <= sizeof kept->bytes);
    memcpy(kept->bytes, row.p, row.n);
    kept->row = slice(kept->bytes, row.n);
}

/* A list that breaks off is no list: a client would forget the other mailboxes. */
TEST(status_that_cannot_be_read)
{
    struct kept kept;
    fixture_append(MAILBOX_INBOX, S("Subject: x\r\n\r\nbody\r\n"), 0);
    fixture_read(keep_fn, &kept);
    fixture_mutate(spoil_fn, &(struct slice){"\x7f", 1});
    say("1 LIST \"\" * RETURN (STATUS (RECENT))\r\n",
        DEFAULTS "* STATUS Archive (RECENT 0)\r\n* STATUS Drafts (RECENT 0)\r\n"
                 "1 NO [UNAVAILABLE] " ANY "\r\n");
    fixture_mutate(spoil_fn, &kept.row);
}

TEST(renames)
{
    say("1 CREATE a/b\r\n2 SUBSCRIBE a/b\r\n3 RENAME a x/y\r\n4 LIST \"\" (a* x*) RETURN "
        "(SUBSCRIBED)\r\n"
        "5 RENAME x/y x/y/z\r\n6 RENAME x/y Sent\r\n7 RENAME nothing z\r\n8 RENAME x INBOX\r\n9 "
        "RENAME x x\r\n",
        DONE("1") DONE("2") DONE("3") L(PARENT, "x") L(PARENT, "x/y") L(LEAF " \\Subscribed",
            "x/y/b") DONE("4") "5 NO [CANNOT] " ANY "\r\n"
                               "6 NO [ALREADYEXISTS] " ANY "\r\n7 NO [NONEXISTENT] " ANY
                               "\r\n8 NO [ALREADYEXISTS] " ANY "\r\n"
                               "9 NO [ALREADYEXISTS] " ANY "\r\n");
}

TEST(renaming_the_inbox)
{
    for (unsigned i = 0; i < 5; i++)
        fixture_append(MAILBOX_INBOX, S("Subject: x\r\n\r\nbody\r\n"), 0);
    say("1 CREATE INBOX/x\r\n2 RENAME inbox old/mail\r\n3 LIST \"\" (old* IN*)\r\n"
        "4 STATUS old/mail (MESSAGES)\r\n5 STATUS INBOX (MESSAGES)\r\n6 RENAME INBOX old\r\n"
        "7 RENAME INBOX empty\r\n",
        DONE("1") DONE("2") L(PARENT, "INBOX") L(LEAF, "INBOX/x") L(PARENT, "old")
            L(LEAF, "old/mail") DONE("3") "* STATUS old/mail (MESSAGES 5)\r\n" DONE(
                "4") "* STATUS INBOX (MESSAGES 0)\r\n" DONE("5") "6 NO [ALREADYEXISTS] " ANY
                                                                 "\r\n" DONE("7"));
}

/* More than a page of names, more than a page of STATUS. */
TEST(many_mailboxes)
{
    struct buffer in, out, list;
    buffer_init(&in, 1 << 20);
    buffer_init(&out, 1 << 20);
    buffer_init(&list, 1 << 20);
    for (unsigned i = 0; i < 1200; i++) {
        buffer_printf(&in, "1 CREATE m/%04u\r\n", i);
        buffer_add(&out, S(DONE("1")));
        buffer_printf(&list, "* LIST (" LEAF ") \"/\" m/%04u\r\n", i);
    }
    buffer_add(&in, S("2 DELETE m\r\n3 LIST \"\" m/*\r\n4 LIST \"\" m%\r\n"));
    buffer_add(&out, S(DONE("2")));
    buffer_add(&out, buffer_slice(&list));
    buffer_add(&out, S(DONE("3") L("\\Noselect " PARENT, "m") DONE("4")));
    buffer_add_char(&in, '\0');
    buffer_add_char(&out, '\0');
    say(in.p, out.p);
    buffer_reset(&in);
    buffer_reset(&out);
    buffer_add(&in, S("1 LIST m/ % RETURN (STATUS (MESSAGES))\r\n"));
    for (unsigned page = 0; page < 1200; page += 64) {
        for (unsigned i = page; i < page + 64 && i < 1200; i++)
            buffer_printf(&out, "* LIST (" LEAF ") \"/\" m/%04u\r\n", i);
        for (unsigned i = page; i < page + 64 && i < 1200; i++)
            buffer_printf(&out, "* STATUS m/%04u (MESSAGES 0)\r\n", i);
    }
    buffer_add(&out, S(DONE("1")));
    buffer_add_char(&in, '\0');
    buffer_add_char(&out, '\0');
    say(in.p, out.p);
    buffer_finish(&in);
    buffer_finish(&out);
    buffer_finish(&list);
}

/* A row that closes a level brings two STATUS; the page that has room for one more holds both. */
TEST(status_of_a_level_that_ends_a_page)
{
    struct buffer in, list, status;
    buffer_init(&in, 1 << 20);
    buffer_init(&list, 1 << 20);
    buffer_init(&status, 1 << 20);
    buffer_add(&in, S("1 CREATE x/c\r\n1 SUBSCRIBE x\r\n1 SUBSCRIBE x/c\r\n1 CREATE y\r\n"
                      "1 SUBSCRIBE y\r\n"));
    for (int i = 0; i < 5; i++)
        buffer_add(&list, S(DONE("1")));
    for (unsigned i = 0; i < 62; i++) {
        buffer_printf(&in, "1 CREATE m%02u\r\n1 SUBSCRIBE m%02u\r\n", i, i);
        buffer_add(&list, S(DONE("1") DONE("1")));
    }
    buffer_add(
        &in, S("2 LIST (SUBSCRIBED RECURSIVEMATCH) \"\" (m% x* y) RETURN (STATUS (UNSEEN))\r\n"));
    for (unsigned i = 0; i < 62; i++) {
        buffer_printf(&list, "* LIST (" LEAF " \\Subscribed) \"/\" m%02u\r\n", i);
        buffer_printf(&status, "* STATUS m%02u (UNSEEN 0)\r\n", i);
    }
    buffer_add(&list, S(L(LEAF " \\Subscribed", "x/c") L(PARENT " \\Subscribed",
                          "x (\"CHILDINFO\" (\"SUBSCRIBED\"))") L(LEAF " \\Subscribed", "y")));
    buffer_add(&status, S("* STATUS x/c (UNSEEN 0)\r\n* STATUS x (UNSEEN 0)\r\n"
                          "* STATUS y (UNSEEN 0)\r\n" DONE("2")));
    buffer_add(&list, buffer_slice(&status));
    buffer_add_char(&in, '\0');
    buffer_add_char(&list, '\0');
    say(in.p, list.p);
    buffer_finish(&in);
    buffer_finish(&list);
    buffer_finish(&status);
}

/* A name of 200 levels, all of which are no mailboxes but for the last. */
TEST(the_deepest_name)
{
    char name[MAILBOX_NAME_MAX], text[4096];
    for (size_t i = 0; i < sizeof name; i++)
        name[i] = i % 2 ? '/' : 'a';
    size_t n = sizeof name - 1;
    snprintf(text, sizeof text,
        "1 CREATE %.*s\r\n2 LIST \"\" %.*s\r\n3 LIST (SUBSCRIBED RECURSIVEMATCH) \"\" *\r\n",
        (int)n, name, (int)n, name);
    struct buffer out;
    buffer_init(&out, 1 << 16);
    buffer_printf(&out, DONE("1") "* LIST (" LEAF ") \"/\" %.*s\r\n" DONE("2"), (int)n, name);
    static const char *const all[] = {
        " \\Archive", " \\Drafts", "", " \\Junk", " \\Sent", " \\Trash"};
    static const char *const names[] = {"Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash"};
    for (size_t i = 0; i < 6; i++)
        buffer_printf(&out, "* LIST (" LEAF " \\Subscribed%s) \"/\" %s\r\n", all[i], names[i]);
    buffer_add(&out, S(DONE("3")));
    buffer_add_char(&out, '\0');
    say(text, out.p);
    buffer_finish(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_mailboxes),
        cmocka_unit_test(create_and_delete),
        cmocka_unit_test(special_uses),
        cmocka_unit_test(names_that_cannot_be),
        cmocka_unit_test(lsub),
        cmocka_unit_test(recursive_match),
        cmocka_unit_test(names_between_a_name_and_its_children),
        cmocka_unit_test(status_with_list),
        cmocka_unit_test(status_that_cannot_be_read),
        cmocka_unit_test(renames),
        cmocka_unit_test(renaming_the_inbox),
        cmocka_unit_test(many_mailboxes),
        cmocka_unit_test(status_of_a_level_that_ends_a_page),
        cmocka_unit_test(the_deepest_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
