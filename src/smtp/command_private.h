/* What the parsers of MAIL and RCPT share. */
#pragma once
#include "base/cursor.h"
#include "smtp/command.h"

struct smtp_parameter_text {
    struct slice name, value;
    bool has_value;
};

/* Tables end with an empty name. */
struct smtp_known {
    struct slice name;
    enum smtp_parameter bit;
};

/* "FROM:<path>", "TO:<path>". */
bool smtp_command_path(struct cursor *c, struct slice keyword, enum smtp_path_kind kind,
    struct smtp_path *path, struct smtp_reply *error);
/* The next parameter, one that is offered and was not given; 0: *error says why not. */
enum smtp_parameter smtp_command_next(struct cursor *c, const struct smtp_known *table,
    unsigned offered, unsigned *given, struct smtp_parameter_text *p, struct smtp_reply *error);
/* 501: what is wanted of its value. False. */
bool smtp_command_bad(
    struct smtp_reply *error, const struct smtp_parameter_text *p, const char *what);
bool smtp_command_xtext(struct slice s, size_t max);
/* RFC 6531 §3.5: 550 for MAIL, 553 for RCPT. False. */
bool smtp_command_not_ascii(unsigned code, struct smtp_reply *error);
