/* One `barid` command: asked of the running server, else run in this process under the store's
 * lock. */
#pragma once
#include "admin/cli.h"

/* The exit code; errors are told on stderr. */
int command_run(struct cli *cli);
/* `barid sendmail`: an exit code of sysexits.h. */
int command_sendmail(const struct cli *cli);
