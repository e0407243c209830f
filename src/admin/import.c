/* The store's side of `barid mailbox import`. */
#include "admin/command_private.h"
#include "admin/stream.h"
#include "base/base64.h"
#include "message/header.h"
#include "store/spool.h"
#include <stdio.h>

#define DATE_MAX INT64_C(253402300799) /* the end of the year 9999 */
#define DATE_MIN INT64_C(-62135596800) /* the beginning of the year 1 */
#define ALL_FLAGS                                                                                  \
    (MAILBOX_SEEN | MAILBOX_ANSWERED | MAILBOX_FLAGGED | MAILBOX_DELETED | MAILBOX_DRAFT)

TASK_FN
bool stream_import_open(const struct admin *a, const json_t *request, struct stream_import *i,
    struct admin_answer *answer)
{
    struct command c = {.admin = a, .request = request, .answer = answer};
    struct directory_account account;
    deadline until = deadline_in(COMMAND_PATIENCE);
    *answer = (struct admin_answer){.exit = ADMIN_DONE};
    if (!command_version(&c))
        return false;
    enum directory_result r =
        directory_account_find(a->directory, command_text(&c, "address"), &account, until);
    if (!command_directory(&c, r, ""))
        return false;
    *i = (struct stream_import){
        .admin = a, .account = account.id, .quota = account.quota, .message_size = a->message_size};
    enum outcome o = mailbox_open_account(a->store, account.id, until);
    if (o == OUTCOME_DONE)
        o = imported_prune(
            a->store, account.id, clock_wall() / 1000000 - IMPORTED_KEPT, DEADLINE_NEVER);
    if (o != OUTCOME_DONE)
        command_fail(&c, ADMIN_FAULT, "the account could not be opened: see the log");
    return o == OUTCOME_DONE;
}

/* ---- asks and mailboxes ---- */

static bool take_id(const json_t *text, uint8_t id[IMPORTED_ID])
{
    char bytes[IMPORTED_ID];
    struct slice hex = slice(json_string_value(text), json_string_length(text));
    struct buffer b;
    if (!json_is_string(text) || hex.n != 2 * IMPORTED_ID)
        return false;
    buffer_init(&b, IMPORTED_ID);
    bool ok = hex_decode(hex, &b) && b.n == IMPORTED_ID;
    if (ok)
        memcpy(bytes, b.p, IMPORTED_ID);
    buffer_finish(&b);
    if (ok)
        memcpy(id, bytes, IMPORTED_ID);
    return ok;
}

static TASK_FN
json_t *ask(struct stream_import *i, const json_t *list, struct command *c)
{
    uint8_t ids[STREAM_ASK][IMPORTED_ID];
    bool found[STREAM_ASK];
    char text[STREAM_ASK + 1];
    size_t n = json_array_size(list);
    bool ok = json_is_array(list) && n <= STREAM_ASK;
    for (size_t k = 0; ok && k < n; k++)
        ok = take_id(json_array_get(list, k), ids[k]);
    if (!ok) {
        command_fail(c, ADMIN_USAGE, "the import is not spoken as it should be");
        return NULL;
    }
    if (imported_ask(i->admin->store, i->account, (const uint8_t(*)[IMPORTED_ID])ids, n, found,
            deadline_in(COMMAND_PATIENCE)) != OUTCOME_DONE) {
        command_fail(c, ADMIN_FAULT, "the store does not answer: see the log");
        return NULL;
    }
    for (size_t k = 0; k < n; k++)
        text[k] = found[k] ? '1' : '0';
    return json_pack("{s:s%}", "there", text, n);
}

static TASK_FN
json_t *enter(struct stream_import *i, const json_t *name, struct command *c)
{
    char normal[MAILBOX_NAME_MAX];
    size_t n;
    const char *why = "the name is no text";
    struct slice text = slice(json_string_value(name), json_string_length(name));
    if (!json_is_string(name) || !mailbox_name_normalise(text, normal, &n, &why)) {
        command_fail(c, ADMIN_FAULT, "a mailbox cannot be made: %s", why);
        return NULL;
    }
    enum outcome o = imported_mailbox(
        i->admin->store, i->account, slice(normal, n), &i->mailbox, deadline_in(COMMAND_PATIENCE));
    if (o == OUTCOME_DONE)
        return json_pack("{s:O}", "mailbox", name);
    i->mailbox = 0;
    command_fail(c, ADMIN_FAULT,
        o == OUTCOME_REFUSED ? "there are too many mailboxes, or the account has been removed"
                             : "a mailbox could not be made: see the log");
    return NULL;
}

