/* The resolver against a name server that is played here: what each kind of answer, lie and silence
 * becomes. */
#include "dns/dns_private.h"
#include "unit/dns/script.h"
#include "unit/task/check.h"
#include "unit/unit.h"

#define SOON deadline_in(60 * CLOCK_SEC)

static char server[32];
static struct dns *dns;
static struct arena arena;

/* Starts server and resolver, runs the test on two reactors, and ends all. */
static void play_with(script_fn fn, void (*test)(void *), struct dns_options options)
{
    const char *const servers[] = {server};
    char why[256];
    script_start(fn, server);
    options.servers = servers;
    options.server_n = 1;
    CHECK(dns = dns_create(&options, why));
    arena_init(&arena, (size_t)1024 * 1024);
    run_on(2, test, NULL);
    arena_reset(&arena);
    dns_destroy(dns);
    script_stop();
}

static void play(script_fn fn, void (*test)(void *))
{
    play_with(fn, test, (struct dns_options){0});
}

static struct dns_answer ask(const char *name, enum dns_type type)
{
    struct dns_answer a;
    arena_reset(&arena);
    dns_ask(dns, slice_str(name), type, &arena, &a, SOON);
    return a;
}

static bool asked_for(const struct script_question *q, const char *name)
{
    return !strcmp(q->name, name);
}

/* ---- each status ---- */

static enum script_way statuses(const struct script_question *q, struct script_reply *r)
{
    if (asked_for(q, "found.test") && q->type == DNS_A) {
        script_a(r, NULL, "192.0.2.1");
        script_a(r, NULL, "192.0.2.2");
    } else if (asked_for(q, "absent.test")) {
        r->rcode = 3;
    } else if (asked_for(q, "fails.test")) {
        r->rcode = 2;
    } else if (asked_for(q, "refuses.test")) {
        r->rcode = 5;
    } else if (asked_for(q, "silent.test")) {
        return SCRIPT_SILENT;
    }
    return SCRIPT_SAY;
}

static void each_status(void *arg)
{
    static const struct {
        const char *name;
        enum dns_status status;
    } cases[] = {{"empty.test", DNS_EMPTY}, {"absent.test", DNS_ABSENT},
        {"fails.test", DNS_TEMPORARY}, {"refuses.test", DNS_TEMPORARY}, {"a..test", DNS_BAD_NAME},
        {"found.test", DNS_FOUND}, {"FOUND.Test.", DNS_FOUND}};
    CHECK(dns_start(dns));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dns_answer a = ask(cases[i].name, DNS_A);
        if (a.status != cases[i].status)
            fprintf(stderr, "%s: %s\n", cases[i].name, dns_status_name(a.status));
        CHECK(a.status == cases[i].status && !a.secure);
        CHECK((a.status == DNS_FOUND) == !a.why && (a.status == DNS_FOUND) == (a.n == 2));
    }
    struct dns_answer a = ask("found.test", DNS_A);
    CHECK(slice_eq(a.name, S("found.test")) && a.ttl <= 60);
    CHECK(a.records[0].data.n == 4 && a.records[1].data.n == 4);
    CHECK(ask("found.test", DNS_AAAA).status == DNS_EMPTY);
    dns_stop(dns);
}

static void every_status_is_told(void **state)
{
    play(statuses, each_status);
}

/* ---- aliases ---- */

static enum script_way aliases(const struct script_question *q, struct script_reply *r)
{
    if (asked_for(q, "whole.test")) {
        script_cname(r, NULL, "two.test");
        script_cname(r, "two.test", "three.test");
        if (q->type == DNS_A)
            script_a(r, "three.test", "192.0.2.3");
    } else if (asked_for(q, "one.test")) {
        script_cname(r, NULL, "two.test");
    } else if (asked_for(q, "two.test")) {
        script_cname(r, NULL, "three.test");
    } else if (asked_for(q, "three.test") && q->type == DNS_A) {
        script_a(r, NULL, "192.0.2.3");
    } else if (asked_for(q, "loop.test")) {
        script_cname(r, NULL, "pool.test");
    } else if (asked_for(q, "pool.test")) {
        script_cname(r, NULL, "loop.test");
    } else if (asked_for(q, "self.test")) {
        script_cname(r, NULL, "self.test");
    } else if (asked_for(q, "dangling.test")) {
        script_cname(r, NULL, "absent.test");
    } else if (asked_for(q, "absent.test")) {
        r->rcode = 3;
    } else if (!strncmp(q->name, "long", 4)) { /* an endless chain */
        char next[32];
        snprintf(next, sizeof next, "long%lu.test", strtoul(q->name + 4, NULL, 10) + 1);
        script_cname(r, NULL, next);
    }
    return SCRIPT_SAY;
}

