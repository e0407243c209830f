/* libunbound, as we want it. */
#pragma once
#include "dns/dns.h"
#include <unbound.h>

/* Its first question needs 200 KiB of stack: on no task. Ended by ub_ctx_delete. NULL: why. */
struct ub_ctx *resolver_create(const struct dns_options *options, char why[256]);
