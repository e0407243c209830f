#include "unit/mailbox/dialog.h"
#include <arpa/inet.h>

/* ---- a memory stream that tells its end ---- */

static struct stream_ops telling, memory;
static struct {
    struct stream *stream;
    struct dialog *dialog;
} streams[8];

/* The slot of s; of NULL: a free one. */
static size_t slot_of(const struct stream *s)
{
    size_t i = 0;
    while (streams[i].stream != s)
        i++;
    return i;
}

static ssize_t tell_read(struct stream *s, void *to, size_t n)
{
    struct dialog *d = streams[slot_of(s)].dialog;
    if (++d->reads == 2 && d->after_first)
        d->after_first();
    return memory.read(s, to, n);
}

static void tell_destroy(struct stream *s)
{
    size_t i = slot_of(s);
    streams[i].stream = NULL;
    event_raise(&streams[i].dialog->ended);
    memory.destroy(s);
}

static struct stream *telling_stream(struct dialog *d)
{
    struct stream *s = stream_memory(d->input, d->piece, !d->stay, &d->output);
    size_t i = slot_of(NULL);
    streams[i].stream = s;
    streams[i].dialog = d;
    if (!memory.read) {
        memory = telling = *s->ops;
        telling.read = tell_read;
        telling.destroy = tell_destroy;
    }
    s->ops = &telling;
    return s;
}

/* ---- connections ---- */

void dialog_start(struct dialog *d)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(4711)};
    struct conn_options options = {.fd = -1};
    CHECK(inet_pton(AF_INET, d->address ? d->address : "192.0.2.1", &in.sin_addr) == 1);
    peer_set(&options.peer, (struct sockaddr *)&in, sizeof in);
    buffer_init(&d->output, d->room ? d->room : (size_t)64 << 20);
    event_init(&d->ended);
    options.stream = telling_stream(d);
    dialog_accept(&options);
    d->conn = conn_create(&options);
    CHECK(d->conn);
}

void dialog_wait(struct dialog *d)
{
    CHECK(event_wait(&d->ended, deadline_in(60 * CLOCK_SEC)) == WAIT_OK);
}

void dialog_finish(struct dialog *d)
{
    buffer_finish(&d->output);
}

void dialog_expect(struct dialog *d, size_t n)
{
    deadline until = deadline_in(60 * CLOCK_SEC);
    while (d->output.n < n) {
        CHECK(clock_now() < until);
        task_sleep(deadline_in(CLOCK_MS));
    }
}

static bool matches(struct slice out, struct slice want)
{
    size_t at = 0, i = 0, any = SLICE_NONE, any_at = 0;
    while (at < out.n || i < want.n) {
        if (i < want.n && want.p[i] == ANY[0]) {
            any = i++;
            any_at = at;
        } else if (i < want.n && at < out.n && out.p[at] == want.p[i]) {
            at++;
            i++;
        } else if (any != SLICE_NONE && any_at < out.n && out.p[any_at] != '\r') {
            at = ++any_at; /* the last ANY takes one more */
            i = any + 1;
        } else {
            return false;
        }
    }
    return true;
}

static void compare(const struct dialog *d, struct slice want)
{
    struct slice out = buffer_slice(&d->output);
    if (matches(out, want))
        return;
    fprintf(stderr, "pieces of %zu: said\n" SLICE_FMT "\nnot\n" SLICE_FMT "\n", d->piece,
        SLICE_ARG(out), SLICE_ARG(want));
    abort();
}

static void say(struct slice input, size_t piece, struct slice want)
{
    struct dialog d = {.input = input, .piece = piece};
    dialog_start(&d);
    dialog_wait(&d);
    compare(&d, want);
    dialog_finish(&d);
}

void dialog_say(struct slice input, const char *want)
{
    say(input, 0, slice_str(want));
}

void dialog_talk(const char *input, const char *want)
{
    static const size_t pieces[] = {0, 1, 2, 3, 7, 31};
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
        say(slice_str(input), pieces[i], slice_str(want));
}

size_t dialog_messages(struct store *store)
{
    struct mailbox_listing list;
    CHECK(mailbox_list_messages(store, ACCOUNT, MAILBOX_INBOX, &list, SOON) == OUTCOME_DONE);
    size_t n = list.n;
    mailbox_listing_finish(&list);
    return n;
}