static void follow(void *arg)
{
    CHECK(dns_start(dns));
    static const char *const good[] = {"whole.test", "one.test", "three.test"};
    for (size_t i = 0; i < 3; i++) {
        struct dns_answer a = ask(good[i], DNS_A);
        CHECK(a.status == DNS_FOUND && a.n == 1 && slice_eq(a.name, S("three.test")));
    }
    struct dns_answer a = ask("one.test", DNS_MX);
    CHECK(a.status == DNS_EMPTY && slice_eq(a.name, S("three.test")));
    CHECK(ask("loop.test", DNS_A).status == DNS_TEMPORARY);
    CHECK(ask("self.test", DNS_A).status == DNS_TEMPORARY);
    CHECK(ask("long0.test", DNS_A).status == DNS_TEMPORARY);
    CHECK(ask("dangling.test", DNS_A).status == DNS_ABSENT);
    CHECK(ask("one.test", DNS_CNAME).status == DNS_FOUND);
    dns_stop(dns);
}

static void aliases_are_followed_and_end(void **state)
{
    play(aliases, follow);
}

/* ---- large ---- */

static enum script_way large(const struct script_question *q, struct script_reply *r)
{
    char host[64];
    if (asked_for(q, "cut.test") || asked_for(q, "most.test") || asked_for(q, "huge.test"))
        r->truncated = !q->tcp;
    if (!q->tcp)
        return SCRIPT_SAY;
    if (asked_for(q, "cut.test"))
        for (unsigned i = 0; i < 200; i++) {
            snprintf(host, sizeof host, "mx%u.cut.test", i);
            script_mx(r, NULL, i, host);
        }
    for (uint32_t i = 0; asked_for(q, "most.test") && i < DNS_RECORDS_MAX + 1; i++)
        script_add(r, NULL, DNS_A, &i, 4);
    if (asked_for(q, "huge.test")) {
        static uint8_t text[256 * 4];
        for (size_t i = 0; i < 4; i++) {
            text[i * 256] = 255;
            memset(text + i * 256 + 1, 'x', 255);
        }
        for (uint8_t i = 0; i < 60; i++) {
            text[1] = i;
            script_add(r, NULL, DNS_TXT, text, sizeof text);
        }
    }
    return SCRIPT_SAY;
}

static void read_large(void *arg)
{
    CHECK(dns_start(dns));
    struct dns_answer a = ask("cut.test", DNS_MX);
    CHECK(a.status == DNS_FOUND && a.n == 200);
    a = ask("most.test", DNS_A);
    CHECK(a.status == DNS_FOUND && a.n == DNS_RECORDS_MAX);
    a = ask("huge.test", DNS_TXT);
    CHECK(a.status == DNS_FOUND && a.n == 60 && a.records[59].data.n == 1024);
    /* no room for the answer is no answer */
    struct arena small;
    arena_init(&small, 4096);
    dns_ask(dns, S("huge.test"), DNS_TXT, &small, &a, SOON);
    CHECK(a.status == DNS_FOUND && a.n < 60);
    arena_reset(&small);
    arena_init(&small, 64);
    dns_ask(dns, S("huge.test"), DNS_TXT, &small, &a, SOON);
    CHECK(a.status == DNS_TEMPORARY && a.n == 0 && a.why);
    arena_reset(&small);
    dns_stop(dns);
}

static void cut_answers_come_over_tcp(void **state)
{
    play(large, read_large);
}

/* ---- lies ---- */

