/* Log lines: an event in words and fields, as logfmt or JSON, one line each. Callers never wait for
 * the disk or a blocked pipe: lines go through a bounded ring to a thread of their own; what does
 * not fit is counted and told when there is room again. Every value is escaped (CR, LF, ESC,
 * controls, invalid UTF-8), so no remote string can forge a line. */
#pragma once
#include "base/slice.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_LOGFMT, LOG_JSON };

struct log_field {
    const char *key; /* NULL: the field is left out */
    enum { LOG_TEXT, LOG_NUMBER, LOG_REAL } kind;
    struct slice text;
    int64_t number;
    double real;
};

static inline struct log_field log_slice(const char *key, struct slice value)
{
    return (struct log_field){.key = key, .kind = LOG_TEXT, .text = value};
}

static inline struct log_field log_text(const char *key, const char *value)
{
    return log_slice(key, slice_str(value));
}

static inline struct log_field log_int(const char *key, int64_t value)
{
    return (struct log_field){.key = key, .kind = LOG_NUMBER, .number = value};
}

static inline struct log_field log_real(const char *key, double value)
{
    return (struct log_field){.key = key, .kind = LOG_REAL, .real = value};
}

/* Starts the writer thread on fd (not owned). Before it, and after log_stop, lines are written at
 * once by the caller to stderr. Safe to call again to change level and format. */
void log_start(int fd, enum log_level level, enum log_format format);
/* Writes what is queued (waits at most 1 s) and ends the thread. */
void log_stop(void);
bool log_level_parse(struct slice name, enum log_level *level); /* debug, info, warn, error */
bool log_enabled(enum log_level level);
/* A line is cut at 4 KiB. Any thread; does not allocate. */
void log_write(enum log_level level, const char *event, const struct log_field *fields, size_t n);

#define LOG(level, event, ...)                                                                     \
    do {                                                                                           \
        if (log_enabled(level)) {                                                                  \
            const struct log_field log_fields_[] = {{0}, ##__VA_ARGS__};                           \
            log_write((level), (event), log_fields_, sizeof log_fields_ / sizeof *log_fields_);    \
        }                                                                                          \
    } while (0)
#define log_debug(event, ...) LOG(LOG_DEBUG, event, ##__VA_ARGS__)
#define log_info(event, ...)  LOG(LOG_INFO, event, ##__VA_ARGS__)
#define log_warn(event, ...)  LOG(LOG_WARN, event, ##__VA_ARGS__)
#define log_error(event, ...) LOG(LOG_ERROR, event, ##__VA_ARGS__)
