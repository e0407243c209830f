#include "admin/frame.h"
#include "base/pack.h"
#include "unit/unit.h"

static json_t *value;
static size_t used;

/* A frame with this text in it, read. */
static enum frame_answer read_text(struct slice text)
{
    struct buffer b;
    char head[4];
    buffer_init(&b, 2 * FRAME_MAX);
    pack_u32(head, (uint32_t)text.n);
    buffer_add(&b, slice(head, 4));
    buffer_add(&b, text);
    enum frame_answer answer = frame_read(buffer_slice(&b), &used, &value);
    buffer_finish(&b);
    if (answer == FRAME_OK)
        json_decref(value);
    else
        assert_null(value);
    return answer;
}

static void there_and_back_at_every_byte(void **state)
{
    struct buffer b;
    buffer_init(&b, FRAME_MAX);
    assert_true(frame_write(json_pack("{s:i, s:s}", "v", 1, "do", "status"), &b));
    size_t first = b.n;
    assert_true(frame_write(json_pack("[]"), &b));
    for (size_t n = 0; n < first; n++) {
        assert_int_equal(frame_read(slice(b.p, n), &used, &value), FRAME_MORE);
        assert_true(used == 0 && !value);
    }
    assert_int_equal(frame_read(buffer_slice(&b), &used, &value), FRAME_OK);
    assert_int_equal(used, first);
    assert_string_equal(json_string_value(json_object_get(value, "do")), "status");
    json_decref(value);
    buffer_drop(&b, used);
    assert_int_equal(frame_read(buffer_slice(&b), &used, &value), FRAME_OK);
    assert_int_equal(used, b.n);
    json_decref(value);
    buffer_finish(&b);
}

/* A text value that makes the frame's body so long. */
static struct buffer body_of(size_t n)
{
    struct buffer b;
    buffer_init(&b, 2 * FRAME_MAX);
    buffer_add(&b, S("[\""));
    memset(buffer_room(&b, n - 4), 'x', n - 4);
    buffer_took(&b, n - 4);
    buffer_add(&b, S("\"]"));
    return b;
}

static void size(void **state)
{
    struct buffer fits = body_of(FRAME_MAX), over = body_of(FRAME_MAX + 1), out;
    assert_int_equal(read_text(buffer_slice(&fits)), FRAME_OK);
    assert_int_equal(read_text(buffer_slice(&over)), FRAME_BAD);
    /* The head alone is enough to refuse. */
    assert_int_equal(frame_read(S("\0\x10\0\1"), &used, &value), FRAME_BAD);
    assert_int_equal(frame_read(S("\xff\xff\xff\xff"), &used, &value), FRAME_BAD);
    assert_int_equal(frame_read(S("\0\x10\0\0"), &used, &value), FRAME_MORE);

    buffer_init(&out, FRAME_MAX + 4);
    assert_true(frame_write(json_loadb(fits.p, fits.n, 0, NULL), &out));
    assert_int_equal(out.n, FRAME_MAX + 4);
    buffer_reset(&out);
    assert_false(frame_write(json_loadb(over.p, over.n, 0, NULL), &out));
    assert_int_equal(out.n, 0);
    assert_false(frame_write(NULL, &out));
    buffer_finish(&out);
    buffer_finish(&fits);
    buffer_finish(&over);
}

static enum frame_answer nested(int depth, char open, char close)
{
    char text[256];
    size_t n = 0;
    for (int i = 0; i < depth; i++)
        n += (size_t)snprintf(
            text + n, sizeof text - n, "%c%s", open, open == '{' && i + 1 < depth ? "\"\":" : "");
    memset(text + n, close, (size_t)depth);
    return read_text(slice(text, n + (size_t)depth));
}

static void depth(void **state)
{
    assert_int_equal(nested(FRAME_DEPTH_MAX, '[', ']'), FRAME_OK);
    assert_int_equal(nested(FRAME_DEPTH_MAX + 1, '[', ']'), FRAME_BAD);
    assert_int_equal(nested(FRAME_DEPTH_MAX, '{', '}'), FRAME_OK);
    assert_int_equal(nested(FRAME_DEPTH_MAX + 1, '{', '}'), FRAME_BAD);
    static char many[100000];
    memset(many, '[', sizeof many);
    assert_int_equal(read_text(slice(many, sizeof many)), FRAME_BAD);
}

static void brackets_in_texts_are_no_depth(void **state)
{
    assert_int_equal(
        read_text(S("[\"[[[[[[[[[[[[[[[[[[[[[[[[\", \"{{{{{{{{{{{{{{{{{{{{\"]")), FRAME_OK);
    assert_int_equal(read_text(S("[\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[\"]")), FRAME_OK);
    /* An escaped backslash ends nothing: the text is over before the brackets. */
    assert_int_equal(read_text(S("[\"\\\\\",[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]")), FRAME_BAD);
    /* Brackets that a text closes too few of. */
    assert_int_equal(read_text(S("[[[[[[[[[[[[[[[[\"]]]]]]]]\",[]]]]]]]]]]]]]]]]]")), FRAME_BAD);
}

static void garbage(void **state)
{
    static const struct slice texts[] = {S(""), S(" "), S("{"), S("}"), S("nope"), S("{\"a\":1}x"),
        S("{\"a\":1,\"a\":2}"), S("\"\xff\""), S("[\"\xc3\"]"), S("[99999999999999999999]"),
        S("[1e999]"), S("\0"), S("{\"\\u0000\": 1}"), S("\""), S("[\"\\"), S("[\"\\ud800\"]")};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (read_text(texts[i]) != FRAME_BAD)
            fail_msg("'" SLICE_FMT "' was read", SLICE_ARG(texts[i]));
    assert_int_equal(read_text(S("[\"a\\u0000b\"]")), FRAME_OK);
    assert_int_equal(frame_read(S("\0\0\0\0rest"), &used, &value), FRAME_BAD);
}

static void raw_frames(void **state)
{
    static char bytes[FRAME_HEAD + FRAME_RAW_MAX + 1];
    struct slice raw, one = S("\x80\0\0\3abc\0\0\0\2{}");
    for (size_t n = 0; n < 7; n++)
        assert_int_equal(frame_next(slice_sub(one, 0, n), &used, &value, &raw), FRAME_MORE);
    assert_int_equal(frame_next(one, &used, &value, &raw), FRAME_OK);
    assert_true(used == 7 && !value);
    assert_slice(raw, S("abc"));
    assert_int_equal(frame_next(slice_from(one, 7), &used, &value, &raw), FRAME_OK);
    assert_true(used == 6 && json_is_object(value) && !raw.n);
    json_decref(value);
    assert_int_equal(frame_read(one, &used, &value), FRAME_BAD); /* where none may come */
    frame_raw_head(FRAME_RAW_MAX, bytes);
    assert_int_equal(frame_next(slice(bytes, sizeof bytes), &used, &value, &raw), FRAME_OK);
    assert_int_equal(raw.n, FRAME_RAW_MAX);
    frame_raw_head(FRAME_RAW_MAX + 1, bytes);
    assert_int_equal(frame_next(slice(bytes, FRAME_HEAD), &used, &value, &raw), FRAME_BAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back_at_every_byte),
        cmocka_unit_test(size),
        cmocka_unit_test(depth),
        cmocka_unit_test(brackets_in_texts_are_no_depth),
        cmocka_unit_test(garbage),
        cmocka_unit_test(raw_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
