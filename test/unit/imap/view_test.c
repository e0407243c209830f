/* A view against a plain array of UIDs. */
#include "base/budget.h"
#include "imap/view.h"
#include "unit/unit.h"

#define UIDS 700

struct model {
    uint32_t uids[UIDS];
    uint32_t n;
};

static uint64_t state = 88172645463325252u;

static uint32_t dice(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 20) % below;
}

static void check_one(const struct view *v, const struct model *m, uint32_t number, uint32_t uid)
{
    assert_int_equal(view_uid(v, number), number && number <= m->n ? m->uids[number - 1] : 0);
    uint32_t found = 0, below = 0;
    for (uint32_t i = 0; i < m->n; i++) {
        below += m->uids[i] < uid;
        if (m->uids[i] == uid)
            found = i + 1;
    }
    assert_int_equal(view_number(v, uid), found);
    assert_int_equal(view_below(v, uid), below);
}

static void check(const struct view *v, const struct model *m)
{
    assert_int_equal(v->count, m->n);
    assert_int_equal(view_last(v), m->n ? m->uids[m->n - 1] : 0);
    assert_true(v->n > 1 || v->ranges == &v->one);
    uint32_t before = 0;
    for (uint32_t i = 0; i < v->n; i++) {
        assert_int_equal(v->ranges[i].before, before);
        assert_true(v->ranges[i].first <= v->ranges[i].last);
        assert_true(i == 0 || v->ranges[i].first > v->ranges[i - 1].last + 1);
        before += v->ranges[i].last - v->ranges[i].first + 1;
    }
    assert_int_equal(before, m->n);
    check_one(v, m, dice(UIDS), dice(UIDS));
}

static void append(struct view *v, struct model *m, uint32_t *next)
{
    uint32_t first = *next + dice(3), last = first + (dice(3) ? 0 : dice(40));
    if (last >= UIDS)
        return;
    for (uint32_t uid = first; uid <= last; uid++)
        m->uids[m->n++] = uid;
    assert_true(view_append(v, first, last));
    *next = last + 1;
}

/* Takes each told removal out of the array by its number alone. */
static void told(void *arg, uint32_t number, uint32_t uid)
{
    struct model *m = arg;
    assert_true(number >= 1 && number <= m->n);
    assert_int_equal(m->uids[number - 1], uid);
    memmove(&m->uids[number - 1], &m->uids[number], (m->n - number) * sizeof m->uids[0]);
    m->n--;
}

static void remove_some(struct view *v, struct model *m)
{
    struct mailbox_uids gone[20];
    size_t n = 0;
    uint32_t at = dice(UIDS), most = 1 + dice(20);
    bool is_gone[UIDS] = {false};
    while (n < most && at < UIDS) {
        uint32_t last = at + (dice(4) ? dice(3) : dice(60));
        gone[n++] = (struct mailbox_uids){at, last};
        for (uint32_t uid = at; uid <= last && uid < UIDS; uid++)
            is_gone[uid] = true;
        at = last + 1 + dice(30);
    }
    assert_true(view_remove(v, gone, n, told, m));
    for (uint32_t i = 0; i < m->n; i++)
        assert_false(is_gone[m->uids[i]]);
}

static void random_set(struct imap_set *set, struct imap_range ranges[30])
{
    uint32_t at = 1 + dice(UIDS / 4);
    *set = (struct imap_set){.ranges = ranges};
    while (set->n < 30 && at < UIDS * 2) {
        uint32_t last = at + (dice(3) ? dice(4) : dice(200));
        ranges[set->n++] = (struct imap_range){at, last};
        at = last + 2 + dice(50);
    }
    if (set->n && dice(5) == 0)
        ranges[set->n - 1].last = UINT32_MAX;
}

static bool in_set(const struct imap_set *set, uint32_t number)
{
    for (uint32_t i = 0; i < set->n; i++)
        if (set->ranges[i].first <= number && number <= set->ranges[i].last)
            return true;
    return false;
}

