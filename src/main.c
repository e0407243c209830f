/* argv to command, nothing else. */
#include "admin/cli.h"
#include "server/command.h"
#include "server/serve.h"
#include <stdio.h>

int main(int argc, char **argv)
{
    struct cli cli;
    int exit = cli_parse(argc, argv, &cli);
    if (exit == ADMIN_DONE)
        switch (cli.kind) {
        case CLI_SERVE:
            exit = serve(cli.config);
            break;
        case CLI_CHECK:
            exit = serve_check(cli.config);
            break;
        case CLI_TEXT:
            fputs(cli.text, stdout);
            break;
        case CLI_REQUEST:
            exit = command_run(&cli);
            break;
        case CLI_SENDMAIL:
            exit = command_sendmail(&cli);
            break;
        }
    cli_finish(&cli);
    return exit;
}
