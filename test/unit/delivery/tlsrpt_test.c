/* Sessions are counted, written and made into reports (RFC 8460); records that ask for them; a day
 * goes by on a clock of the test's own. */
#include "base/base64.h"
#include "delivery/remote.h"
#include "delivery/tlsrpt_private.h"
#include "unit/task/check.h"
#include "unit/unit.h"
#include <jansson.h>
#include <time.h>
#include <zlib.h>

#define SOON  deadline_in(60 * CLOCK_SEC)
#define DAY   INT64_C(86400)
#define TODAY UINT32_C(20000)

static int64_t wall; /* s */

static int64_t test_wall(void)
{
    return wall * 1000000;
}

static int64_t test_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * CLOCK_SEC + t.tv_nsec;
}

static const struct clock_source test_clock = {test_now, test_wall};

/* ---- records ---- */

static void records(void **state)
{
    static struct tlsrpt_uri u[TLSRPT_URIS_MAX];
    assert_int_equal(tlsrpt_record_parse(S("v=TLSRPTv1;rua=mailto:reports@example.com"), u), 1);
    assert_true(u[0].mail);
    assert_string_equal(u[0].address, "reports@example.com");
    assert_int_equal(
        tlsrpt_record_parse(S("v=TLSRPTv1 ; x=y; rua=https://R.example.com/v1/t?a=b#c , "
                              "mailto:a%2Bb@c.test?subject=x,https://d.test:8443,ftp://e.test"),
            u),
        3);
    assert_string_equal(u[0].host, "R.example.com");
    assert_string_equal(u[0].path, "/v1/t?a=b");
    assert_int_equal(u[0].port, 443);
    assert_string_equal(u[1].address, "a+b@c.test");
    assert_string_equal(u[2].path, "/");
    assert_int_equal(u[2].port, 8443);
    static const char *const none[] = {"", "v=TLSRPTv1", "v=TLSRPTv2;rua=mailto:a@b.test",
        "v=TLSRPTv1;rua=", "v=TLSRPTv1;rua=mailto:nobody", "v=TLSRPTv1;rua=http://a.test/",
        "v=TLSRPTv1;rua=https://user@a.test/", "v=TLSRPTv1;rua=https://a.test:0/",
        "v=TLSRPTv1;rua=https://a.test:65536/", "v=TLSRPTv1;rua=https:///x",
        "v=TLSRPTv1;rua=https://[::1]/", "v=TLSRPTv1;rua=https://a.test/x y",
        "v=TLSRPTv1;rua=mailto:a%0d%0aX@b.test", "v=TLSRPTv1;rua=mailto:a%2@b.test",
        "v=TLSRPTv1;rua=mailto:%zz@b.test"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(tlsrpt_record_parse(slice_str(none[i]), u), 0);
    assert_int_equal(tlsrpt_record_parse(S("v=TLSRPTv1;rua=mailto:a@b.c,mailto:a@b.c,mailto:a@b.c,"
                                           "mailto:a@b.c,mailto:a@b.c"),
                         u),
        TLSRPT_URIS_MAX);
}

/* ---- counting ---- */

struct world {
    struct store *store;
    struct delivery_rules rules;
    struct delivery_remote remote;
    struct queue_reporter reporter;
    struct tlsrpt *t;
};

static void world_open(struct world *w, bool harsh)
{
    char why[512];
    enum store_open_error error;
    const struct store_options options = {.engine = "memory", .dir = -1, .harsh = harsh, .seed = 7};
    *w = (struct world){.store = store_open(&options, &error, why),
        .reporter = {.hostname = S("mx.a.test"), .tmp_dir = -1}};
    CHECK(w->store);
    w->remote.store = w->store;
    atomic_store(&w->remote.rules, &w->rules);
    const struct tlsrpt_options o = {.remote = &w->remote, .reporter = &w->reporter};
    CHECK((w->t = tlsrpt_create(&o)));
}

static void world_close(struct world *w)
{
    tlsrpt_destroy(w->t);
    store_close(w->store);
}

static struct tlsrpt_session session(enum tlsrpt_result result)
{
    return (struct tlsrpt_session){.domain = S("b.test"),
        .policy = TLSRPT_STS,
        .policy_text = S("version: STSv1\nmode: enforce\nmx: mx.b.test\nmax_age: 86400\n"),
        .result = result,
        .mx = S("mx.b.test"),
        .ip = S("192.0.2.1"),
        .our_ip = S("192.0.2.2"),
        .reason = S("self-signed certificate")};
}

struct rows {
    struct slice prefix;
    struct buffer all;
    size_t n;
};

static void rows_fn(struct store_view *v, void *arg)
{
    struct rows *r = arg;
    struct store_cursor c;
    struct slice key, row;
    r->n = 0;
    buffer_reset(&r->all);
    store_seek(v, r->prefix, &c);
    while (store_next_with(&c, r->prefix, &key, &row)) {
        tlsrpt_report_add(&r->all, key, row);
        r->n++;
    }
}

static struct rows rows_of(struct world *w, enum keyspace_transport kind)
{
    char prefix = (char)kind;
    struct rows r = {.prefix = slice(&prefix, 1)};
    buffer_init(&r.all, 64 * 1024 * 1024);
    CHECK(store_read(w->store, tlsrpt_partition(), rows_fn, &r, NULL, SOON) == OUTCOME_DONE);
    return r;
}

static size_t row_count(struct world *w, enum keyspace_transport kind)
{
    struct rows r = rows_of(w, kind);
    buffer_finish(&r.all);
    return r.n;
}

static json_t *report(struct world *w, struct buffer *json)
{
    struct rows r = rows_of(w, KEY_TRANSPORT_SESSIONS);
    const struct tlsrpt_report report = {.day = TODAY,
        .domain = S("b.test"),
        .hostname = S("mx.a.test"),
        .contact = S("postmaster@a.test"),
        .id = S("x1"),
        .rows = buffer_slice(&r.all)};
    CHECK(tlsrpt_report_json(&report, json));
    buffer_finish(&r.all);
    json_t *all = json_loadb(json->p, json->n, 0, NULL);
    CHECK(all);
    return all;
}

static const char *text(json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    CHECK(value);
    return value;
}

static json_int_t number(json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static void check_policy(json_t *one)
{
    json_t *policy = json_object_get(one, "policy"), *details, *d;
    CHECK(!strcmp(text(policy, "policy-type"), "sts"));
    CHECK(!strcmp(text(policy, "policy-domain"), "b.test"));
    CHECK(json_array_size(json_object_get(policy, "policy-string")) == 4);
    CHECK(json_array_size(json_object_get(policy, "mx-host")) == 1);
    json_t *summary = json_object_get(one, "summary");
    CHECK(number(summary, "total-successful-session-count") == 5);
    CHECK(number(summary, "total-failure-session-count") == 3);
    details = json_object_get(one, "failure-details");
    CHECK(json_array_size(details) == 2);
    size_t i, sum = 0;
    json_array_foreach(details, i, d)
    {
        sum += (size_t)number(d, "failed-session-count");
        CHECK(!strcmp(text(d, "receiving-mx-hostname"), "mx.b.test"));
        CHECK(!strcmp(text(d, "receiving-ip"), "192.0.2.1"));
        CHECK(!strcmp(text(d, "sending-mta-ip"), "192.0.2.2"));
        CHECK(number(d, "failed-session-count") == 2
                  ? !strcmp(text(d, "result-type"), "certificate-not-trusted")
                  : !strcmp(text(d, "result-type"), "starttls-not-supported"));
    }
    CHECK(sum == 3);
}

static void count_both_ways(struct world *w, const struct tlsrpt_session *s, int before, int after)
{
    for (int i = 0; i < before; i++)
        tlsrpt_count(w->t, s);
    CHECK(tlsrpt_flush(w->t, SOON));
    for (int i = 0; i < after; i++)
        tlsrpt_count(w->t, s);
    CHECK(tlsrpt_flush(w->t, SOON));
}

static void run_counting(void *arg)
{
    struct world w;
    struct buffer json;
    struct tlsrpt_session ok = session(TLSRPT_OK), bad = session(TLSRPT_NOT_TRUSTED),
                          plain = session(TLSRPT_STARTTLS_NOT_SUPPORTED);
    wall = TODAY * DAY + 100;
    world_open(&w, true);
    count_both_ways(&w, &ok, 2, 3);
    count_both_ways(&w, &bad, 1, 1);
    count_both_ways(&w, &plain, 0, 1);
    CHECK(row_count(&w, KEY_TRANSPORT_SESSIONS) == 3 && row_count(&w, KEY_TRANSPORT_DAY) == 1);
    buffer_init(&json, TLSRPT_JSON_MAX);
    json_t *all = report(&w, &json);
    CHECK(!strcmp(text(all, "organization-name"), "mx.a.test"));
    CHECK(!strcmp(text(all, "contact-info"), "postmaster@a.test"));
    CHECK(!strcmp(text(all, "report-id"), "x1@mx.a.test"));
    json_t *range = json_object_get(all, "date-range");
    CHECK(!strcmp(text(range, "start-datetime"), "2024-10-04T00:00:00Z"));
    CHECK(!strcmp(text(range, "end-datetime"), "2024-10-04T23:59:59Z"));
    CHECK(json_array_size(json_object_get(all, "policies")) == 1);
    check_policy(json_array_get(json_object_get(all, "policies"), 0));
    json_decref(all);
    buffer_finish(&json);
    world_close(&w);
}

static void counting(void **state)
{
    run_on(1, run_counting, NULL);
}

/* ---- limits ---- */

static void run_limits(void *arg)
{
    struct world w;
    char name[64];
    struct buffer json;
    struct tlsrpt_session s = session(TLSRPT_VALIDATION);
    wall = TODAY * DAY + 100;
    world_open(&w, false);
    for (int i = 0; i <= TLSRPT_DETAILS_MAX; i++) { /* one kind too many: in the sum only */
        s.reason = slice(name, (size_t)snprintf(name, sizeof name, "reason %d", i));
        tlsrpt_count(w.t, &s);
    }
    CHECK(tlsrpt_flush(w.t, SOON));
    CHECK(row_count(&w, KEY_TRANSPORT_SESSIONS) == 1 + TLSRPT_DETAILS_MAX);
    buffer_init(&json, TLSRPT_JSON_MAX);
    json_t *all = report(&w, &json), *one = json_array_get(json_object_get(all, "policies"), 0);
    CHECK(number(json_object_get(one, "summary"), "total-failure-session-count") ==
          TLSRPT_DETAILS_MAX + 1);
    json_decref(all);
    buffer_finish(&json);
    for (int i = 0; i <= TLSRPT_POLICIES_MAX; i++) {
        s = session(TLSRPT_OK);
        s.domain = S("c.test");
        s.policy_text = slice(name, (size_t)snprintf(name, sizeof name, "mode: %d\n", i));
        tlsrpt_count(w.t, &s);
    }
    CHECK(tlsrpt_flush(w.t, SOON));
    CHECK(row_count(&w, KEY_TRANSPORT_SESSIONS) == 1 + TLSRPT_DETAILS_MAX + TLSRPT_POLICIES_MAX);
    for (int i = 2; i <= TLSRPT_DOMAINS_MAX; i++) { /* b.test and c.test are there */
        s = session(TLSRPT_OK);
        s.domain = slice(name, (size_t)snprintf(name, sizeof name, "d%d.test", i));
        tlsrpt_count(w.t, &s);
        if (i % (TLSRPT_PENDING_MAX - 1) == 0)
            CHECK(tlsrpt_flush(w.t, SOON));
    }
    CHECK(tlsrpt_flush(w.t, SOON));
    CHECK(row_count(&w, KEY_TRANSPORT_SESSIONS) ==
          1 + TLSRPT_DETAILS_MAX + TLSRPT_POLICIES_MAX + TLSRPT_DOMAINS_MAX - 2);
    world_close(&w);
}

static void limits(void **state)
{
    run_on(1, run_limits, NULL);
}

/* What does not fit into the memory is not counted, and the rest is. */
static void run_pending(void *arg)
{
    struct world w;
    char name[64];
    struct tlsrpt_session s = session(TLSRPT_OK);
    wall = TODAY * DAY + 100;
    world_open(&w, false);
    for (int i = 0; i <= TLSRPT_PENDING_MAX; i++) {
        s.domain = slice(name, (size_t)snprintf(name, sizeof name, "d%d.test", i));
        tlsrpt_count(w.t, &s);
    }
    CHECK(tlsrpt_flush(w.t, SOON));
    CHECK(row_count(&w, KEY_TRANSPORT_SESSIONS) == TLSRPT_PENDING_MAX);
    char longest[TLSRPT_NAME_MAX + 1];
    memset(longest, 'a', sizeof longest);
    s.domain = slice(longest, sizeof longest);
    tlsrpt_count(w.t, &s);
    CHECK(tlsrpt_flush(w.t, SOON));
    CHECK(row_count(&w, KEY_TRANSPORT_SESSIONS) == TLSRPT_PENDING_MAX);
    world_close(&w);
}

static void pending(void **state)
{
    run_on(1, run_pending, NULL);
}

/* ---- a day goes by ---- */

static void run_days(void *arg)
{
    struct world w;
    struct tlsrpt_session s = session(TLSRPT_NOT_TRUSTED);
    wall = TODAY * DAY + DAY - 1;
    world_open(&w, true);
    tlsrpt_count(w.t, &s);
    CHECK(tlsrpt_tend(w.t) == 0 && row_count(&w, KEY_TRANSPORT_SESSIONS) == 2);
    wall = (TODAY + 1) * DAY + 10;
    tlsrpt_count(w.t, &s); /* of the next day */
    CHECK(tlsrpt_flush(w.t, SOON) && row_count(&w, KEY_TRANSPORT_SESSIONS) == 4);
    wall = (TODAY + 1) * DAY + TLSRPT_SPREAD; /* reports are switched off: nobody is asked */
    CHECK(tlsrpt_tend(w.t) == 0);
    CHECK(row_count(&w, KEY_TRANSPORT_SESSIONS) == 2 && row_count(&w, KEY_TRANSPORT_DAY) == 1);
    wall = (TODAY + 2) * DAY + TLSRPT_SPREAD;
    CHECK(tlsrpt_tend(w.t) == 0);
    CHECK(!row_count(&w, KEY_TRANSPORT_SESSIONS) && !row_count(&w, KEY_TRANSPORT_DAY));
    world_close(&w);
}

static void days(void **state)
{
    run_on(1, run_days, NULL);
}

/* ---- the message ---- */

static void message(void **state)
{
    struct buffer gzip, mail, packed;
    char plain[64];
    const struct tlsrpt_report r = {.day = TODAY,
        .domain = S("b.test"),
        .hostname = S("mx.a.test"),
        .contact = S("postmaster@a.test"),
        .id = S("x1"),
        .now = (TODAY + 1) * DAY};
    buffer_init(&gzip, 1000);
    buffer_init(&mail, 10000);
    buffer_init(&packed, 1000);
    assert_true(tlsrpt_report_gzip(S("{\"report\":1}"), &gzip));
    assert_true(tlsrpt_report_mail(&r, S("reports@b.test"), buffer_slice(&gzip), &mail));
    struct slice m = buffer_slice(&mail);
    static const char *const parts[] = {"From: TLS reports <postmaster@a.test>\r\n",
        "To: reports@b.test\r\n", "TLS-Report-Domain: b.test\r\n",
        "TLS-Report-Submitter: a.test\r\n", "TLS-Required: No\r\n",
        "multipart/report; report-type=\"tlsrpt\"", "Content-Type: application/tlsrpt+gzip\r\n",
        "filename=\"a.test!b.test!1728000000!1728086399.json.gz\"", "Report Domain: b.test",
        "Report-ID: <x1@mx.a.test>"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (slice_find_slice(m, slice_str(parts[i])) == SLICE_NONE)
            fail_msg("no '%s' in: " SLICE_FMT, parts[i], SLICE_ARG(m));
    size_t at = slice_find_slice(m, S("json.gz\"\r\n\r\n"));
    struct slice rest = slice_from(m, at + 12), line = slice_cut(&rest, '\r');
    assert_true(base64_decode(line, &packed));
    z_stream z = {.next_in = (Bytef *)packed.p,
        .avail_in = (uInt)packed.n,
        .next_out = (Bytef *)plain,
        .avail_out = sizeof plain};
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_slice(slice(plain, z.total_out), S("{\"report\":1}"));
    inflateEnd(&z);
    buffer_finish(&gzip);
    buffer_finish(&mail);
    buffer_finish(&packed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(records), cmocka_unit_test(counting),
        cmocka_unit_test(limits), cmocka_unit_test(pending), cmocka_unit_test(days),
        cmocka_unit_test(message)};
    clock_set(&test_clock);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    clock_set(NULL);
    return failed;
}
