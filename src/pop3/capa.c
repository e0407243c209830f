/* CAPA (RFC 2449 §5). What can be done before login is announced in both states (§5), but for STLS,
 * which is legal in one (RFC 2595 §4). */
#include "pop3/session_private.h"

#define CAPA_MAX ((size_t)2048)

static void list(struct pop3_talk *t, bool mail)
{
    struct buffer lines;
    buffer_init(&lines, CAPA_MAX);
    buffer_add(&lines, S("+OK What can be done here\r\n"));
    for (int verb = 0; verb < POP3_VERBS; verb++) {
        const struct pop3_row *row = pop3_dispatch_row((enum pop3_verb)verb);
        if (row->offer)
            row->offer(t, mail, &lines);
    }
    buffer_add(&lines, S("RESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nEXPIRE NEVER\r\n"
                         "IMPLEMENTATION barid\r\n.\r\n"));
    if (lines.overflow || !lines.p)
        pop3_talk_error(t, POP3_CODE_SYS_TEMP, "Out of memory, try again later");
    else
        conn_put(t->conn, buffer_slice(&lines));
    buffer_finish(&lines);
}

void pop3_capa_before(struct pop3_preauth *s, const struct pop3_command *c)
{
    list(&s->talk, false);
}

void pop3_capa_after(struct pop3_session *s, const struct pop3_command *c)
{
    list(&s->talk, true);
}
