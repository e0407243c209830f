#pragma once
#include "net/listen.h"

/* May this peer speak the PROXY protocol? Any thread. */
bool listen_is_proxy(const struct peer *p);
