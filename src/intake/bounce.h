/* Reports that come back to senders made for forwarded mail (srs.h). */
#pragma once
#include "intake/session_private.h"
#include "intake/srs.h"

/* As directory_resolve, for a local part that is one of SRS: the account of its stamp, else the
 * domain's postmaster. When the address takes no mail, *reply says why. */
TASK_FN
enum directory_resolved intake_bounce_resolve(struct intake_session *t,
    const struct smtp_path *recipient, struct directory_resolution *r, struct smtp_reply *reply);
