/* The queue's commands, without a server. */
#include "queue/queue.h"
#include "unit/admin/office.h"

struct putting {
    struct queue_new *new;
    struct store_new_blob *blob;
};

static enum outcome put_fn(struct store_txn *t, void *arg)
{
    struct putting *p = arg;
    p->new->message.blob = p->blob->id;
    p->new->message.size = p->blob->size;
    return queue_put(t, p->new);
}

static void put(const char *sender, const char *route, size_t n, char id[16])
{
    struct queue_recipient r[200] = {0};
    struct spool_options options = {.tmp_dir = -1};
    struct spool *body = spool_create(&options);
    CHECK(spool_write(body, S("Subject: x\r\n\r\n")) == SPOOL_OK);
    struct store_new_blob blob = {.body = body};
    for (size_t i = 0; i < n; i++)
        r[i] = (struct queue_recipient){
            .address = i ? S("y@far.example") : S("x@far.example"), .route = slice_str(route)};
    struct queue_new new = {
        .message = {.created = 1790000000, .sender = slice_str(sender)}, .recipients = r, .n = n};
    struct putting p = {&new, &blob};
    struct store_mutation m = {.partition = queue_partition(NULL), .fn = put_fn, .arg = &p};
    CHECK(store_mutate(fixture_store, &m, &blob, SOON) == OUTCOME_DONE);
    spool_destroy(body);
    queue_id_text(new.message.id, id);
}

static enum admin_exit ask(const char *what, const char *more)
{
    char text[512];
    snprintf(text, sizeof text, "{\"v\":1,\"do\":\"queue %s\"%s}", what, more);
    return office_ask(text);
}

static size_t lines(void)
{
    size_t n = 0;
    for (const char *at = office_rows.p; (at = strchr(at, '\n')); at++)
        n++;
    return n;
}

static bool said(const char *text)
{
    return strstr(office_rows.p, text) != NULL;
}

static void lists(void *arg)
{
    char one[16], two[16], text[256];
    office_open();
    CHECK(ask("list", "") == ADMIN_DONE && lines() == 0);
    put("a@one.example", "far.example", 2, one);
    put("b@two.example", "other.example", 1, two);
    CHECK(ask("list", "") == ADMIN_DONE && lines() == 3);
    snprintf(text, sizeof text,
        "{\"attempts\":0,\"id\":\"%s\",\"last_reply\":null,\"next\":\"2026-09-21T14:13:20Z\","
        "\"recipient\":\"x@far.example\",\"sender\":\"a@one.example\",",
        one);
    CHECK(!strncmp(office_rows.p, text, strlen(text)));
    CHECK(said("\"size\":14,\"state\":\"waiting\"}\n"));
    CHECK(ask("list", ",\"sender\":\"A@one.example\"") == ADMIN_DONE && lines() == 2);
    CHECK(ask("list", ",\"sender\":\"@two.example\"") == ADMIN_DONE && lines() == 1);
    CHECK(ask("list", ",\"recipient\":\"y@far.example\"") == ADMIN_DONE && lines() == 1);
    CHECK(ask("list", ",\"route\":\"other.example\"") == ADMIN_DONE && lines() == 1);
    CHECK(ask("list", ",\"state\":\"held\"") == ADMIN_DONE && lines() == 0);
    CHECK(ask("list", ",\"state\":\"gone\"") == ADMIN_USAGE);
    CHECK(ask("list", ",\"sender\":5") == ADMIN_FAULT);
    CHECK(ask("list", ",\"account\":\"nonsense\"") == ADMIN_FAULT);
    CHECK(!strcmp(office_answer.why, "that is no address"));
    CHECK(ask("show", "") == ADMIN_USAGE);
    CHECK(ask("show", ",\"id\":\"nonsense\"") == ADMIN_ABSENT);
    CHECK(ask("show", ",\"id\":\"00000000001\"") == ADMIN_ABSENT);
    snprintf(text, sizeof text, ",\"id\":\"%s\"", two);
    CHECK(ask("show", text) == ADMIN_DONE && lines() == 1 && said("\"route\":\"other.example\""));
    office_close();
}

static void verify_is_clean(void)
{
    CHECK(office_ask("{\"v\":1,\"do\":\"verify\"}") == ADMIN_DONE);
}

static void changes(void *arg)
{
    char one[16], two[16], text[128];
    office_open();
    put("a@one.example", "far.example", 150, one);
    put("b@two.example", "other.example", 100, two);
    snprintf(text, sizeof text, ",\"id\":\"%s\"", one);
    CHECK(ask("hold", "") == ADMIN_USAGE && ask("remove", "") == ADMIN_USAGE);
    CHECK(ask("hold", text) == ADMIN_DONE && said("{\"changed\":150}"));
    CHECK(ask("hold", text) == ADMIN_DONE && said("{\"changed\":150}")); /* they are */
    CHECK(ask("list", ",\"state\":\"held\"") == ADMIN_DONE && lines() == 150);
    verify_is_clean();
    CHECK(ask("retry", "") == ADMIN_DONE && said("{\"changed\":100}")); /* not what is held */
    CHECK(ask("release", text) == ADMIN_DONE && said("{\"changed\":150}"));
    CHECK(ask("list", ",\"state\":\"held\"") == ADMIN_DONE && lines() == 0);
    CHECK(ask("remove", ",\"recipient\":\"x@far.example\"") == ADMIN_DONE);
    CHECK(said("{\"changed\":2}"));
    verify_is_clean();
    CHECK(ask("remove", ",\"route\":\"other.example\",\"bounce\":true") == ADMIN_DONE);
    CHECK(ask("list", ",\"state\":\"removed\"") == ADMIN_DONE && lines() == 99);
    verify_is_clean();
    CHECK(said("\"queued\":2"));
    CHECK(ask("remove", ",\"sender\":\"@one.example\"") == ADMIN_DONE && said("{\"changed\":149}"));
    CHECK(ask("remove", ",\"sender\":\"b@two.example\"") == ADMIN_DONE);
    CHECK(ask("list", "") == ADMIN_DONE && lines() == 0);
    verify_is_clean();
    CHECK(ask("remove", text) == ADMIN_ABSENT && ask("retry", "") == ADMIN_DONE);
    office_close();
}

static void the_queue_is_listed(void **state)
{
    fixture_run(lists);
}

static void the_queue_is_changed(void **state)
{
    fixture_run(changes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_queue_is_listed),
        cmocka_unit_test(the_queue_is_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