static enum script_way lies(const struct script_question *q, struct script_reply *r)
{
    static const uint8_t loop[] = {0, 0, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1};
    static const uint8_t deep[] = {0, 0, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0, 4, 'd', 'e', 'e', 'p',
        4, 't', 'e', 's', 't', 0, 0, 1, 0, 1, 0xc0, 27, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 1, 2, 3, 4};
    if (asked_for(q, "id.test"))
        r->other_id = true;
    else if (asked_for(q, "name.test"))
        r->other_name = true;
    else if (asked_for(q, "owner.test"))
        script_a(r, "elsewhere.test", "192.0.2.66");
    if (asked_for(q, "id.test") || asked_for(q, "name.test"))
        script_a(r, NULL, "192.0.2.66");
    if (asked_for(q, "bytes.test")) {
        r->raw = true;
        r->n = 3;
    } else if (asked_for(q, "loop.test")) {
        r->raw = true;
        memcpy(r->bytes, loop, r->n = sizeof loop);
    } else if (asked_for(q, "deep.test")) {
        r->raw = true;
        memcpy(r->bytes, deep, r->n = sizeof deep);
    } else if (asked_for(q, "count.test")) {
        script_a(r, NULL, "192.0.2.66");
        r->records = 9;
    } else if (asked_for(q, "short.test")) {
        script_add(r, NULL, DNS_A, "\1\2\3", 3);
    }
    return SCRIPT_SAY;
}

/* All at once: each takes as long as the resolver believes that the answer may still come. */
static void believe(void *arg)
{
    static const char *const names[] = {
        "id.test", "name.test", "owner.test", "bytes.test", "loop.test", "deep.test", "count.test"};
    enum { N = sizeof names / sizeof *names };
    struct dns_question *q[N];
    struct dns_answer a[N];
    deadline until = deadline_in(2 * CLOCK_SEC);
    CHECK(dns_start(dns));
    for (size_t i = 0; i < N; i++)
        q[i] = dns_begin(dns, slice_str(names[i]), DNS_A, &a[i]);
    for (size_t i = 0; i < N; i++) {
        dns_end(q[i], slice_str(names[i]), &arena, &a[i], until);
        if (a[i].status == DNS_FOUND || a[i].status == DNS_ABSENT)
            fprintf(stderr, "%s: %s\n", names[i], dns_status_name(a[i].status));
        CHECK(a[i].status == DNS_TEMPORARY || a[i].status == DNS_EMPTY);
        CHECK(a[i].n == 0);
    }
    struct dns_addresses addresses;
    dns_ask_addresses(dns, S("short.test"), &arena, &addresses, SOON);
    CHECK(addresses.status != DNS_FOUND && addresses.n == 0 && addresses.why);
    dns_stop(dns);
}

static void damaged_and_foreign_answers_are_no_answers(void **state)
{
    play(lies, believe);
}

/* ---- DNSSEC ---- */

/* signed.test has an anchor and no keys: whatever it says is bogus. */
static enum script_way unsigned_answers(const struct script_question *q, struct script_reply *r)
{
    if (q->type == DNS_A || q->type == DNS_TLSA)
        script_a(r, NULL, "192.0.2.1");
    else if (q->type == DNS_MX)
        script_mx(r, NULL, 10, "mx.signed.test");
    return SCRIPT_SAY;
}

#define DS "2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D"

static void nothing_of_bogus(void *arg)
{
    CHECK(dns_start(dns));
    static const char *const names[] = {"signed.test", "below.signed.test", "_25._tcp.signed.test"};
    for (size_t i = 0; i < 3; i++) {
        struct dns_answer a = ask(names[i], DNS_A);
        CHECK(a.status == DNS_BOGUS && !a.secure && a.n == 0 && !a.records && a.why);
    }
    struct dns_mx_answer mx;
    dns_ask_mx(dns, S("signed.test"), &arena, &mx, SOON);
    CHECK(mx.status == DNS_BOGUS && mx.n == 0 && !mx.secure);
    struct dns_addresses addresses;
    dns_ask_addresses(dns, S("signed.test"), &arena, &addresses, SOON);
    CHECK(addresses.status == DNS_BOGUS && addresses.n == 0);
    struct dns_answer a = ask("other.test", DNS_A);
    CHECK(a.status == DNS_FOUND && !a.secure);
    dns_stop(dns);
}

