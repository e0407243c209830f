/* -bs: SMTP between stdin and stdout and the server, as it comes. */
#pragma once

/* Until the server has closed, or nobody reads. Closes sock. */
void sendmail_pipe(int sock);
