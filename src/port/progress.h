/* A progress bar on stderr; nothing when stderr is no terminal. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool shown;
    uint64_t total, done, messages;
    int64_t next; /* when it is drawn again */
    int64_t began;
};

void progress_start(struct progress *p, uint64_t total);
void progress_add(struct progress *p, uint64_t bytes, uint64_t messages);
/* A line on stderr, "barid: WHAT: WHY"; what a stranger chose shall not move the cursor. */
void progress_say(struct progress *p, const char *what, const char *why);
/* Takes the bar away, before a line is written and at the end. */
void progress_clear(struct progress *p);