static void bogus_data_is_never_handed_out(void **state)
{
    play_with(unsigned_answers, nothing_of_bogus,
        (struct dns_options){
            .anchor = S("; of the test\n\n# and\n  signed.test. IN DS 20326 8 " DS "  \r\n")});
}

/* A reload: who asks from here on is answered by the new options, who asked before by the old. */
static void ask_by_other_options(void *arg)
{
    const char *const servers[] = {server};
    char why[256];
    struct dns_answer before, a;
    struct dns_options o = {
        .servers = servers, .server_n = 1, .anchor = S("test. IN DS 20326 8 " DS)};
    CHECK(dns_start(dns));
    struct dns_question *q = dns_begin(dns, S("found.test"), DNS_A, &before);
    struct dns_question *silent = dns_begin(dns, S("silent.test"), DNS_A, &a);
    CHECK(q && silent && dns_replace(dns, &o, why));
    CHECK(ask("found.test", DNS_A).status == DNS_BOGUS);
    dns_end(q, S("found.test"), &arena, &before, SOON);
    CHECK(before.status == DNS_FOUND);
    o.anchor = S("nonsense");
    CHECK(!dns_replace(dns, &o, why) && why[0]);
    CHECK(ask("found.test", DNS_A).status == DNS_BOGUS);
    o.anchor = S("");
    CHECK(dns_replace(dns, &o, why) && ask("found.test", DNS_A).status == DNS_FOUND);
    dns_end(silent, S("silent.test"), &arena, &a, deadline_in(0));
    CHECK(a.status == DNS_TEMPORARY);
    dns_stop(dns);
}

static void options_can_be_replaced(void **state)
{
    play(statuses, ask_by_other_options);
}

static void settings(void **state)
{
    char why[256], line[1200];
    static const char *const six[] = {"[::1]:53", "192.0.2.1:53"}, *const bad[] = {"nonsense:53"};
    struct dns_options o = {.servers = six, .server_n = 2, .root_anchor = true};
    struct dns *d = dns_create(&o, why);
    assert_non_null(d);
    dns_destroy(d);
    o.servers = bad;
    o.server_n = 1;
    assert_null(dns_create(&o, why));
    assert_true(slice_starts(slice_str(why), S("the resolver cannot be set up: ")));
    o.server_n = 0;
    static const char *const anchors[] = {
        "test. IN DS nonsense", "test. IN A 192.0.2.1", "\n\n;\n.", "test. IN DS 20326 8 2 XYZ"};
    for (size_t i = 0; i < sizeof anchors / sizeof *anchors; i++) {
        o.anchor = slice_str(anchors[i]);
        assert_null(dns_create(&o, why));
    }
    memset(line, 'x', sizeof line);
    o.anchor = slice(line, sizeof line);
    assert_null(dns_create(&o, why));
    dns_destroy(NULL);
}

/* ---- names ---- */

static enum script_way always(const struct script_question *q, struct script_reply *r)
{
    if (q->type == DNS_A)
        script_a(r, NULL, "192.0.2.1");
    return SCRIPT_SAY;
}

