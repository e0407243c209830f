/* sd_notify(3) without its library: one datagram to $NOTIFY_SOCKET; nothing when there is none. */
#pragma once

void notify(const char *state);
