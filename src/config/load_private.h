/* A file being read: what config.c shares with those that read a part of it. */
#pragma once
#include "config/table_private.h"
#include <libconfig.h>

struct load {
    struct config *config;
    const char *path;
    config_report report;
    void *arg;
    unsigned problems;
    bool set[256]; /* row i stands in the file */
};

/* Reports "FILE:LINE: TEXT"; line 0: without one. Never a secret. */
__attribute__((format(printf, 3, 4))) void config_problem(
    struct load *l, int line, const char *format, ...);
/* A copy in the config's arena, NUL-terminated. */
const char *config_keep(struct load *l, struct slice text);

#define VALUE_TEXT 32
/* value.c: a number, size or time as one would write it: "64KB". */
void value_text(enum kind kind, int64_t value, char out[VALUE_TEXT]);

/* routes.c: outbound.routes, and what holds between it and the settings of the relay. */
void routes_set(struct load *l, config_setting_t *s);
void routes_check_relay(struct load *l);
