#include "../unit.h"
#include "imap/section.h"

/* The example of RFC 9051 §6.4.5.1, each part of it bearing its number. */
#define RFC_MESSAGE                                                                                \
    "Subject: top\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n"                            \
    "--a\r\nContent-Type: text/plain\r\n\r\nis 1\r\n"                                              \
    "--a\r\nContent-Type: application/octet-stream\r\n\r\nis 2\r\n"                                \
    "--a\r\nContent-Type: message/rfc822\r\n\r\n"                                                  \
    "Subject: third\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"                          \
    "--b\r\n\r\nis 3.1\r\n--b\r\nContent-Type: application/octet-stream\r\n\r\nis 3.2\r\n--b--"    \
    "\r\n--a\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n"                                 \
    "--c\r\nContent-Type: image/gif\r\nContent-ID: <4.1>\r\n\r\nis 4.1\r\n"                        \
    "--c\r\nContent-Type: message/rfc822\r\n\r\n"                                                  \
    "Subject: deep\r\nContent-Type: multipart/mixed; boundary=d\r\n\r\n"                           \
    "--d\r\n\r\nis 4.2.1\r\n--d\r\nContent-Type: multipart/alternative; boundary=e\r\n\r\n"        \
    "--e\r\n\r\nis 4.2.2.1\r\n--e\r\nContent-Type: text/richtext\r\n\r\nis 4.2.2.2\r\n--e--\r\n"   \
    "--d--\r\n--c--\r\n--a--\r\n"

static struct arena arena;
static struct slice message;
static const struct mime *mime;

static int begin(void **state)
{
    arena_init(&arena, MIME_ARENA_MAX);
    return 0;
}

static int end(void **state)
{
    arena_reset(&arena);
    return 0;
}

static void parse(struct slice m)
{
    message = m;
    mime = mime_parse(m, &arena);
}

/* path: "4.2.1"; {NULL, 0}: NIL */
static struct slice section(const char *path, enum imap_section_kind kind)
{
    uint32_t numbers[IMAP_PATH_MAX];
    struct imap_section s = {.kind = kind, .path = numbers};
    struct section_bytes found;
    struct slice rest = slice_str(path);
    while (rest.n) {
        uint64_t n;
        assert_true(slice_to_u64(slice_cut(&rest, '.'), UINT32_MAX, &n));
        numbers[s.path_n++] = (uint32_t)n;
    }
    section_find(mime, &s, &found);
    if (!found.exists)
        return (struct slice){NULL, 0};
    assert_true(found.offset <= message.n && found.n <= message.n - found.offset);
    return slice_sub(message, found.offset, found.n);
}

static void no_such(const char *path, enum imap_section_kind kind)
{
    assert_null(section(path, kind).p);
}

static void the_example_of_the_rfc(void **state)
{
    parse(S(RFC_MESSAGE));
    assert_slice(section("", IMAP_SECTION_ALL), message);
    assert_slice(section("", IMAP_SECTION_HEADER),
        S("Subject: top\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n"));
    assert_true(slice_starts(section("", IMAP_SECTION_TEXT), S("--a\r\n")));
    assert_slice(section("1", IMAP_SECTION_ALL), S("is 1"));
    assert_slice(section("2", IMAP_SECTION_ALL), S("is 2"));
    assert_true(slice_starts(section("3", IMAP_SECTION_ALL), S("Subject: third\r\n")));
    assert_slice(section("3", IMAP_SECTION_HEADER),
        S("Subject: third\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"));
    assert_true(slice_starts(section("3", IMAP_SECTION_TEXT), S("--b\r\n")));
    assert_true(slice_ends(section("3", IMAP_SECTION_TEXT), S("--b--")));
    assert_slice(section("3", IMAP_SECTION_MIME), S("Content-Type: message/rfc822\r\n\r\n"));
    assert_slice(section("3.1", IMAP_SECTION_ALL), S("is 3.1"));
    assert_slice(section("3.2", IMAP_SECTION_ALL), S("is 3.2"));
    assert_true(slice_starts(section("4", IMAP_SECTION_ALL), S("--c\r\n")));
    assert_slice(section("4.1", IMAP_SECTION_ALL), S("is 4.1"));
    assert_slice(section("4.1", IMAP_SECTION_MIME),
        S("Content-Type: image/gif\r\nContent-ID: <4.1>\r\n\r\n"));
    assert_slice(section("4.2", IMAP_SECTION_HEADER),
        S("Subject: deep\r\nContent-Type: multipart/mixed; boundary=d\r\n\r\n"));
    assert_true(slice_starts(section("4.2", IMAP_SECTION_TEXT), S("--d\r\n")));
    assert_slice(section("4.2.1", IMAP_SECTION_ALL), S("is 4.2.1"));
    assert_true(slice_starts(section("4.2.2", IMAP_SECTION_ALL), S("--e\r\n")));
    assert_slice(section("4.2.2.1", IMAP_SECTION_ALL), S("is 4.2.2.1"));
    assert_slice(section("4.2.2.2", IMAP_SECTION_ALL), S("is 4.2.2.2"));
}

static void parts_that_are_not_there(void **state)
{
    parse(S(RFC_MESSAGE));
    no_such("5", IMAP_SECTION_ALL);
    no_such("0", IMAP_SECTION_ALL);
    no_such("4294967295", IMAP_SECTION_ALL);
    no_such("1.1", IMAP_SECTION_ALL);
    no_such("1.1", IMAP_SECTION_MIME);
    no_such("4.2.2.3", IMAP_SECTION_ALL);
    no_such("3.1.1", IMAP_SECTION_ALL);
    /* HEADER and TEXT are of messages only */
    no_such("1", IMAP_SECTION_HEADER);
    no_such("1", IMAP_SECTION_TEXT);
    no_such("4", IMAP_SECTION_TEXT);
    no_such("4.2.2", IMAP_SECTION_FIELDS);
}

