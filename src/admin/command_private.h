/* What the commands share. */
#pragma once
#include "admin/admin.h"

/* One request being run. */
struct command {
    const struct admin *admin;
    const json_t *request;
    admin_emit emit;
    void *arg;
    struct admin_answer *answer;
};

/* Is the request of our version? Else the command has ended. */
bool command_version(struct command *c);

#define COMMAND_PATIENCE (30 * CLOCK_SEC)

/* A text of the request; an empty slice when it is absent or no text. */
struct slice command_text(const struct command *c, const char *key);
bool command_has(const struct command *c, const char *key);
/* A text, a truth value; absent is fine and leaves them empty or false. False: the key is of
 * another type, the command has ended. */
bool command_take_text(struct command *c, const char *key, struct slice *text);
bool command_take_flag(struct command *c, const char *key, bool *flag);
/* Hands the row over; NULL (out of memory) ends the command, so that no list is short in silence.
 * False: stop. */
TASK_FN
bool command_emit(struct command *c, json_t *row);
/* Ends the command. */
void command_fail(struct command *c, enum admin_exit exit, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* True on OK; else ends the command with the right exit code and why. */
bool command_directory(struct command *c, enum directory_result result, const char *why);
/* A JSON text from bytes; "\xff" and such become U+FFFD. */
json_t *command_json_text(struct slice s);
json_t *command_json_or_null(const char *text);

TASK_FN
void command_domain_add(struct command *c);
TASK_FN
void command_domain_list(struct command *c);
TASK_FN
void command_domain_remove(struct command *c);
TASK_FN
void command_account_add(struct command *c);
TASK_FN
void command_account_list(struct command *c);
TASK_FN
void command_account_remove(struct command *c);
TASK_FN
void command_account_password(struct command *c);
TASK_FN
void command_account_set(struct command *c);
TASK_FN
void command_alias_add(struct command *c);
TASK_FN
void command_alias_list(struct command *c);
TASK_FN
void command_alias_remove(struct command *c);
TASK_FN
void command_mailbox_list(struct command *c);
TASK_FN
void command_session_list(struct command *c);
TASK_FN
void command_session_kick(struct command *c);
/* In a running server: nobody stays logged in as this account. */
TASK_FN
void command_session_end(struct command *c, const char *address);
TASK_FN
void command_queue_list(struct command *c);
TASK_FN
void command_queue_show(struct command *c);
TASK_FN
void command_queue_retry(struct command *c);
TASK_FN
void command_queue_hold(struct command *c);
TASK_FN
void command_queue_release(struct command *c);
TASK_FN
void command_queue_remove(struct command *c);
TASK_FN
void command_trace(struct command *c);
TASK_FN
void command_verify(struct command *c);
