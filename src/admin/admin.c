#include "admin/admin.h"
#include "admin/command_private.h"
#include "base/buffer.h"
#include "base/utf8.h"
#include <stdarg.h>
#include <stdio.h>

static TASK_FN
void command_status(struct command *c)
{
    if (!c->admin->status) {
        command_fail(c, ADMIN_FAULT, "no server is running on this data_dir");
        return;
    }
    command_emit(c, c->admin->status(c->admin->arg));
}

static TASK_FN
void command_reload(struct command *c)
{
    char why[ADMIN_WHY] = "no server is running on this data_dir";
    if (!c->admin->reload || !c->admin->reload(c->admin->arg, why))
        command_fail(c, ADMIN_FAULT, "%s", why);
}

static const struct {
    const char *name;
    void (*run)(struct command *c);
} commands[] = {
    {"status", command_status},
    {"reload", command_reload},
    {"domain add", command_domain_add},
    {"domain list", command_domain_list},
    {"domain remove", command_domain_remove},
    {"account add", command_account_add},
    {"account list", command_account_list},
    {"account remove", command_account_remove},
    {"account password", command_account_password},
    {"account set", command_account_set},
    {"alias add", command_alias_add},
    {"alias list", command_alias_list},
    {"alias remove", command_alias_remove},
    {"mailbox list", command_mailbox_list},
    {"queue list", command_queue_list},
    {"queue show", command_queue_show},
    {"queue retry", command_queue_retry},
    {"queue hold", command_queue_hold},
    {"queue release", command_queue_release},
    {"queue remove", command_queue_remove},
    {"session list", command_session_list},
    {"session kick", command_session_kick},
    {"trace", command_trace},
    {"verify", command_verify},
};

/* Cut texts and strange ones: the line goes through JSON and to a terminal. */
static void clean_why(char why[ADMIN_WHY])
{
    struct slice rest = slice_str(why);
    while (rest.n) {
        char *at = why + strlen(why) - rest.n;
        size_t before = rest.n;
        uint32_t code = utf8_take(&rest);
        bool bad = code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0xfffd;
        if (bad)
            memset(at, '?', before - rest.n);
    }
}

static TASK_FN
void dispatch(struct command *c)
{
    struct slice name = command_text(c, "do");
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (slice_eq(name, slice_str(commands[i].name))) {
            commands[i].run(c);
            return;
        }
    command_fail(c, ADMIN_USAGE, "there is no such request");
}

TASK_FN
void admin_run(const struct admin *a, const json_t *request, admin_emit emit, void *arg,
    struct admin_answer *answer)
{
    struct command c = {.admin = a, .request = request, .emit = emit, .arg = arg, .answer = answer};
    *answer = (struct admin_answer){.exit = ADMIN_DONE};
    if (command_version(&c))
        dispatch(&c);
    clean_why(answer->why);
}

/* ---- what the commands share ---- */

bool command_version(struct command *c)
{
    if (json_is_object(c->request) &&
        json_integer_value(json_object_get(c->request, "v")) == ADMIN_VERSION)
        return true;
    command_fail(c, ADMIN_USAGE,
        "the request is of another version: use the barid command that belongs to the server");
    return false;
}

struct slice command_text(const struct command *c, const char *key)
{
    const json_t *value = json_object_get(c->request, key);
    return json_is_string(value) ? slice(json_string_value(value), json_string_length(value))
                                 : S("");
}

bool command_take_text(struct command *c, const char *key, struct slice *text)
{
    *text = command_text(c, key);
    if (!command_has(c, key) || json_is_string(json_object_get(c->request, key)))
        return true;
    command_fail(c, ADMIN_FAULT, "%s is no text", key);
    return false;
}

bool command_take_flag(struct command *c, const char *key, bool *flag)
{
    const json_t *value = json_object_get(c->request, key);
    *flag = json_is_true(value);
    if (!value || json_is_boolean(value))
        return true;
    command_fail(c, ADMIN_FAULT, "%s is neither true nor false", key);
    return false;
}

TASK_FN
bool command_emit(struct command *c, json_t *row)
{
    if (!row)
        command_fail(c, ADMIN_FAULT, "out of memory");
    return row && c->emit(c->arg, row);
}

bool command_has(const struct command *c, const char *key)
{
    return json_object_get(c->request, key) != NULL;
}

void command_fail(struct command *c, enum admin_exit exit, const char *format, ...)
{
    va_list args;
    c->answer->exit = exit;
    va_start(args, format);
    vsnprintf(c->answer->why, sizeof c->answer->why, format, args);
    va_end(args);
}

bool command_directory(struct command *c, enum directory_result result, const char *why)
{
    static const enum admin_exit exits[] = {
        [DIRECTORY_OK] = ADMIN_DONE,
        [DIRECTORY_EXISTS] = ADMIN_FAULT,
        [DIRECTORY_ABSENT] = ADMIN_ABSENT,
        [DIRECTORY_NO_DOMAIN] = ADMIN_ABSENT,
        [DIRECTORY_BAD] = ADMIN_FAULT,
        [DIRECTORY_LOOP] = ADMIN_FAULT,
        [DIRECTORY_IN_USE] = ADMIN_FAULT,
        [DIRECTORY_BUSY] = ADMIN_FAULT,
        [DIRECTORY_UNKNOWN] = ADMIN_FAULT,
    };
    if (result == DIRECTORY_OK)
        return true;
    command_fail(c, exits[result], "%s",
        *why                            ? why
        : result == DIRECTORY_ABSENT    ? "there is no such account"
        : result == DIRECTORY_NO_DOMAIN ? "there is no such domain"
        : result == DIRECTORY_BAD       ? "that is no address"
                                        : "the store is busy or failing: see the log");
    return false;
}

json_t *command_json_text(struct slice s)
{
    if (utf8_valid(s))
        return json_stringn(s.p ? s.p : "", s.n);
    struct buffer clean;
    buffer_init(&clean, 3 * s.n + 1);
    while (s.n) {
        char code[4];
        buffer_add(&clean, slice(code, utf8_put(utf8_take(&s), code)));
    }
    json_t *text = json_stringn(clean.p ? clean.p : "", clean.n);
    buffer_finish(&clean);
    return text;
}

json_t *command_json_or_null(const char *text)
{
    return *text ? command_json_text(slice_str(text)) : json_null();
}
