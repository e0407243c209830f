/* One HTTPS request to a host by its name: resolved, never to ourselves or to private addresses
 * (unless they are allowed), verified by the authorities of the rules. */
#pragma once
#include "delivery/remote.h"
#include "http/client.h"

#define WEB_ADDRESSES_MAX 4 /* tried, one after the other */

/* call: host, port, path, accept, post and post_type are the caller's; the rest is filled. */
TASK_FN
enum http_result web_call(
    struct delivery_remote *remote, struct http_call *call, struct buffer *body, deadline until);
