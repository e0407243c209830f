#include "unit/imap/dialog.h"

struct imap_service dialog_service = {.hostname = "mail.example.org",
    .tmp_dir = -1,
    .plaintext_without_tls = true,
    .connections_per_account = 100};

void dialog_accept(struct conn_options *o)
{
    struct slice refusal;
    o->listener = "imap";
    CHECK(imap_accept(&dialog_service, &o->peer, &o->handler, &o->session, &refusal));
}

void dialog_serve(struct store *store)
{
    dialog_service.store = store;
}
