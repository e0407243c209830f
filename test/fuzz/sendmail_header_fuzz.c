/* The header of any message: its pieces are the message, and every recipient is an address that may
 * be said to a server. */
#include "message/address.h"
#include "message/header.h"
#include "message_fuzz.h"
#include "sendmail/header.h"

static struct sendmail_list list;

static void check_list(struct slice text)
{
    for (size_t i = 0; i < list.n; i++) {
        struct address_spec spec;
        CHECK(address_parse(list.addresses[i], true, &spec));
        CHECK(!slice_has_any(list.addresses[i], "\r\n"));
    }
    if (list.bad.p)
        CHECK(list.bad.p >= text.p && list.bad.p + list.bad.n <= text.p + text.n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct slice in = slice(data, n);
    struct sendmail_header h;
    CHECK(sendmail_header_find(in, true, &h));
    CHECK(h.rest <= n && h.fields.n <= h.rest);
    CHECK(h.fields.p + h.fields.n == in.p + h.rest || !h.fields.n);
    sendmail_list_init(&list);
    sendmail_list_header(&list, h.fields);
    check_list(h.fields);
    sendmail_list_finish(&list);
    sendmail_list_init(&list);
    sendmail_list_add(&list, in);
    check_list(in);
    sendmail_list_finish(&list);
    return 0;
}
