#include "unit/unit.h"
/* after unit/unit.h */
#include "directory/row.h"

static void test_account_round_trip(void **state)
{
    char room[DIRECTORY_ROW_ACCOUNT];
    uint8_t salt[16] = {1}, stored[32] = {2}, server[32] = {3};
    struct directory_row_account back, row = {.disabled = true,
                                           .has_credentials = true,
                                           .quota = 1 << 20,
                                           .credentials_version = 7,
                                           .address = S("ann@example.org"),
                                           .name = S("Ann"),
                                           .password = S("$argon2id$x"),
                                           .scram_iterations = 10000,
                                           .scram_salt = salt,
                                           .scram_stored_key = stored,
                                           .scram_server_key = server};
    size_t n = directory_row_pack_account(&row, room);
    assert_true(n > 0);
    assert_true(directory_row_unpack_account(slice(room, n), &back));
    assert_true(back.disabled && back.has_credentials);
    assert_int_equal(back.quota, row.quota);
    assert_int_equal(back.credentials_version, 7);
    assert_slice(back.address, row.address);
    assert_slice(back.name, row.name);
    assert_slice(back.password, row.password);
    assert_memory_equal(back.scram_server_key, server, 32);
    /* Cut anywhere, or with a byte more, it is no row. */
    for (size_t i = 0; i < n; i++)
        assert_false(directory_row_unpack_account(slice(room, i), &back));
    room[n] = 0;
    assert_false(directory_row_unpack_account(slice(room, n + 1), &back));
    room[0] = 2; /* a newer version */
    assert_false(directory_row_unpack_account(slice(room, n), &back));
}

static void test_account_limits(void **state)
{
    char room[DIRECTORY_ROW_ACCOUNT], name[DIRECTORY_NAME_MAX + 1];
    struct directory_row_account row = {.address = S("a@b"), .name = slice(name, sizeof name)};
    memset(name, 'x', sizeof name);
    assert_int_equal(directory_row_pack_account(&row, room), 0);
    row.name.n--;
    assert_true(directory_row_pack_account(&row, room) > 0);
    row.name = S("a\0b");
    assert_int_equal(directory_row_pack_account(&row, room), 0);
}

static void test_alias_targets(void **state)
{
    static char room[DIRECTORY_ROW_ALIAS];
    static struct slice many[DIRECTORY_TARGETS_MAX + 1];
    struct directory_row_address row;
    struct slice target;
    size_t n;
    for (size_t i = 0; i <= DIRECTORY_TARGETS_MAX; i++)
        many[i] = S("ann@example.org");
    assert_int_equal(directory_row_pack_alias(many, DIRECTORY_TARGETS_MAX + 1, room), 0);
    assert_int_equal(directory_row_pack_alias(many, 0, room), 0);
    n = directory_row_pack_alias(many, DIRECTORY_TARGETS_MAX, room);
    assert_true(n > 0);
    assert_true(directory_row_unpack_address(slice(room, n), &row));
    assert_true(row.alias);
    n = 0;
    while (directory_row_target_next(&row.targets, &target)) {
        assert_slice(target, S("ann@example.org"));
        n++;
    }
    assert_int_equal(n, DIRECTORY_TARGETS_MAX);
    many[0] = S("nobody"); /* a target without domain is no row */
    n = directory_row_pack_alias(many, 1, room);
    assert_false(directory_row_unpack_address(slice(room, n), &row));
}

static void test_small_rows(void **state)
{
    char room[DIRECTORY_ROW_FIXED];
    struct directory_row_header header = {.next_account = 5, .secret = {9}}, header_back;
    struct directory_row_domain domain = {3, 2, 1}, domain_back;
    struct directory_row_address owner;
    size_t n = directory_row_pack_header(&header, room);
    assert_true(directory_row_unpack_header(slice(room, n), &header_back));
    assert_memory_equal(&header, &header_back, sizeof header);
    assert_false(directory_row_unpack_header(slice(room, n - 1), &header_back));
    n = directory_row_pack_domain(&domain, room);
    assert_true(directory_row_unpack_domain(slice(room, n), &domain_back));
    assert_memory_equal(&domain, &domain_back, sizeof domain);
    n = directory_row_pack_owner(77, room);
    assert_true(directory_row_unpack_address(slice(room, n), &owner));
    assert_int_equal(owner.account, 77);
    room[1] = 9; /* unknown kind */
    assert_false(directory_row_unpack_address(slice(room, n), &owner));
}

static void test_keys(void **state)
{
    struct directory_row_key key, domain;
    struct slice local, name;
    directory_row_key_address(&key, S("ann"), S("example.org"));
    assert_true(directory_row_key_parse_address(directory_row_key_slice(&key), &local, &name));
    assert_slice(local, S("ann"));
    assert_slice(name, S("example.org"));
    /* The keys of a domain are together, apart from those of domains that begin alike. */
    directory_row_key_address(&domain, S(""), S("example.or"));
    assert_false(slice_starts(directory_row_key_slice(&key), directory_row_key_slice(&domain)));
    assert_false(directory_row_key_parse_address(S("\3nozero"), &local, &name));
    assert_false(directory_row_key_parse_address(S("\3\0x"), &local, &name));
    assert_false(directory_row_key_parse_address(S("\2x\0x"), &local, &name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_account_round_trip),
        cmocka_unit_test(test_account_limits),
        cmocka_unit_test(test_alias_targets),
        cmocka_unit_test(test_small_rows),
        cmocka_unit_test(test_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