static void ask_names(void *arg)
{
#define L63 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"
    static const struct {
        struct slice name;
        bool good;
    } cases[] = {{S(""), false}, {S("."), false}, {S(".."), false}, {S("a..b"), false},
        {S(".a"), false}, {S("a.b.."), false}, {S("a b.test"), false}, {S("a\0b.test"), false},
        {S("a\\.test"), false}, {S("\xc3\xa4.test"), false}, {S("*.test"), false},
        {S("a/b.test"), false}, {S("a@b.test"), false}, {S("a\n.test"), false},
        {S(L63 "l.test"), false}, {S(L63 ".test"), true}, {S("_25._tcp.x-y.test"), true},
        {S(L63 "." L63 "." L63 "." L63), false}, /* 255 */
        {S(L63 "." L63 "." L63 ".abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghi"),
            true}, /* 253 */
        {S(L63 "." L63 "." L63 ".abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghij"),
            false}};
    CHECK(dns_start(dns));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dns_answer a;
        unsigned before = script_asked();
        dns_ask(dns, cases[i].name, DNS_A, &arena, &a, SOON);
        if (a.status != (cases[i].good ? DNS_FOUND : DNS_BAD_NAME))
            fprintf(stderr, "%zu: %s\n", i, dns_status_name(a.status));
        CHECK(a.status == (cases[i].good ? DNS_FOUND : DNS_BAD_NAME));
        CHECK(cases[i].good || (script_asked() == before && a.why));
    }
    /* libunbound knows these itself, if one lets it */
    static const char *const special[] = {
        "a.test", "a.localhost", "a.invalid", "2.0.0.127.in-addr.arpa", "9.8.168.192.in-addr.arpa"};
    for (size_t i = 0; i < sizeof special / sizeof *special; i++) {
        struct dns_answer a = ask(special[i], DNS_A);
        if (a.status != DNS_FOUND)
            fprintf(stderr, "%s: %s\n", special[i], dns_status_name(a.status));
        CHECK(a.status == DNS_FOUND);
    }
    dns_stop(dns);
}

static void odd_names_are_not_asked(void **state)
{
    play(always, ask_names);
}

/* ---- waiting ---- */

static bool cancelled_one;
static struct event child_waits;

static void wait_for_silence(void *arg)
{
    struct dns_answer a;
    event_raise(&child_waits);
    dns_ask(dns, S("silent.test"), DNS_A, &arena, &a, DEADLINE_NEVER);
    cancelled_one = a.status == DNS_TEMPORARY && task_cancelled();
}

static void give_up(void *arg)
{
    struct dns_answer a;
    struct scope scope;
    CHECK(dns_start(dns));
    dns_ask(dns, S("silent.test"), DNS_A, &arena, &a, deadline_in(50 * CLOCK_MS));
    CHECK(a.status == DNS_TEMPORARY &&
          slice_eq(slice_str(a.why), S("the resolver did not answer in time")));
    scope_init(&scope);
    event_init(&child_waits);
    CHECK(scope_spawn(&scope, TASK_NORMAL, wait_for_silence, NULL));
    CHECK(event_wait(&child_waits, SOON) == WAIT_OK);
    scope_close(&scope);
    CHECK(cancelled_one);
    CHECK(ask("found.test", DNS_A).status == DNS_FOUND); /* nobody is held up */
    dns_stop(dns);
}

/* What libunbound still works on at the end is given back with it: a sanitizer tells. */
static void a_deadline_and_the_end_of_the_asker_are_kept(void **state)
{
    play(statuses, give_up);
}

enum { MANY = 300 };

static _Atomic unsigned came, found;
static struct scope asking[2];

/* Holds all until so many different names were asked for. */
static enum script_way crowd(const struct script_question *q, struct script_reply *r)
{
    static atomic_bool seen[MANY];
    uint64_t number;
    script_a(r, NULL, "192.0.2.1");
    struct slice name = slice_str(q->name);
    CHECK(slice_to_u64(slice_sub(name, 1, slice_find(name, '.') - 1), MANY - 1, &number));
    if (!atomic_exchange(&seen[number], true) && atomic_fetch_add(&came, 1) == MANY - 1)
        script_let_go();
    return atomic_load(&came) < MANY ? SCRIPT_HOLD : SCRIPT_SAY;
}

static void ask_one(void *arg)
{
    struct dns_answer a;
    struct arena own;
    char name[32];
    arena_init(&own, 4096);
    snprintf(name, sizeof name, "n%u.test", (unsigned)(uintptr_t)arg);
    dns_ask(dns, slice_str(name), DNS_A, &own, &a, SOON);
    atomic_fetch_add(&found, a.status == DNS_FOUND);
    arena_reset(&own);
}

static struct event other_half;
static struct remote to_other, to_first;