TASK_FN
json_t *stream_import_small(
    struct stream_import *i, const json_t *frame, struct admin_answer *answer)
{
    struct command c = {.admin = i->admin, .request = frame, .answer = answer};
    const json_t *list = json_object_get(frame, "ask"), *name = json_object_get(frame, "mailbox");
    *answer = (struct admin_answer){.exit = ADMIN_DONE};
    if (list)
        return ask(i, list, &c);
    if (name)
        return enter(i, name, &c);
    command_fail(&c, ADMIN_USAGE, "the import is not spoken as it should be");
    return NULL;
}

/* ---- items ---- */

static bool take_number(const json_t *item, const char *key, int64_t min, int64_t max, int64_t *to)
{
    const json_t *value = json_object_get(item, key);
    *to = json_integer_value(value);
    return json_is_integer(value) && *to >= min && *to <= max;
}

static bool take_keywords(const json_t *list, struct stream_item *item)
{
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n > IMPORTED_WORDS)
        return false;
    for (size_t i = 0; i < n; i++) {
        const json_t *word = json_array_get(list, i);
        struct slice text = slice(json_string_value(word), json_string_length(word));
        if (!json_is_string(word) || text.n > STREAM_KEYWORD || !imported_keyword_valid(text))
            return false;
        item->keywords[i] = text;
    }
    item->message.keywords = item->keywords;
    item->message.keyword_n = n;
    return true;
}

bool stream_item_open(const struct stream_import *i, json_t *frame, struct stream_item *item)
{
    const json_t *o = json_object_get(frame, "item");
    int64_t n, flags, date, zone;
    *item = (struct stream_item){0};
    if (!i->mailbox || !take_number(o, "n", 0, INT64_MAX, &n) ||
        !take_number(o, "flags", 0, ALL_FLAGS, &flags) ||
        !take_number(o, "date", DATE_MIN, DATE_MAX, &date) ||
        !take_number(o, "zone", -1439, 1439, &zone) ||
        !take_id(json_object_get(o, "id"), item->message.id) ||
        !take_keywords(json_object_get(o, "keywords"), item))
        return false;
    item->n = (uint64_t)n;
    item->frame = json_incref(frame);
    item->message.account = i->account;
    item->message.mailbox = i->mailbox;
    item->message.quota = i->quota;
    item->message.flags = (uint8_t)flags;
    item->message.date = date;
    item->message.zone = (int16_t)zone;
    return true;
}

void stream_item_close(struct stream_item *item)
{
    json_decref(item->frame);
    item->frame = NULL;
}

/* One field that reads as one, before the body begins. */
static bool looks_like_a_message(struct slice head)
{
    struct header_reader r = header_reader(head);
    struct header_field field;
    while (header_next(&r, &field))
        if (!field.broken && field.name.n)
            return true;
    return false;
}

static const char *bad_message(struct spool *body, bool nul)
{
    if (spool_state(body) == SPOOL_TOO_BIG)
        return "larger than limits.message_size";
    if (spool_state(body) == SPOOL_FAILED)
        return NULL;
    if (!spool_size(body))
        return "empty";
    if (nul)
        return "holds NUL bytes";
    return looks_like_a_message(spool_head(body)) ? NULL : "no header: this is not a message";
}

TASK_FN
static enum imported keep(
    const struct admin *a, struct imported_message *message, struct spool *body)
{
    struct buffer row;
    buffer_init(&row, MAILBOX_RENDERED_MAX);
    if (a->render && spool_in_memory(body))
        a->render(S(""), spool_head(body), &row);
    message->body = body;
    message->rendered = buffer_slice(&row);
    enum imported r = imported_add(a->store, message, deadline_in(COMMAND_PATIENCE));
    buffer_finish(&row);
    return r;
}

TASK_FN
json_t *stream_item_store(
    const struct stream_import *i, struct stream_item *item, struct spool *body, bool nul)
{
    static const struct {
        const char *is, *why;
    } words[] = {
        [IMPORTED_KEPT_NOW] = {"kept", ""},
        [IMPORTED_ALREADY] = {"already", ""},
        [IMPORTED_OVER_QUOTA] = {"full", "the account is over its quota"},
        [IMPORTED_GONE] = {"failed", "the mailbox or the account has been removed meanwhile"},
        [IMPORTED_FAILED] = {"failed", "the store has no room or does not answer: see the log"},
        [IMPORTED_UNKNOWN] = {"failed", "the store has failed: see the log"},
    };
    enum outcome o = spool_end(body, deadline_in(COMMAND_PATIENCE));
    const char *bad = bad_message(body, nul);
    if (bad)
        return json_pack("{s:I, s:s, s:s}", "n", (json_int_t)item->n, "is", "bad", "why", bad);
    enum imported r = o == OUTCOME_DONE ? keep(i->admin, &item->message, body) : IMPORTED_FAILED;
    return json_pack("{s:I, s:s, s:s, s:b}", "n", (json_int_t)item->n, "is", words[r].is, "why",
        words[r].why, "lost", (int)item->message.keywords_lost);
}
