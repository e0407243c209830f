/* The settings of outbound.* become the table by which mail leaves. */
#pragma once
#include "config/config.h"
#include "delivery/table.h"

/* Told once a problem, without secrets; line 0: of no line. */
typedef void (*ways_problem)(void *arg, int line, const char *text);

/* Borrows the texts of the config. NULL: there were problems, or no memory. */
struct delivery_table *ways_create(const struct config *c, ways_problem problem, void *arg);
