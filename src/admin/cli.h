/* The command line: argv to a request, rows to what people or programs read. */
#pragma once
#include "admin/admin.h"

enum cli_kind { CLI_SERVE, CLI_CHECK, CLI_REQUEST, CLI_TEXT, CLI_SENDMAIL };

struct cli {
    enum cli_kind kind;
    const char *config;
    json_t *request;  /* REQUEST */
    bool json;        /* --json */
    bool lists;       /* the command answers with rows that --json shows as one array */
    bool tells;       /* ... and as a story without it (admin/story.h) */
    const char *text; /* TEXT: to stdout, exit 0 */
    int argc;         /* SENDMAIL: its own words, its name first */
    char **argv;
};

/* ADMIN_DONE; else the exit code, after one line on stderr. Asks for a password on the terminal
 * where the command needs one. */
enum admin_exit cli_parse(int argc, char **argv, struct cli *cli);
void cli_finish(struct cli *cli);

/* Rows as they come; print_end writes what was held back (columns are aligned). */
struct cli_print;
struct cli_print *cli_print_create(const struct cli *cli);
void cli_print_row(struct cli_print *p, json_t *row); /* takes it over */
void cli_print_end(struct cli_print *p, bool ok);
