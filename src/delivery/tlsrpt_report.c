/* A report: rows to JSON (RFC 8460 §4), compressed, in a message (§5.3). */
#include "base/base64.h"
#include "delivery/tlsrpt_private.h"
#include "message/compose.h"
#include "message/date.h"
#include <jansson.h>
#include <stdio.h>
#include <zlib.h>

#define DAY        INT64_C(86400)
#define LINE_BYTES 57 /* 76 columns of base64 */

void tlsrpt_report_add(struct buffer *rows, struct slice key, struct slice row)
{
    char n[4];
    pack_u32(n, (uint32_t)key.n);
    buffer_add(rows, slice(n, sizeof n));
    buffer_add(rows, key);
    pack_u32(n, (uint32_t)row.n);
    buffer_add(rows, slice(n, sizeof n));
    buffer_add(rows, row);
}

static bool take(struct slice *rows, struct slice *s)
{
    if (rows->n < 4 || rows->n - 4 < unpack_u32(rows->p))
        return false;
    *s = slice_sub(*rows, 4, unpack_u32(rows->p));
    *rows = slice_from(*rows, 4 + s->n);
    return true;
}

bool tlsrpt_report_next(struct slice *rows, struct slice *key, struct slice *row)
{
    return take(rows, key) && take(rows, row);
}

/* ---- JSON; every set_new takes NULL and says so, which the end looks at ---- */

struct writing {
    const struct tlsrpt_report *r;
    json_t *policies;
    json_t *details; /* of the last policy; borrowed */
    bool ok;
};

static void set(struct writing *w, json_t *object, const char *key, json_t *value)
{
    w->ok &= json_object_set_new(object, key, value) == 0;
}

static void append(struct writing *w, json_t *array, json_t *value)
{
    w->ok &= json_array_append_new(array, value) == 0;
}

static json_t *text(struct slice s)
{
    json_t *t = json_stringn(s.n ? s.p : "", s.n);
    return t ? t : json_string("?");
}

static void set_some(struct writing *w, json_t *object, const char *key, struct slice s)
{
    if (s.n)
        set(w, object, key, text(s));
}

static json_t *policy_of(struct writing *w, const struct tlsrpt_sessions *s)
{
    static const char *const types[] = {"no-policy-found", "sts", "tlsa"};
    json_t *p = json_object();
    struct slice rest = s->policy_text;
    set(w, p, "policy-type", json_string(types[s->policy]));
    if (s->policy != TLSRPT_NO_POLICY) {
        json_t *lines = json_array(), *hosts = json_array();
        while (rest.n) {
            struct slice line = slice_cut(&rest, '\n');
            append(w, lines, text(line));
            if (s->policy == TLSRPT_STS && slice_starts(line, S("mx: ")))
                append(w, hosts, text(slice_from(line, 4)));
        }
        set(w, p, "policy-string", lines);
        if (s->policy == TLSRPT_STS)
            set(w, p, "mx-host", hosts);
        else
            json_decref(hosts);
    }
    set(w, p, "policy-domain", text(w->r->domain));
    return p;
}

static void add_sessions(struct writing *w, const struct tlsrpt_sessions *s)
{
    json_t *one = json_object(), *summary = json_object();
    set(w, one, "policy", policy_of(w, s));
    set(w, summary, "total-successful-session-count", json_integer((json_int_t)s->ok));
    set(w, summary, "total-failure-session-count", json_integer((json_int_t)s->failed));
    set(w, one, "summary", summary);
    set(w, one, "failure-details", json_array());
    w->details = json_object_get(one, "failure-details");
    append(w, w->policies, one);
}

static void add_failures(struct writing *w, const struct tlsrpt_failures *f)
{
    static const char *const keys[TLSRPT_TEXTS] = {"receiving-mx-hostname", "receiving-mx-helo",
        "receiving-ip", "sending-mta-ip", "failure-reason-code"};
    json_t *one = json_object();
    set(w, one, "result-type", json_string(tlsrpt_result_name(f->result)));
    for (size_t i = 0; i < TLSRPT_TEXTS; i++)
        set_some(w, one, keys[i], f->texts[i]);
    set(w, one, "failed-session-count", json_integer((json_int_t)f->count));
    if (w->details)
        append(w, w->details, one);
    else
        json_decref(one);
}

static void add_rows(struct writing *w)
{
    struct slice rows = w->r->rows, key, row, domain;
    struct tlsrpt_sessions s;
    struct tlsrpt_failures f;
    uint32_t day;
    bool failures;
    while (tlsrpt_report_next(&rows, &key, &row)) {
        if (!tlsrpt_row_parse(key, &day, &domain, &failures))
            continue;
        if (!failures && tlsrpt_row_unpack_sessions(row, &s))
            add_sessions(w, &s);
        else if (failures && tlsrpt_row_unpack_failures(row, &f))
            add_failures(w, &f);
    }
}

static json_t *instant(int64_t seconds)
{
    char out[DATE_TEXT_MAX];
    struct date d = date_from_unix(seconds, 0);
    return text(date_format_rfc3339(&d, out));
}

