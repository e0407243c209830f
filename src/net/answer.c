#include "net/answer.h"
#include "base/utf8.h"

const char *answer_name(enum answer a)
{
    static const char *const names[] = {"ok", "temporary", "permanent", "unsupported", "untrusted",
        "protocol", "lost", "unknown", "local", "cancelled"};
    return names[a];
}

enum answer answer_of(enum channel_result r)
{
    switch (r) {
    case CHANNEL_OK:
        return ANSWER_OK;
    case CHANNEL_CANCELLED:
        return ANSWER_CANCELLED;
    case CHANNEL_INPUT:
    case CHANNEL_TOO_LONG:
    case CHANNEL_LIMIT:
        return ANSWER_PROTOCOL;
    default:
        return ANSWER_LOST;
    }
}

enum answer answer_of_dial(enum dial_result r)
{
    switch (r) {
    case DIAL_OK:
        return ANSWER_OK;
    case DIAL_CANCELLED:
        return ANSWER_CANCELLED;
    case DIAL_TLS:
    case DIAL_UNTRUSTED:
        return ANSWER_UNTRUSTED;
    case DIAL_INJECTED:
        return ANSWER_PROTOCOL;
    default:
        return ANSWER_LOST;
    }
}

void answer_clean(struct slice words, char *to, size_t room)
{
    size_t n = 0;
    while (words.n) {
        char character[4];
        uint32_t code = utf8_take(&words);
        if (utf8_control(code) || code == 0xfffd)
            code = '?';
        size_t length = utf8_put(code, character);
        if (n + length >= room)
            break;
        memcpy(to + n, character, length);
        n += length;
    }
    to[n] = '\0';
}
