#include "delivery/sts_private.h"

struct sts_key sts_row_key(struct slice domain)
{
    struct sts_key k = {.n = 0};
    if (!domain.n || domain.n > sizeof k.p - 1)
        return k;
    k.p[0] = KEY_TRANSPORT_POLICY;
    memcpy(k.p + 1, domain.p, domain.n);
    k.n = 1 + domain.n;
    return k;
}

static size_t put_text(char *to, struct slice text)
{
    pack_u16(to, (uint16_t)text.n);
    if (text.n)
        memcpy(to + 2, text.p, text.n);
    return 2 + text.n;
}

size_t sts_row_pack(const struct sts_policy *p, char out[STS_ROW_MAX])
{
    memset(out, 0, 16);
    out[0] = STS_ROW_VERSION;
    out[1] = (char)p->mode;
    pack_u32(out + 4, (uint32_t)p->max_age);
    pack_u64(out + 8, (uint64_t)p->fetched);
    size_t n = 16 + put_text(out + 16, slice_str(p->id));
    return n + put_text(out + n, slice_sub(p->mx, 0, STS_MX_BYTES));
}

static bool take_text(struct slice *rest, struct slice *text)
{
    if (rest->n < 2 || rest->n - 2 < unpack_u16(rest->p))
        return false;
    *text = slice_sub(*rest, 2, unpack_u16(rest->p));
    *rest = slice_from(*rest, 2 + text->n);
    return true;
}

bool sts_row_unpack(struct slice row, struct sts_policy *p)
{
    struct slice rest = slice_from(row, 16), id;
    *p = (struct sts_policy){0};
    if (row.n < 16 || row.p[0] != STS_ROW_VERSION || (unsigned char)row.p[1] > STS_ENFORCE)
        return false;
    p->mode = (enum sts_mode)row.p[1];
    p->max_age = unpack_u32(row.p + 4);
    p->fetched = (int64_t)unpack_u64(row.p + 8);
    return take_text(&rest, &id) && take_text(&rest, &p->mx) && !rest.n && id.n <= STS_ID_MAX &&
           p->mx.n <= STS_MX_BYTES && slice_to_cstr(id, p->id, sizeof p->id);
}