static void part_one_of_a_single_part(void **state)
{
    parse(S("Subject: x\r\n\r\ntext\r\n"));
    assert_slice(section("1", IMAP_SECTION_ALL), S("text\r\n"));
    assert_slice(section("", IMAP_SECTION_TEXT), S("text\r\n"));
    assert_slice(section("1", IMAP_SECTION_MIME), S("Subject: x\r\n\r\n"));
    no_such("1", IMAP_SECTION_TEXT);
    no_such("2", IMAP_SECTION_ALL);
    no_such("1.1", IMAP_SECTION_ALL);
    parse(S(""));
    assert_slice(section("1", IMAP_SECTION_ALL), S(""));
    assert_slice(section("", IMAP_SECTION_HEADER), S(""));
}

static void a_message_that_is_one_message(void **state)
{
    parse(S("Content-Type: message/rfc822\r\n\r\nSubject: in\r\nContent-Type: message/rfc822\r\n"
            "\r\nSubject: in it\r\n\r\ntext\r\n"));
    assert_true(slice_starts(section("1", IMAP_SECTION_ALL), S("Subject: in\r\n")));
    assert_true(slice_starts(section("1", IMAP_SECTION_HEADER), S("Subject: in\r\n")));
    assert_true(slice_starts(section("1.1", IMAP_SECTION_ALL), S("Subject: in it\r\n")));
    assert_slice(section("1.1", IMAP_SECTION_HEADER), S("Subject: in it\r\n\r\n"));
    assert_slice(section("1.1", IMAP_SECTION_TEXT), S("text\r\n"));
    assert_slice(section("1.1.1", IMAP_SECTION_ALL), S("text\r\n"));
    no_such("1.1.1.1", IMAP_SECTION_ALL);
}

/* ---- fields ---- */

static void fields_are(
    const char *header, enum imap_section_kind kind, const char *names, const char *expected)
{
    struct slice list[64], rest = slice_str(names);
    struct imap_section s = {.kind = kind, .fields = list};
    struct buffer b;
    while (rest.n)
        list[s.field_n++] = slice_cut(&rest, ' ');
    section_prepare(&s);
    buffer_init(&b, 4096);
    assert_true(section_fields(slice_str(header), &s, &b));
    assert_slice(buffer_slice(&b), slice_str(expected));
    buffer_finish(&b);
}

#define HEADER "From: a@b\r\nSubject: one\r\n two\r\nfrom : c@d\r\nbroken\r\nX: y\r\n\r\n"

static void chosen_fields(void **state)
{
    fields_are(HEADER, IMAP_SECTION_FIELDS, "FROM", "From: a@b\r\nfrom : c@d\r\n\r\n");
    fields_are(HEADER, IMAP_SECTION_FIELDS, "x subject To", "Subject: one\r\n two\r\nX: y\r\n\r\n");
    fields_are(HEADER, IMAP_SECTION_FIELDS, "Fro romm", "\r\n");
    fields_are(HEADER, IMAP_SECTION_FIELDS_NOT, "from subject", "broken\r\nX: y\r\n\r\n");
    fields_are(HEADER, IMAP_SECTION_FIELDS_NOT, "Z", HEADER);
    /* no empty line and no body: none is made up */
    fields_are("A: 1\r\nB: 2\r\n", IMAP_SECTION_FIELDS, "a", "A: 1\r\n");
    fields_are("A: 1\nB: 2\n\n", IMAP_SECTION_FIELDS, "a", "A: 1\n\n");
    fields_are("", IMAP_SECTION_FIELDS, "a", "");
}

static void no_room_for_fields(void **state)
{
    struct slice name = S("subject");
    struct imap_section s = {.kind = IMAP_SECTION_FIELDS, .fields = &name, .field_n = 1};
    struct buffer b;
    buffer_init(&b, 12);
    assert_false(section_fields(S("Subject: x\r\n\r\n"), &s, &b));
    buffer_finish(&b);
    buffer_init(&b, 14);
    assert_true(section_fields(S("Subject: x\r\n\r\n"), &s, &b));
    buffer_finish(&b);
}

static void cached_fields(void **state)
{
    struct slice names[] = {S("subject"), S("REFERENCES")};
    uint32_t one = 1;
    struct imap_section s = {.kind = IMAP_SECTION_FIELDS, .fields = names, .field_n = 2};
    assert_true(section_cached(&s));
    s.path = &one;
    s.path_n = 1;
    assert_false(section_cached(&s));
    s.path_n = 0;
    s.kind = IMAP_SECTION_FIELDS_NOT;
    assert_false(section_cached(&s));
    s.kind = IMAP_SECTION_FIELDS;
    names[1] = S("Received");
    assert_false(section_cached(&s));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_example_of_the_rfc, begin, end),
        cmocka_unit_test_setup_teardown(parts_that_are_not_there, begin, end),
        cmocka_unit_test_setup_teardown(part_one_of_a_single_part, begin, end),
        cmocka_unit_test_setup_teardown(a_message_that_is_one_message, begin, end),
        cmocka_unit_test(chosen_fields),
        cmocka_unit_test(no_room_for_fields),
        cmocka_unit_test(cached_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
