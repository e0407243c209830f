#include "unit/pop3/dialog.h"

struct pop3_service dialog_service = {
    .hostname = "mail.example.org", .plaintext_without_tls = true, .connections_per_account = 100};

void dialog_accept(struct conn_options *o)
{
    struct slice refusal;
    o->listener = "pop3";
    CHECK(pop3_accept(&dialog_service, &o->peer, &o->handler, &o->session, &refusal));
}

void dialog_serve(struct store *store)
{
    dialog_service.store = store;
}
