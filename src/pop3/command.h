/* A command line of POP3 (RFC 1939 §3, RFC 2449 §4) into a struct. Pure. */
#pragma once
#include "base/slice.h"

enum pop3_verb {
    POP3_UNKNOWN,
    POP3_CAPA,
    POP3_STLS,
    POP3_USER,
    POP3_PASS,
    POP3_AUTH,
    POP3_STAT,
    POP3_LIST,
    POP3_UIDL,
    POP3_RETR,
    POP3_TOP,
    POP3_DELE,
    POP3_NOOP,
    POP3_RSET,
    POP3_QUIT,
    POP3_VERBS,
};

struct pop3_command {
    enum pop3_verb verb;
    struct slice text; /* USER: the name; PASS: every byte behind the blank; AUTH: the mechanism */
    struct slice second; /* AUTH: the initial response; empty: none */
    bool has_message;
    uint64_t message;   /* as given, not checked; UINT64_MAX: that or more */
    uint64_t lines;     /* TOP; UINT64_MAX: that or more */
    const char *syntax; /* how it is written, when POP3_PARSE_SYNTAX */
};

enum pop3_parse {
    POP3_PARSE_OK,
    POP3_PARSE_UNKNOWN,  /* no such command */
    POP3_PARSE_SYNTAX,   /* its arguments are not right */
    POP3_PARSE_CONTROLS, /* control characters */
};

/* line: without CRLF. Blanks at the end are forgiven, but belong to a password. */
enum pop3_parse pop3_command_parse(struct slice line, struct pop3_command *out);
