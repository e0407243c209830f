#include "store/engine/lmdb_private.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void segfile_name(uint64_t id, char name[SEGFILE_NAME])
{
    snprintf(name, SEGFILE_NAME, "%016llx", (unsigned long long)id);
}

void segfile_init(struct segfile_cache *cache)
{
    memset(cache, 0, sizeof *cache);
    pthread_mutex_init(&cache->lock, NULL);
    list_init(&cache->idle);
}

static struct segfile **find(struct segfile_cache *cache, uint64_t id)
{
    struct segfile **at = &cache->buckets[id % SEGFILE_BUCKETS];
    while (*at && (*at)->id != id)
        at = &(*at)->next;
    return at;
}

/* Out of the cache, to be closed without the lock. */
static struct segfile *evict(struct segfile_cache *cache, struct segfile *f)
{
    struct segfile **at = find(cache, f->id);
    if (*at == f)
        *at = f->next;
    if (!list_empty(&f->idle)) {
        list_remove(&f->idle);
        cache->idle_count--;
    }
    return f;
}

static void close_file(struct segfile *f)
{
    if (!f)
        return;
    close(f->fd);
    free(f);
}

static struct segfile *hold(struct segfile_cache *cache, struct segfile *f)
{
    if (f && f->holders++ == 0) {
        list_remove(&f->idle);
        cache->idle_count--;
    }
    return f;
}

struct segfile *segfile_find(struct lmdb *db, uint64_t id)
{
    struct segfile_cache *cache = &db->segfiles;
    pthread_mutex_lock(&cache->lock);
    struct segfile *f = hold(cache, *find(cache, id));
    pthread_mutex_unlock(&cache->lock);
    return f;
}

struct segfile *segfile_open(struct lmdb *db, uint64_t id)
{
    struct segfile *f = segfile_find(db, id);
    if (f)
        return f;
    char name[SEGFILE_NAME];
    segfile_name(id, name);
    int mode = db->read_only ? O_RDONLY : O_RDWR;
    int fd = openat(db->segments_dir, name, mode | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return NULL;
    struct segfile *fresh = calloc(1, sizeof *fresh);
    if (!fresh) {
        close(fd);
        errno = ENOMEM;
        return NULL;
    }
    *fresh = (struct segfile){.id = id, .fd = fd, .holders = 1};
    list_init(&fresh->idle);
    pthread_mutex_lock(&db->segfiles.lock);
    struct segfile **at = find(&db->segfiles, id);
    f = hold(&db->segfiles, *at); /* somebody else was faster */
    if (!f) {
        *at = f = fresh;
        fresh = NULL;
    }
    pthread_mutex_unlock(&db->segfiles.lock);
    close_file(fresh);
    return f;
}

void segfile_give(struct lmdb *db, struct segfile *f)
{
    struct segfile_cache *cache = &db->segfiles;
    struct segfile *old = NULL;
    pthread_mutex_lock(&cache->lock);
    if (--f->holders == 0) {
        if (f->gone) {
            old = f;
        } else {
            list_push_back(&cache->idle, &f->idle);
            if (++cache->idle_count > SEGFILE_IDLE_MAX)
                old = evict(cache, list_entry(cache->idle.next, struct segfile, idle));
        }
    }
    pthread_mutex_unlock(&cache->lock);
    close_file(old);
}

void segfile_forget(struct lmdb *db, uint64_t id)
{
    struct segfile_cache *cache = &db->segfiles;
    pthread_mutex_lock(&cache->lock);
    struct segfile *f = *find(cache, id);
    if (f) {
        f->gone = true;
        evict(cache, f);
        if (f->holders > 0)
            f = NULL;
    }
    pthread_mutex_unlock(&cache->lock);
    close_file(f);
}

void segfile_finish(struct segfile_cache *cache)
{
    while (!list_empty(&cache->idle))
        close_file(evict(cache, list_entry(cache->idle.next, struct segfile, idle)));
    pthread_mutex_destroy(&cache->lock);
}
