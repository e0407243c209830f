#include "base/utf8.h"
#include "queue/dsn.h"

/* By the subject and detail of the code (RFC 3463, RFC 5248 and the registry it made). */
static const struct {
    const char *code, *words;
} sentences[] = {
    {"1.0", "There is a problem with the address"},
    {"1.1", "There is no such address at its server"},
    {"1.2", "The domain of the address does not exist, or takes no mail"},
    {"1.3", "The address is not written as an address should be"},
    {"1.4", "The address is ambiguous at its server"},
    {"1.6", "The recipient has moved, and left no new address"},
    {"1.7", "The address of the sender is not written as an address should be"},
    {"1.8", "The receiving server could not find the domain of the sender"},
    {"1.10", "The domain says that it takes no mail at all"},
    {"2.0", "There is a problem with the mailbox of the recipient"},
    {"2.1", "The mailbox of the recipient is switched off"},
    {"2.2", "The mailbox of the recipient is full"},
    {"2.3", "The message is larger than the recipient may receive"},
    {"2.4", "The mailing list could not be expanded"},
    {"3.0", "The receiving system has a problem"},
    {"3.1", "The receiving system has no space left"},
    {"3.2", "The receiving system takes no mail at present"},
    {"3.3", "The receiving system lacks something that the message needs"},
    {"3.4", "The message is too big for the receiving system"},
    {"4.0", "The receiving server could not be reached"},
    {"4.1", "No server of the domain answered"},
    {"4.2", "The connection to the receiving server broke"},
    {"4.3", "The servers of the domain could not be looked up"},
    {"4.4", "There is no way to the domain of the recipient"},
    {"4.5", "The receiving system is overloaded"},
    {"4.6", "The message went in circles between servers"},
    {"4.7", "The time in which it could be delivered is over"},
    {"5.0", "The receiving server and we did not understand each other"},
    {"5.1", "The receiving server refused a command"},
    {"5.2", "The receiving server refused a command"},
    {"5.3", "The message has too many recipients for the receiving server"},
    {"6.0", "The receiving server does not take what is in the message"},
    {"6.1", "The receiving server does not take what is in the message"},
    {"6.3", "The message would have to be converted, and cannot be"},
    {"6.7", "The receiving server does not support internationalised addresses"},
    {"6.9", "The receiving server does not support internationalised mail"},
    {"7.0", "The receiving server refused the message by its rules"},
    {"7.1", "The receiving server does not accept this message from this sender"},
    {"7.2", "The sender may not write to this mailing list"},
    {"7.4", "A security feature that is needed is not supported by the receiving server"},
    {"7.5", "No connection that is secure enough could be made to the receiving server"},
    {"7.8", "The receiving server did not accept our login"},
    {"7.10", "The receiving server cannot be reached with encryption as the sender demands"},
    {"7.20", "The receiving server found no valid DKIM signature"},
    {"7.23", "The receiving server says that the message fails SPF"},
    {"7.25", "The receiving server wants a reverse DNS name of our address"},
    {"7.26", "The receiving server says that the message fails more than one check of its sender"},
    {"7.28", "The receiving server says that too much mail of this kind came"},
    {"7.30", "No server of the domain offers the encryption that the sender demands (REQUIRETLS)"},
};

struct slice dsn_words(enum dsn_action action, struct slice status)
{
    static const char *const of_action[] = {
        [DSN_FAILED] = "The receiving server refused the message",
        [DSN_DELAYED] = "The message could not be delivered yet",
        [DSN_DELIVERED] = "The message was put into the mailbox of the recipient",
        [DSN_RELAYED] = "The message was handed to a server that sends no further reports",
        [DSN_EXPANDED] = "The message was handed to a list of recipients",
    };
    struct slice code = slice_from(status, 2);
    if (action <= DSN_DELAYED && status.n > 2 && status.p[1] == '.')
        for (size_t i = 0; i < sizeof sentences / sizeof *sentences; i++)
            if (slice_eq(code, slice_str(sentences[i].code)))
                return slice_str(sentences[i].words);
    return slice_str(of_action[action]);
}

void dsn_clean(struct buffer *to, struct slice text, bool utf8, size_t max)
{
    size_t start = to->n;
    while (text.n && to->n - start < max) {
        char bytes[4];
        uint32_t code = utf8_take(&text);
        bool blank = code == '\r' || code == '\n' || code == '\t';
        bool bad = utf8_control(code) || (code >= 0x80 && !utf8);
        if (blank)
            buffer_add_char(to, ' ');
        else if (bad)
            buffer_add_char(to, '?');
        else
            buffer_add(to, slice(bytes, utf8_put(code, bytes)));
    }
}

static int hex(char c)
{
    if (ascii_digit(c))
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

void dsn_xtext(struct buffer *to, struct slice text, bool utf8)
{
    char plain[512];
    size_t n = 0;
    for (size_t i = 0; i < text.n && n < sizeof plain; i++) {
        bool coded = text.p[i] == '+' && i + 2 < text.n && hex(text.p[i + 1]) >= 0 &&
                     hex(text.p[i + 2]) >= 0;
        plain[n++] = coded ? (char)(hex(text.p[i + 1]) * 16 + hex(text.p[i + 2])) : text.p[i];
        i += coded ? 2 : 0;
    }
    dsn_clean(to, slice(plain, n), utf8, sizeof plain);
}
