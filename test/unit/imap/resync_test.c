/* Which expunges a client knows of, by the pairs it gives (RFC 7162 §3.2.5.2). */
#include "imap/resync.h"
#include "unit/unit.h"

/* A set out of "1:3,7" as it stands. */
static struct imap_set set_of(const char *text, struct arena *arena)
{
    struct imap_set set;
    assert_true(imap_set_parse(slice_str(text), arena, &set));
    imap_set_resolve(&set, 1);
    return set;
}

static void check(const struct view *v, const char *numbers, const char *uids, uint32_t want)
{
    struct arena arena;
    arena_init(&arena, 1 << 20);
    struct imap_set a = set_of(numbers, &arena), b = set_of(uids, &arena);
    assert_int_equal(resync_match(v, &a, &b), want);
    arena_reset(&arena);
}

/* The example of the RFC: only every third UID is there. */
static void every_third(void **unused)
{
    struct view v;
    view_init(&v);
    for (uint32_t uid = 3; uid < 30012; uid += 3)
        assert_true(view_append(&v, uid, uid));
    check(&v, "5000,7500,9000,9990:9999",
        "15000,22500,27000,29970,29973,29976,29979,29982,29985,29988,29991,29994,29997", 29997);
    check(&v, "1,3,4", "3,9,13", 9);
    check(&v, "1,3,4", "4,9,12", 0);
    check(&v, "10004", "30012", 0);
    check(&v, "10003", "30009", 30009);
    check(&v, "4294967295", "4294967295", 0);
    view_finish(&v);
}

static void runs(void **unused)
{
    struct view v;
    view_init(&v);
    assert_true(view_append(&v, 1, 100) && view_append(&v, 111, 1000000));
    check(&v, "1:1000000", "1:1000000", 100);
    check(&v, "1:999990", "1:100,111:1000000", 1000000);
    check(&v, "1:100,101:200", "1:100,111:300", 210);
    check(&v, "50:150", "50:100,112:200", 100);
    check(&v, "4294967290:4294967295", "4294967290:4294967295", 0);
    check(&v, "1:4294967295", "1:4294967295", 100);
    check(&v, "1:5", "1", 1);
    check(&v, "5", "1:5", 0);
    view_finish(&v);
}

/* Against all pairs one by one. */
static void as_pairs_one_by_one(void **unused)
{
    uint32_t state = 1;
    for (int round = 0; round < 20000; round++) {
        struct view v;
        struct imap_range a[40], b[40];
        struct imap_set numbers = {.ranges = a}, uids = {.ranges = b};
        uint32_t uid = 1, number = 1, wrong = UINT32_MAX, want = 0, pairs = 0;
        view_init(&v);
        for (int i = 0; i < 20; i++) {
            state = state * 1664525 + 1013904223;
            uint32_t first = uid + (state >> 28) % 3, last = first + (state >> 20) % 4;
            assert_true(view_append(&v, first, last));
            uid = last + 1;
        }
        if (state >> 31)
            wrong = (state >> 8) % v.count + 1;
        while (number <= v.count && pairs < 40) {
            uint32_t is = view_uid(&v, number) + (number >= wrong);
            want = number < wrong ? is : want;
            a[pairs] = (struct imap_range){number, number};
            b[pairs++] = (struct imap_range){is, is};
            state = state * 1664525 + 1013904223;
            number += 1 + (state >> 30);
        }
        numbers.n = uids.n = pairs;
        imap_set_resolve(&numbers, 1);
        imap_set_resolve(&uids, 1);
        uint32_t found = resync_match(&v, &numbers, &uids);
        /* behind a wrong pair another one may fit again by chance */
        assert_true(found == want);
        view_finish(&v);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_third),
        cmocka_unit_test(runs),
        cmocka_unit_test(as_pairs_one_by_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
