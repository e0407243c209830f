/* An SMTP server that is played by the test, one connection at a time, in a thread of its own: it
 * does as it should, or falls silent at a stage. */
#pragma once
#include "smtp/client.h"
#include <stdatomic.h>

#define SINK_WELL   SMTP_STAGES
#define SINK_DRIPS  (SMTP_STAGES + 1) /* one byte of an endless greeting for each sink_drip */
#define SINK_ABSENT (SMTP_STAGES + 2) /* takes no connection */
#define SINK_ONCE   (SMTP_STAGES + 3) /* one message of a connection, then 421 */

extern atomic_int sink_silent_at;
/* What it saw: falling silent, bodies that ended, messages that it said yes to, their recipients.
 */
extern atomic_uint sink_silences, sink_bodies, sink_mails, sink_recipients;

/* On any port of 127.0.0.1, which it returns. */
unsigned short sink_start(void);
void sink_stop(void);
void sink_drip(void);
/* While it is ABSENT: nobody else gets through to it either. */
void sink_fill(void);
/* It is no longer what it was. */
void sink_turn(int to);