static json_t *report_id(const struct tlsrpt_report *r)
{
    char id[400];
    struct slice host = slice_sub(r->hostname, 0, 255);
    snprintf(id, sizeof id, "%.*s@%.*s", SLICE_ARG(r->id), SLICE_ARG(host));
    return json_string(id);
}

static int write_out(const char *bytes, size_t n, void *to)
{
    return buffer_add(to, slice(bytes, n)) ? 0 : -1;
}

bool tlsrpt_report_json(const struct tlsrpt_report *r, struct buffer *to)
{
    struct writing w = {.r = r, .policies = json_array(), .ok = true};
    json_t *all = json_object(), *range = json_object();
    set(&w, all, "organization-name", text(r->hostname));
    set(&w, range, "start-datetime", instant(r->day * DAY));
    set(&w, range, "end-datetime", instant((r->day + 1) * DAY - 1));
    set(&w, all, "date-range", range);
    set(&w, all, "contact-info", text(r->contact));
    set(&w, all, "report-id", report_id(r));
    add_rows(&w);
    set(&w, all, "policies", w.policies);
    bool ok = w.ok && json_dump_callback(all, write_out, to, JSON_COMPACT) == 0;
    json_decref(all);
    return ok && !to->overflow;
}

/* RFC 1952 */
bool tlsrpt_report_gzip(struct slice json, struct buffer *to)
{
    z_stream z = {0};
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    size_t room = deflateBound(&z, json.n);
    char *out = buffer_room(to, room);
    z.next_in = (Bytef *)(uintptr_t)json.p;
    z.avail_in = (uInt)json.n;
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)room;
    bool ok = out && deflate(&z, Z_FINISH) == Z_STREAM_END;
    if (ok)
        buffer_took(to, room - z.avail_out);
    deflateEnd(&z);
    return ok;
}

/* ---- the message ---- */

static struct slice submitter(const struct tlsrpt_report *r)
{
    size_t at = slice_rfind(r->contact, '@');
    return at == SLICE_NONE ? r->hostname : slice_from(r->contact, at + 1);
}

/* RFC 8460 §5.3 */
static void add_head(const struct tlsrpt_report *r, struct slice address, struct buffer *to)
{
    char subject[1200];
    struct slice domain = slice_sub(r->domain, 0, 255), by = slice_sub(submitter(r), 0, 255);
    struct slice host = slice_sub(r->hostname, 0, 255), id = slice_sub(r->id, 0, 64);
    const struct compose_mailbox from = {S("TLS reports"), r->contact};
    const struct compose_mailbox recipient = {S(""), address};
    int n = snprintf(subject, sizeof subject,
        "Report Domain: %.*s Submitter: %.*s Report-ID: <%.*s@%.*s>", SLICE_ARG(domain),
        SLICE_ARG(by), SLICE_ARG(id), SLICE_ARG(host));
    compose_mailboxes(to, S("From"), &from, 1);
    compose_mailboxes(to, S("To"), &recipient, 1);
    compose_raw(to, S("Subject"), slice(subject, (size_t)n));
    compose_date(to, S("Date"), r->now, 0);
    compose_message_id(to, id, host);
    compose_raw(to, S("TLS-Report-Domain"), domain);
    compose_raw(to, S("TLS-Report-Submitter"), by);
    buffer_add(
        to, S("TLS-Required: No\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"));
}

static void add_body(const struct tlsrpt_report *r, struct slice gzip, struct buffer *to)
{
    struct slice domain = slice_sub(r->domain, 0, 255), by = slice_sub(submitter(r), 0, 255);
    buffer_printf(to,
        "\r\n--=_tlsrpt\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
        "This is an aggregate report about TLS from %.*s: how its connections\r\n"
        "to the mail servers of %.*s fared on the day that is named in it.\r\n",
        SLICE_ARG(by), SLICE_ARG(domain));
    buffer_printf(to,
        "\r\n--=_tlsrpt\r\nContent-Type: application/tlsrpt+gzip\r\n"
        "Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment;\r\n"
        " filename=\"%.*s!%.*s!%lld!%lld.json.gz\"\r\n\r\n",
        SLICE_ARG(by), SLICE_ARG(domain), (long long)(r->day * DAY),
        (long long)((r->day + 1) * DAY - 1));
    for (; gzip.n; gzip = slice_from(gzip, LINE_BYTES)) {
        base64_encode(slice_sub(gzip, 0, LINE_BYTES), to);
        buffer_add(to, S("\r\n"));
    }
    buffer_add(to, S("\r\n--=_tlsrpt--\r\n"));
}

bool tlsrpt_report_mail(
    const struct tlsrpt_report *r, struct slice to_address, struct slice gzip, struct buffer *to)
{
    add_head(r, to_address, to);
    buffer_add(to, S("Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n"
                     " boundary=\"=_tlsrpt\"\r\n\r\n"));
    add_body(r, gzip, to);
    return !to->overflow;
}
