#include "base/hash.h"
#include "base/pack.h"
#include "store/segment.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct store_blob_owner owners[2] = {{1, 2}, {UINT64_MAX, UINT32_MAX}};

static size_t make(char *to, size_t owner_count)
{
    struct segment_record r = {
        42, 100, -5, segment_header_size(owner_count), (uint32_t)owner_count};
    segment_header_write(to, &r, owners);
    return r.header_size;
}

static void sizes(void **state)
{
    assert_int_equal(segment_header_size(0), 48);
    assert_int_equal(segment_header_size(1), 64);
    assert_int_equal(segment_header_size(2), 72);
    assert_int_equal(segment_record_size(48, 0), 48);
    assert_int_equal(segment_record_size(48, 1), 56);
    assert_int_equal(segment_record_size(48, 65536), 48 + 65536 + 8);
    assert_int_equal(segment_record_size(48, 65537), 48 + 65537 + 8 + 7);
    assert_int_equal(segment_block_count(65536), 1);
    assert_int_equal(segment_block_count(65537), 2);
}

static void there_and_back(void **state)
{
    char header[128];
    struct segment_record r;
    size_t n = make(header, 2);
    assert_int_equal(segment_header_parse(slice(header, n), &r), SEGMENT_OK);
    assert_true(r.id == 42 && r.size == 100 && r.date == -5 && r.owner_count == 2);
    struct store_blob_owner o = segment_header_owner(slice(header, n), 1);
    assert_true(o.account == UINT64_MAX && o.mailbox == UINT32_MAX);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(segment_header_parse(slice(header, i), &r), SEGMENT_MORE);
}

static void every_bit_counts(void **state)
{
    char header[128];
    struct segment_record r;
    size_t n = make(header, 1);
    for (size_t bit = 0; bit < n * 8; bit++) {
        header[bit / 8] ^= (char)(1 << bit % 8);
        /* A size of the header that was changed may ask for more. */
        assert_int_not_equal(segment_header_parse(slice(header, n), &r), SEGMENT_OK);
        header[bit / 8] ^= (char)(1 << bit % 8);
    }
    assert_int_equal(segment_header_parse(slice(header, n), &r), SEGMENT_OK);
    char zeros[64] = {0};
    assert_int_equal(segment_header_parse(slice(zeros, sizeof zeros), &r), SEGMENT_BAD);
}

static void bounds(void **state)
{
    char header[SEGMENT_HEADER_MAX + 64];
    struct segment_record r;
    struct store_blob_owner *many = calloc(SEGMENT_OWNERS_MAX + 1, sizeof *many);
    struct segment_record w = {
        1, 0, 0, segment_header_size(SEGMENT_OWNERS_MAX), SEGMENT_OWNERS_MAX};
    segment_header_write(header, &w, many);
    assert_int_equal(segment_header_parse(slice(header, w.header_size), &r), SEGMENT_OK);
    w.owner_count++;
    w.header_size = segment_header_size(w.owner_count);
    segment_header_write(header, &w, many);
    assert_int_equal(segment_header_parse(slice(header, w.header_size), &r), SEGMENT_BAD);
    w = (struct segment_record){1, SEGMENT_SIZE_MAX + 1, 0, 48, 0};
    segment_header_write(header, &w, NULL);
    assert_int_equal(segment_header_parse(slice(header, 48), &r), SEGMENT_BAD);
    w = (struct segment_record){0, 1, 0, 48, 0};
    segment_header_write(header, &w, NULL);
    assert_int_equal(segment_header_parse(slice(header, 48), &r), SEGMENT_BAD);
    free(many);
}

static void checksums_in_pieces(void **state)
{
    static char bytes[200000];
    uint8_t table[16];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 7);
    for (size_t step = 1; step < sizeof bytes; step = step * 3 + 1) {
        struct segment_sum sum;
        segment_sum_start(&sum, 5, table);
        for (size_t at = 0; at < sizeof bytes; at += step)
            segment_sum_add(&sum, slice_sub(slice(bytes, sizeof bytes), at, step));
        segment_sum_end(&sum);
        assert_int_equal(sum.block, 4);
        for (uint64_t b = 0; b < 4; b++) {
            size_t n = b == 3 ? sizeof bytes - 3 * SEGMENT_BLOCK : SEGMENT_BLOCK;
            assert_int_equal(
                unpack_u32(table + 4 * b), segment_block_crc(5, b, bytes + b * SEGMENT_BLOCK, n));
        }
    }
    assert_int_not_equal(segment_block_crc(5, 0, "x", 1), segment_block_crc(6, 0, "x", 1));
    assert_int_not_equal(segment_block_crc(5, 0, "x", 1), segment_block_crc(5, 1, "x", 1));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(every_bit_counts),
        cmocka_unit_test(bounds),
        cmocka_unit_test(checksums_in_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