static void half(void *arg)
{
    struct scope *s = arg;
    scope_init(s);
    for (uintptr_t i = s == &asking[1]; i < MANY; i += 2)
        CHECK(scope_spawn(s, TASK_NORMAL, ask_one, (void *)i));
}

static void close_half(void *arg)
{
    while (asking[1].count)
        task_sleep(deadline_in(CLOCK_MS));
    scope_close(&asking[1]);
    reactor_send(runtime_reactor(0), &to_first);
}

static void on_other(struct remote *r)
{
    static struct task_request closer;
    half(&asking[1]);
    task_request_init(&closer, TASK_NORMAL, close_half, NULL);
    task_start(&closer);
}

static void back(struct remote *r)
{
    event_raise(&other_half);
}

static void ask_many(void *arg)
{
    CHECK(dns_start(dns));
    came = found = 0;
    event_init(&other_half);
    to_other.fn = on_other;
    to_first.fn = back;
    reactor_send(runtime_reactor(1), &to_other);
    half(&asking[0]);
    CHECK(event_wait(&other_half, SOON) == WAIT_OK);
    while (asking[0].count)
        task_sleep(deadline_in(CLOCK_MS));
    scope_close(&asking[0]);
    CHECK(found == MANY);
    dns_stop(dns);
}

static void slow_names_do_not_hold_up_others(void **state)
{
    play(crowd, ask_many);
}

static void ask_too_many(void *arg)
{
    struct dns_question *q[9];
    struct dns_answer a[9];
    CHECK(dns_start(dns));
    for (size_t i = 0; i < 9; i++)
        q[i] = dns_begin(dns, S("silent.test"), DNS_A, &a[i]);
    CHECK(q[7] && !q[8] && a[8].status == DNS_TEMPORARY && a[8].why);
    for (size_t i = 0; i < 9; i++)
        dns_end(q[i], S("silent.test"), &arena, &a[i], deadline_in(0));
    dns_stop(dns);
}

static void one_too_many_is_told_so(void **state)
{
    play_with(statuses, ask_too_many, (struct dns_options){.questions = 8});
}

/* ---- a server that comes back ---- */

static atomic_bool well;

static enum script_way ill(const struct script_question *q, struct script_reply *r)
{
    if (!atomic_load(&well))
        return SCRIPT_SILENT;
    script_a(r, NULL, "192.0.2.1");
    return SCRIPT_SAY;
}

static void ask_again(void *arg)
{
    struct dns_answer a;
    char name[32];
    CHECK(dns_start(dns));
    for (unsigned i = 0; i < 60; i++) {
        struct dns_question *q;
        snprintf(name, sizeof name, "ill%u.test", i);
        CHECK(q = dns_begin(dns, slice_str(name), DNS_A, &a));
        dns_end(q, slice_str(name), &arena, &a, deadline_in(20 * CLOCK_MS));
        CHECK(a.status == DNS_TEMPORARY);
    }
    atomic_store(&well, true);
    deadline patience = deadline_in(90 * CLOCK_SEC);
    for (unsigned i = 0; a.status != DNS_FOUND; i++) {
        CHECK(clock_now() < patience);
        snprintf(name, sizeof name, "well%u.test", i);
        dns_ask(dns, slice_str(name), DNS_A, &arena, &a, deadline_in(CLOCK_SEC));
    }
    dns_stop(dns);
}

static void a_server_that_was_down_is_found_again(void **state)
{
    well = false;
    play(ill, ask_again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status_is_told),
        cmocka_unit_test(aliases_are_followed_and_end),
        cmocka_unit_test(cut_answers_come_over_tcp),
        cmocka_unit_test(damaged_and_foreign_answers_are_no_answers),
        cmocka_unit_test(bogus_data_is_never_handed_out),
        cmocka_unit_test(options_can_be_replaced),
        cmocka_unit_test(settings),
        cmocka_unit_test(odd_names_are_not_asked),
        cmocka_unit_test(a_deadline_and_the_end_of_the_asker_are_kept),
        cmocka_unit_test(slow_names_do_not_hold_up_others),
        cmocka_unit_test(one_too_many_is_told_so),
        cmocka_unit_test(a_server_that_was_down_is_found_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
