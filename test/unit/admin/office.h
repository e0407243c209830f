/* Administration over a memory store: requests as JSON texts, answers as compact JSON. All of it on
 * a task. */
#pragma once
#include "admin/admin.h"
#include "base/buffer.h"
#include "unit/mailbox/fixture.h"

static struct admin office_admin;
static struct buffer office_rows; /* one line a row */
static struct admin_answer office_answer;

static inline bool office_emit(void *arg, json_t *row)
{
    char *text = json_dumps(row, JSON_COMPACT | JSON_SORT_KEYS);
    CHECK(text);
    buffer_add(&office_rows, slice_str(text));
    buffer_add(&office_rows, S("\n"));
    free(text);
    json_decref(row);
    return true;
}

static inline enum admin_exit office_run(const json_t *request)
{
    buffer_reset(&office_rows);
    admin_run(&office_admin, request, office_emit, NULL, &office_answer);
    buffer_add(&office_rows, S("\0"));
    CHECK(!office_rows.overflow && (office_answer.exit == ADMIN_DONE) == !*office_answer.why);
    return office_answer.exit;
}

static inline enum admin_exit office_ask(const char *text)
{
    json_t *request = json_loads(text, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
    CHECK(request);
    enum admin_exit e = office_run(request);
    json_decref(request);
    return e;
}

static inline void office_open(void)
{
    char why[DIRECTORY_WHY];
    fixture_open();
    buffer_init(&office_rows, (size_t)4 * 1024 * 1024);
    struct directory_options d = {.store = fixture_store};
    office_admin = (struct admin){.store = fixture_store};
    office_admin.directory = directory_open(&d, why, SOON);
    CHECK(office_admin.directory);
}

static inline void office_close(void)
{
    directory_close(office_admin.directory);
    fixture_close();
    buffer_finish(&office_rows);
}
