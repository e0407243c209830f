/* crash-dump DATA_DIR: every message of a store that no server has open, one a line:
 *   ADDRESS MAILBOX UID NAME SIZE SHA256
 * NAME is what follows "X-Crash: " at the start of a line; SIZE and SHA256 are of the bytes from
 * that line on, which are the sender's own. NAME is "?" when there is no such line or the bytes
 * cannot be read. */
#include "directory/directory.h"
#include "mailbox/mailbox.h"
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MARK    "X-Crash: "
#define MARK_AT (16 * 1024) /* the trace headers before it are shorter */

struct dump {
    struct store *store;
    const char *address;
    uint64_t account;
    int dir, exit;
};

static char *read_all(struct store *s, store_blob_id id, size_t *n)
{
    struct store_blob *blob;
    if (store_blob_open(s, id, &blob, DEADLINE_NEVER) != OUTCOME_DONE)
        return NULL;
    size_t size = (size_t)store_blob_size(blob);
    char *bytes = malloc(size + 1);
    if (!bytes || store_blob_read(blob, 0, bytes, size, n, DEADLINE_NEVER) != OUTCOME_DONE ||
        *n != size) {
        free(bytes);
        bytes = NULL;
    }
    store_blob_close(blob);
    return bytes;
}

static const char *find_mark(const char *bytes, size_t n)
{
    size_t mark = sizeof MARK - 1;
    for (size_t i = 0; i + mark < n && i < MARK_AT; i++)
        if ((i == 0 || bytes[i - 1] == '\n') && memcmp(bytes + i, MARK, mark) == 0)
            return bytes + i;
    return NULL;
}

static void print_message(struct dump *d, uint32_t mailbox, const struct mailbox_entry *e)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    size_t n = 0;
    char *bytes = read_all(d->store, e->blob, &n);
    const char *own = bytes ? find_mark(bytes, n) : NULL;
    printf("%s %u %u ", d->address, mailbox, e->uid);
    if (own) {
        size_t size = n - (size_t)(own - bytes);
        const char *name = own + sizeof MARK - 1;
        int length = (int)strcspn(name, "\r\n");
        EVP_Digest(own, size, digest, NULL, EVP_sha256(), NULL);
        printf("%.*s %zu ", length, name, size);
        for (int i = 0; i < 32; i++)
            printf("%02x", digest[i]);
        putchar('\n');
    } else {
        printf("? %zu -\n", n);
    }
    free(bytes);
}

static void read_mailbox_ids(struct store_view *v, void *arg)
{
    uint32_t *ids = arg;
    struct store_cursor c;
    struct mailbox m;
    size_t n = 0;
    mailbox_seek(v, 0, &c);
    while (n < 31 && mailbox_next(&c, &m))
        ids[n++] = m.id;
    ids[n] = 0;
}

static bool print_account(void *arg, const struct directory_account *a)
{
    struct dump *d = arg;
    uint32_t ids[32] = {0};
    d->address = a->address;
    if (store_read(d->store, mailbox_partition(a->id), read_mailbox_ids, ids, NULL,
            DEADLINE_NEVER) != OUTCOME_DONE)
        d->exit = 1;
    for (size_t i = 0; ids[i]; i++) {
        struct mailbox_listing l;
        if (mailbox_list_messages(d->store, a->id, ids[i], &l, DEADLINE_NEVER) != OUTCOME_DONE) {
            d->exit = 1;
            continue;
        }
        for (size_t j = 0; j < l.n; j++)
            print_message(d, ids[i], &l.entries[j]);
        mailbox_listing_finish(&l);
    }
    return true;
}

static void run(void *arg)
{
    struct dump *d = arg;
    enum store_open_error error;
    char why[512] = "";
    struct store_options o = {.engine = "lmdb", .dir = d->dir};
    d->store = store_open(&o, &error, why);
    if (!d->store) {
        fprintf(stderr, "crash-dump: %s\n", why);
        return;
    }
    struct directory_options options = {.store = d->store};
    struct directory *directory = directory_open(&options, why, DEADLINE_NEVER);
    if (directory) {
        d->exit = 0;
        if (directory_account_list(directory, S(""), print_account, d, DEADLINE_NEVER) !=
            DIRECTORY_OK)
            d->exit = 1;
    } else {
        fprintf(stderr, "crash-dump: %s\n", why);
    }
    directory_close(directory);
    store_close(d->store);
}

int main(int argc, char **argv)
{
    struct dump d = {.exit = 1, .dir = -1};
    struct runtime_options options = {.reactors = 1, .stacks = 16};
    if (argc == 2)
        d.dir = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d.dir < 0) {
        fprintf(stderr, "usage: crash-dump DATA_DIR\n");
        return 2;
    }
    if (!runtime_run(&options, run, &d))
        perror("crash-dump");
    return d.exit;
}
