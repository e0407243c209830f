/* Programs of this machine, as users that the test chooses. */
#pragma once
#include "unit/intake/world.h"

#define OTHER 4000000001u /* nobody's */

static struct smtp_service local;

/* uid -1: the system does not say. */
static inline void call_as(struct client *c, int64_t uid, const char *greeting)
{
    int fds[2];
    struct slice refusal;
    struct conn_options o = {.listener = "sendmail"};
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    o.peer.unix_socket = true;
    o.peer.has_uid = uid >= 0;
    o.peer.uid = (uint32_t)uid;
    CHECK(smtp_accept(&local, &o.peer, &o.handler, &o.session, &refusal));
    o.fd = fds[0];
    o.stream = stream_socket(fds[0]);
    CHECK(conn_create(&o));
    c->fd = fds[1];
    c->ssl = NULL;
    buffer_init(&c->heard, (size_t)1024 * 1024);
    HEARS(c, greeting);
    if (*greeting == '2')
        SAYS(c, "EHLO me\r\n", "250-mx.our.test");
}
