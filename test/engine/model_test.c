#include "engine_test.h"

/* Random mutations and reads against the plainest model: an array with one number per possible
 * key, 0 when absent, else the seed and length of its value. */

#define KEYS       240
#define KEY_N_MAX  7
#define PARTITIONS 3
#define VALUE_MAX  3000
#define OPS_MAX    40

struct model {
    uint32_t values[KEYS];
};

static struct slice keys[KEYS];
static char key_bytes[KEYS][KEY_N_MAX];

static int compare_keys(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

/* Different keys over few bytes, so that many are prefixes of others. */
static void make_keys(void)
{
    static const char alphabet[] = {0, 1, 'a', 'b', (char)0xfe, (char)0xff};
    for (size_t n = 0; n < KEYS;) {
        size_t length = 1 + (size_t)random_below(KEY_N_MAX);
        for (size_t i = 0; i < length; i++)
            key_bytes[n][i] = alphabet[random_below(sizeof alphabet)];
        struct slice key = slice(key_bytes[n], length);
        bool known = false;
        for (size_t i = 0; i < n; i++)
            known = known || slice_eq(keys[i], key);
        if (!known)
            keys[n++] = key;
    }
    qsort(keys, KEYS, sizeof *keys, compare_keys);
}

static size_t value_n(uint32_t value)
{
    return 1 + value % VALUE_MAX;
}

static bool value_is(struct slice s, uint32_t value)
{
    return s.n == value_n(value) && check_bytes(s.p, 0, s.n, value);
}

/* ---- looking: the view against the model; counts differences ---- */

static unsigned look_up(struct store_view *v, const struct model *m, unsigned key)
{
    struct slice value;
    bool there = store_get(v, keys[key], &value);
    if (!m->values[key])
        return there;
    return !there || !value_is(value, m->values[key]);
}

/* From the key on, at most n rows, while they start with the first `prefix_n` bytes of it. */
static unsigned look_along(
    struct store_view *v, const struct model *m, unsigned from, unsigned n, size_t prefix_n)
{
    struct slice prefix = slice_sub(keys[from], 0, prefix_n), key, value;
    struct store_cursor c;
    store_seek(v, keys[from], &c);
    for (unsigned i = from; n > 0; i++) {
        while (i < KEYS && !m->values[i])
            i++;
        bool expected = i < KEYS && slice_starts(keys[i], prefix);
        if (store_next_with(&c, prefix, &key, &value) != expected)
            return 1;
        if (!expected)
            return 0;
        if (!slice_eq(key, keys[i]) || !value_is(value, m->values[i]))
            return 1;
        n--;
    }
    return 0;
}

/* ---- mutations ---- */

enum step_kind { STEP_PUT, STEP_DEL, STEP_GET, STEP_WALK };
struct step {
    enum step_kind kind;
    unsigned key, n;
    uint32_t value;
};

struct change {
    const struct model *before;
    struct model after; /* made by the fn */
    struct step steps[OPS_MAX];
    unsigned n, differences;
    enum outcome answer;
};

/* One cursor stays open over all the steps and goes one row at each; its rows must be those of the
 * model at that moment. */
static void step_cursor(struct change *ch, struct store_cursor *c, unsigned *at)
{
    struct slice key, value;
    if (*at > KEYS)
        return; /* it was at the end */
    while (*at < KEYS && !ch->after.values[*at])
        ++*at;
    bool there = store_next(c, &key, &value);
    if (there != (*at < KEYS))
        ch->differences++;
    else if (there && (!slice_eq(key, keys[*at]) || !value_is(value, ch->after.values[*at])))
        ch->differences++;
    ++*at;
}

static void run_step(struct store_txn *t, struct change *ch, const struct step *s)
{
    static _Thread_local char bytes[VALUE_MAX + 1];
    struct store_view *v = store_txn_view(t);
    switch (s->kind) {
    case STEP_PUT:
        fill_bytes(bytes, 0, value_n(s->value), s->value);
        store_put(t, keys[s->key], slice(bytes, value_n(s->value)));
        ch->after.values[s->key] = s->value;
        break;
    case STEP_DEL:
        store_del(t, keys[s->key]);
        ch->after.values[s->key] = 0;
        break;
    case STEP_GET:
        ch->differences += look_up(v, &ch->after, s->key);
        break;
    case STEP_WALK:
        ch->differences += look_along(v, &ch->after, s->key, s->n, s->value % 3);
        break;
    }
}

static enum outcome change_fn(struct store_txn *t, void *arg)
{
    struct change *ch = arg;
    ch->after = *ch->before;
    ch->differences = 0;
    struct store_cursor c;
    unsigned at = ch->steps[0].key;
    store_seek(store_txn_view(t), keys[at], &c);
    for (unsigned i = 0; i < ch->n; i++) {
        run_step(t, ch, &ch->steps[i]);
        if (i % 2)
            step_cursor(ch, &c, &at);
    }
    return ch->answer;
}

static void plan_change(struct change *ch, const struct model *before)
{
    ch->before = before;
    ch->n = 1 + (unsigned)random_below(OPS_MAX);
    ch->answer = random_below(8) ? OUTCOME_DONE : OUTCOME_REFUSED;
    for (unsigned i = 0; i < ch->n; i++)
        ch->steps[i] = (struct step){(enum step_kind)random_below(4), (unsigned)random_below(KEYS),
            1 + (unsigned)random_below(30), 1 + (uint32_t)random_below(1000000)};
}

/* ---- whole partitions ---- */

struct look {
    const struct model *m;
    unsigned differences;
};

static void look_fn(struct store_view *v, void *arg)
{
    struct look *l = arg;
    l->differences = look_along(v, l->m, 0, KEYS + 1, 0);
    for (unsigned i = 0; i < KEYS; i++)
        l->differences += look_up(v, l->m, i);
}

static bool matches(struct fixture *f, store_partition p, const struct model *m)
{
    struct look l = {.m = m};
    assert_int_equal(store_read(f->store, p, look_fn, &l, NULL, DEADLINE_NEVER), OUTCOME_DONE);
    return l.differences == 0;
}

/* One mutation; the model follows, after UNKNOWN by reading the truth. */
static void change_one(struct fixture *f, store_partition p, struct model *m, unsigned *unknown)
{
    static struct change ch;
    plan_change(&ch, m);
    struct store_mutation mutation = {.partition = p, .fn = change_fn, .arg = &ch};
    enum outcome outcome = store_mutate(f->store, &mutation, NULL, DEADLINE_NEVER);
    assert_int_equal(ch.differences, 0);
    if (outcome == OUTCOME_UNKNOWN) {
        assert_int_equal(ch.answer, OUTCOME_DONE);
        ++*unknown;
        if (matches(f, p, &ch.after))
            *m = ch.after;
        else
            assert_true(matches(f, p, m));
        return;
    }
    assert_int_equal(outcome, ch.answer);
    if (outcome == OUTCOME_DONE)
        *m = ch.after;
}

static void run_model(struct fixture *f, unsigned rounds)
{
    static struct model models[PARTITIONS];
    memset(models, 0, sizeof models);
    unsigned unknown = 0;
    for (unsigned round = 0; round < rounds; round++) {
        unsigned i = (unsigned)random_below(PARTITIONS);
        change_one(f, TEST_PARTITION + i, &models[i], &unknown);
        if (round % 20 == 0)
            assert_true(matches(f, TEST_PARTITION + i, &models[i]));
        if (fixture_durable(f) && round % 500 == 499)
            fixture_reopen(f);
    }
    for (unsigned i = 0; i < PARTITIONS; i++)
        assert_true(matches(f, TEST_PARTITION + i, &models[i]));
    if (f->options.harsh && f->options.unknown_one_in)
        assert_true(unknown > 0);
    verify_clean(f);
}

static void test_model(void **state)
{
    for (uint64_t seed = 1; seed <= 3; seed++) {
        random_seed(seed);
        make_keys();
        fixture_restart(*state, 0, seed == 1 ? 0 : 12);
        if (engine_kind == ENGINE_LMDB && seed > 1)
            break; /* its files still hold the first model */
        run_model(*state, engine_kind == ENGINE_LMDB ? 1500 : 1000);
    }
    random_seed(0);
}

int model_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_model, fixture_setup, fixture_teardown),
    };
    return cmocka_run_group_tests_name("model", tests, NULL, NULL);
}
