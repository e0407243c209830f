#include "unit/pop3/speaker.h"
#include <stdio.h>
#include <stdlib.h>

enum auth_result speaker_result;
unsigned speaker_checks;

struct sasl {
    struct sasl_options options;
    bool echo;
    unsigned steps;
};

void auth_check(
    struct auth *a, const struct auth_request *request, struct auth_reply *reply, deadline until)
{
    bool right = slice_eq(request->user, S(SPEAKER_NAME)) &&
                 slice_eq(request->password, S(SPEAKER_PASSWORD));
    speaker_checks++;
    task_yield();
    *reply = (struct auth_reply){.result = right ? speaker_result : AUTH_WRONG};
    reply->account = SPEAKER_ACCOUNT;
    snprintf(reply->address, sizeof reply->address, "%s", SPEAKER_NAME);
}

struct slice sasl_mechanisms(bool tls, bool plaintext_allowed, bool binding, char out[128])
{
    return tls || plaintext_allowed ? S("ECHO PLAIN") : S("ECHO");
}

enum sasl_offer sasl_offered(struct slice mechanism, bool tls, bool plaintext_allowed, bool binding)
{
    if (slice_eq_nocase(mechanism, S("ECHO")))
        return SASL_OFFERED;
    if (!slice_eq_nocase(mechanism, S("PLAIN")))
        return SASL_NO_SUCH;
    return tls || plaintext_allowed ? SASL_OFFERED : SASL_NEEDS_TLS;
}

struct sasl *sasl_create(const struct sasl_options *options)
{
    struct sasl *s = calloc(1, sizeof *s);
    if (s) {
        s->options = *options;
        s->echo = slice_eq_nocase(options->mechanism, S("ECHO"));
    }
    return s;
}

void sasl_destroy(struct sasl *s)
{
    free(s);
}

static enum sasl_next step_echo(
    struct sasl *s, struct slice response, struct buffer *challenge, struct auth_reply *reply)
{
    struct auth_request right = {.user = S(SPEAKER_NAME), .password = S(SPEAKER_PASSWORD)};
    if (!slice_eq(response, S("open"))) {
        buffer_add(challenge, response);
        return SASL_CONTINUE;
    }
    auth_check(s->options.auth, &right, reply, 0);
    return reply->result == AUTH_OK ? SASL_OK : SASL_NO;
}

enum sasl_next sasl_step(struct sasl *s, struct slice response, bool has_response,
    struct buffer *challenge, struct auth_reply *reply, deadline until)
{
    buffer_reset(challenge);
    s->steps++;
    if (!has_response)
        return SASL_CONTINUE;
    if (s->echo)
        return step_echo(s, response, challenge, reply);
    struct auth_request request = {.authzid = slice_cut(&response, '\0')};
    request.user = slice_cut(&response, '\0');
    request.password = response;
    if (!request.user.n)
        return SASL_BAD;
    auth_check(s->options.auth, &request, reply, until);
    return reply->result == AUTH_OK ? SASL_OK : SASL_NO;
}
