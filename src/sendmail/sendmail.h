/* How programs of this machine hand mail over: the sendmail command. It speaks SMTP to the server
 * over the unix socket listen.sendmail, where the system tells who calls. Either all recipients are
 * accepted, or nothing is sent. */
#pragma once
#include "sendmail/options.h"

/* SENDMAIL_POST and SENDMAIL_SMTP: reads stdin; the exit code, after one line on stderr when it is
 * not 0. */
int sendmail_run(const struct sendmail_options *o);