static void pick(const struct view *v, const struct model *m)
{
    struct imap_range ranges[30];
    struct imap_set set;
    struct view_pick p;
    struct mailbox_uids run;
    bool uids = dice(2);
    uint32_t most = dice(3) ? 1 + dice(20) : UINT32_MAX, number, i = 0;
    random_set(&set, ranges);
    view_pick_start(&p, v, &set, uids);
    while (view_pick_next(&p, most, &run, &number)) {
        assert_true(run.first <= run.last && run.last - run.first < most);
        for (uint32_t uid = run.first; uid <= run.last; uid++, number++, i++) {
            while (i < m->n && !in_set(&set, uids ? m->uids[i] : i + 1))
                i++;
            assert_true(i < m->n);
            assert_int_equal(m->uids[i], uid);
            assert_int_equal(number, i + 1);
        }
    }
    for (; i < m->n; i++)
        assert_false(in_set(&set, uids ? m->uids[i] : i + 1));
    assert_false(view_pick_next(&p, most, &run, &number));
}

static void behaves_as_an_array(void **unused)
{
    for (int round = 0; round < 400; round++) {
        struct view v;
        struct model m = {.n = 0};
        uint32_t next = 1;
        view_init(&v);
        for (int op = 0; op < 500; op++) {
            switch (dice(6)) {
            case 0:
                if (dice(4) == 0)
                    remove_some(&v, &m);
                break;
            case 1:
            case 2:
                pick(&v, &m);
                break;
            default:
                append(&v, &m, &next);
            }
            check(&v, &m);
        }
        view_finish(&v);
        assert_int_equal(v.count, 0);
    }
    assert_int_equal(budget_used(), 0);
}

static void a_million_are_one_range(void **unused)
{
    struct view v;
    view_init(&v);
    for (uint32_t uid = 1; uid <= 1000000; uid++)
        assert_true(view_append(&v, uid, uid));
    assert_int_equal(v.n, 1);
    assert_ptr_equal(v.ranges, &v.one);
    assert_int_equal(budget_used(), 0);
    assert_int_equal(view_uid(&v, 1000000), 1000000);
    assert_int_equal(view_uid(&v, 1000001), 0);
    struct mailbox_uids gone = {500000, 500000};
    assert_true(view_remove(&v, &gone, 1, NULL, NULL));
    assert_int_equal(v.n, 2);
    assert_int_equal(view_number(&v, 500001), 500000);
    gone = (struct mailbox_uids){500001, UINT32_MAX};
    assert_true(view_remove(&v, &gone, 1, NULL, NULL));
    assert_ptr_equal(v.ranges, &v.one);
    assert_int_equal(v.count, 499999);
    assert_int_equal(budget_used(), 0);
    view_finish(&v);
}

static void nothing_is_told_by_a_view_without_memory(void **unused)
{
    struct view v;
    struct model m = {{1, 2, 3}, 3};
    struct mailbox_uids gone = {2, 2};
    view_init(&v);
    assert_true(view_append(&v, 1, 3));
    budget_set(64);
    assert_false(view_remove(&v, &gone, 1, told, &m));
    assert_false(view_append(&v, 5, 5));
    assert_int_equal(m.n, 3);
    assert_int_equal(v.count, 3);
    assert_int_equal(v.n, 1);
    budget_set(0);
    assert_true(view_remove(&v, &gone, 1, told, &m));
    assert_int_equal(m.n, 2);
    assert_true(budget_used() > 0);
    view_finish(&v);
    assert_int_equal(budget_used(), 0);
}

static void the_highest_uid(void **unused)
{
    struct view v;
    struct imap_range range = {1, UINT32_MAX};
    struct imap_set set = {&range, 1, false};
    struct view_pick p;
    struct mailbox_uids run;
    uint32_t number;
    view_init(&v);
    assert_true(view_append(&v, UINT32_MAX - 2, UINT32_MAX - 1));
    view_pick_start(&p, &v, &set, true);
    assert_true(view_pick_next(&p, 1, &run, &number));
    assert_int_equal(run.last, UINT32_MAX - 2);
    assert_true(view_pick_next(&p, 1, &run, &number));
    assert_int_equal(run.first, UINT32_MAX - 1);
    assert_int_equal(number, 2);
    assert_false(view_pick_next(&p, 1, &run, &number));
    struct mailbox_uids gone = {UINT32_MAX - 1, UINT32_MAX};
    assert_true(view_remove(&v, &gone, 1, NULL, NULL));
    assert_int_equal(view_last(&v), UINT32_MAX - 2);
    view_finish(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(behaves_as_an_array),
        cmocka_unit_test(a_million_are_one_range),
        cmocka_unit_test(nothing_is_told_by_a_view_without_memory),
        cmocka_unit_test(the_highest_uid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
