/* What an IMAP ENVELOPE tells (RFC 9051 §7.5.2), as raw facts. */
#pragma once
#include "message/address.h"

/* Texts are unfolded and not decoded; p == NULL when the field is absent. Of repeated fields the
 * first counts, of address fields but From, Sender and Reply-To all. Valid as long as the arena and
 * the message. */
struct envelope {
    struct slice date, subject, in_reply_to, message_id;
    struct address_list from, sender, reply_to, to, cc, bcc; /* sender and reply_to: from's when
                                                                absent or empty */
    bool truncated; /* an address field had more than ADDRESS_LIST_MAX entries, or the arena is
                       full */
};

/* message: a whole one or its header. */
void envelope_parse(struct slice message, struct arena *arena, struct envelope *out);
/* Takes the next "<...@...>" off a value (Message-ID, In-Reply-To, References; RFC 5322 §3.6.4),
 * with its angle brackets, as it stands; comments and other words are passed over. False at the
 * end. Linear over all calls. */
bool envelope_next_id(struct slice *rest, struct slice *id);
