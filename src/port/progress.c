#include "port/progress.h"
#include "base/clock.h"
#include "base/utf8.h"
#include <stdio.h>
#include <unistd.h>

#define WIDTH  30
#define PERIOD (CLOCK_SEC / 10)

void progress_start(struct progress *p, uint64_t total)
{
    int64_t now = clock_now();
    *p = (struct progress){
        .shown = isatty(STDERR_FILENO), .total = total, .next = now, .began = now};
}

static void draw(const struct progress *p, int64_t now)
{
    char bar[WIDTH + 1];
    uint64_t done = p->done < p->total ? p->done : p->total;
    double part = p->total ? (double)done / (double)p->total : 1;
    double seconds = (double)(now - p->began) / (double)CLOCK_SEC;
    int full = (int)(part * WIDTH);
    for (int i = 0; i < WIDTH; i++)
        bar[i] = i < full ? '#' : '.';
    bar[WIDTH] = '\0';
    fprintf(stderr, "\r[%s] %3d%%  %llu messages, %.1f MB/s\033[K", bar, (int)(part * 100),
        (unsigned long long)p->messages,
        seconds > 0 ? (double)p->done / seconds / (1024 * 1024) : 0);
    fflush(stderr);
}

void progress_add(struct progress *p, uint64_t bytes, uint64_t messages)
{
    p->done += bytes;
    p->messages += messages;
    if (!p->shown)
        return;
    int64_t now = clock_now();
    if (now < p->next)
        return;
    p->next = now + PERIOD;
    draw(p, now);
}

void progress_clear(struct progress *p)
{
    if (p->shown)
        fputs("\r\033[K", stderr);
}

static void put_clean(struct slice text)
{
    while (text.n) {
        char bytes[4];
        uint32_t code = utf8_take(&text);
        bool bad = code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0xfffd;
        size_t n = utf8_put(bad ? '?' : code, bytes);
        fwrite(bytes, 1, n, stderr);
    }
}

void progress_say(struct progress *p, const char *what, const char *why)
{
    progress_clear(p);
    fputs("barid: ", stderr);
    put_clean(slice_str(what));
    fputs(": ", stderr);
    put_clean(slice_str(why));
    fputc('\n', stderr);
}
