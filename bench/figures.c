#include "figures.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define SYNCS 101 /* tried to learn what one costs */

/* 32 buckets to each power of two: 3 % wide. */
static unsigned bucket_of(uint64_t us)
{
    if (us < 32)
        return (unsigned)us;
    unsigned power = 63u - (unsigned)__builtin_clzll(us);
    unsigned bucket = (power - 4) * 32 + (unsigned)(us >> (power - 5) & 31);
    return bucket < FIGURES_BUCKETS ? bucket : FIGURES_BUCKETS - 1;
}

static double bucket_ms(unsigned bucket)
{
    if (bucket < 32)
        return bucket / 1000.0;
    unsigned power = bucket / 32 + 4;
    return (double)((uint64_t)(32 + bucket % 32) << (power - 5)) / 1000.0;
}

void figures_add(struct figures_count *c, uint64_t us, bool done)
{
    c->latency[bucket_of(us)]++;
    c->slowest = us > c->slowest ? us : c->slowest;
    c->done += done;
    c->failed += !done;
}

void figures_sum(struct figures_count *total, const struct figures_count *c)
{
    total->done += c->done;
    total->failed += c->failed;
    total->slowest = c->slowest > total->slowest ? c->slowest : total->slowest;
    for (unsigned i = 0; i < FIGURES_BUCKETS; i++)
        total->latency[i] += c->latency[i];
}

/* The first bytes of a small file, as text. */
static void read_text(const char *path, char *to, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, to, room - 1);
    if (fd >= 0)
        close(fd);
    to[n > 0 ? n : 0] = '\0';
}

static uint64_t io_bytes(void)
{
    char text[512];
    read_text("/proc/self/io", text, sizeof text);
    const char *line = strstr(text, "\nwrite_bytes: ");
    return line ? strtoull(line + 14, NULL, 10) : 0;
}

/* The seventh number of a device's stat: sectors of 512 bytes written. */
static uint64_t disk_bytes(int dir)
{
    struct stat st;
    char path[64], text[512];
    if (fstat(dir, &st) != 0)
        return 0;
    snprintf(path, sizeof path, "/sys/dev/block/%u:%u/stat", major(st.st_dev), minor(st.st_dev));
    read_text(path, text, sizeof text);
    char *at = text;
    uint64_t sectors = 0;
    for (unsigned i = 0; i < 7; i++)
        sectors = strtoull(at, &at, 10);
    return sectors * 512;
}

void figures_take(struct store *s, int dir, struct figures_usage *u)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    u->cpu_us =
        (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000 + r.ru_utime.tv_usec + r.ru_stime.tv_usec;
    u->io_bytes = io_bytes();
    u->disk_bytes = disk_bytes(dir);
    store_figures(s, &u->store);
    u->at = clock_now();
}

static double percentile(const struct figures_count *total, double part)
{
    uint64_t wanted = (uint64_t)((double)(total->done + total->failed) * part), seen = 0;
    for (unsigned i = 0; i < FIGURES_BUCKETS; i++) {
        seen += total->latency[i];
        if (seen > wanted)
            return bucket_ms(i);
    }
    return (double)total->slowest / 1000.0;
}

static int compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

double figures_sync_ms(int dir)
{
    static const char page[4096] = {1};
    int64_t times[SYNCS];
    int fd = openat(dir, "sync", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool right = fd >= 0;
    for (unsigned i = 0; right && i < SYNCS; i++) {
        int64_t start = clock_now();
        right = write(fd, page, sizeof page) == sizeof page && fdatasync(fd) == 0;
        times[i] = clock_now() - start;
    }
    if (fd >= 0)
        close(fd);
    unlinkat(dir, "sync", 0);
    if (!right)
        return 0;
    qsort(times, SYNCS, sizeof *times, compare_times);
    return (double)times[SYNCS / 2] / 1e6;
}

void figures_head(void)
{
    printf("%8s %12s %9s %9s %9s %8s %10s %9s %9s %9s %7s\n", "writers", "deliveries/s", "p50 ms",
        "p99 ms", "max ms", "a group", "syncs each", "blob KiB", "io KiB", "disk KiB", "CPU us");
}

void figures_print(unsigned n, const struct figures_count *total, const struct figures_usage *from,
    const struct figures_usage *to)
{
    double each = total->done ? (double)total->done : 1;
    uint64_t groups = to->store.groups - from->store.groups;
    printf("%8u %12.0f %9.2f %9.2f %9.2f %8.1f %10.3f %9.1f %9.1f %9.1f %7.1f\n", n,
        each * 1e9 / (double)(to->at - from->at), percentile(total, 0.5), percentile(total, 0.99),
        (double)total->slowest / 1000.0, groups ? each / (double)groups : 0,
        (double)(to->store.syncs - from->store.syncs) / each,
        (double)(to->store.bytes_written - from->store.bytes_written) / 1024 / each,
        (double)(to->io_bytes - from->io_bytes) / 1024 / each,
        (double)(to->disk_bytes - from->disk_bytes) / 1024 / each,
        (double)(to->cpu_us - from->cpu_us) / each);
    fflush(stdout);
}
