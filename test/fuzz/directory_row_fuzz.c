/* Any bytes as rows of the directory: what unpacks packs to the same bytes. */
#include "directory/row.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void same(size_t packed, const char *p, struct slice value)
{
    if (packed && !slice_eq(slice(p, packed), value))
        abort();
}

static void address(struct slice value)
{
    static char room[DIRECTORY_ROW_ALIAS];
    static struct slice targets[DIRECTORY_TARGETS_MAX];
    struct directory_row_address row;
    size_t n = 0;
    if (!directory_row_unpack_address(value, &row))
        return;
    if (!row.alias) {
        same(directory_row_pack_owner(row.account, room), room, value);
        return;
    }
    while (n < DIRECTORY_TARGETS_MAX && directory_row_target_next(&row.targets, &targets[n]))
        n++;
    if (row.targets.n)
        abort();
    same(directory_row_pack_alias(targets, n, room), room, value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice value = slice(data, n), local, domain;
    struct directory_row_header header;
    struct directory_row_domain counts;
    struct directory_row_account account;
    char room[DIRECTORY_ROW_ACCOUNT];
    uint64_t id;
    if (directory_row_unpack_header(value, &header))
        same(directory_row_pack_header(&header, room), room, value);
    if (directory_row_unpack_domain(value, &counts))
        same(directory_row_pack_domain(&counts, room), room, value);
    if (directory_row_unpack_account(value, &account))
        same(directory_row_pack_account(&account, room), room, value);
    address(value);
    if (directory_row_key_parse_address(value, &local, &domain)) {
        struct directory_row_key key;
        directory_row_key_address(&key, local, domain);
        if (!slice_eq(directory_row_key_slice(&key), value))
            abort();
    }
    directory_row_key_parse_id(value, &id);
    return 0;
}
