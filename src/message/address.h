/* Mail addresses. Two readers: `address_next` takes what stands in header fields (RFC 5322 §3.4,
 * the obsolete forms of §4.4, UTF-8 of RFC 6532) and makes the best of broken input;
 * `address_parse` takes one address as commands, config and directory know it (RFC 5321 §4.1.2) and
 * is strict. Then the canonical form, by which addresses are compared. */
#pragma once
#include "base/arena.h"
#include "base/buffer.h"
#include "base/cursor.h"

/* ---- lists in header fields ---- */

#define ADDRESS_LIST_MAX 1000 /* of one field, beginnings of groups counted, their ends not */

enum address_kind {
    ADDRESS_MAILBOX,
    ADDRESS_GROUP,     /* a group begins; only `name` is set */
    ADDRESS_GROUP_END, /* each ADDRESS_GROUP is followed by one, at the end of the field at latest
                        */
};

/* Text without comments, folding, quotes and quoting backslashes. Slices are valid as long as the
 * arena. An absent thing has p == NULL. */
struct address {
    enum address_kind kind;
    bool broken;         /* it did not follow the grammar; this is what could be read */
    struct slice name;   /* display name, words joined by one blank, encoded words as they are;
                            without one the text of a last comment: a@b (Name) */
    struct slice route;  /* obsolete source route "@a,@b" */
    struct slice local;  /* unquoted: may hold any byte but CR, LF, NUL; never NULL
                            for a mailbox */
    struct slice domain; /* as written; a domain literal keeps its brackets */
    struct address *next;
};

struct address_reader {
    struct slice value;
    size_t at;
    char *text; /* value.n bytes of the arena: what is read is never longer than the value */
    size_t used;
    size_t count;
    bool in_group;
    bool truncated; /* the field had more than ADDRESS_LIST_MAX entries */
    bool broken;    /* something in it did not follow the grammar */
};

/* value: of a field, still folded. Takes value.n bytes of the arena; when it has no room the list
 * reads as empty and truncated. */
void address_reader_init(struct address_reader *r, struct slice value, struct arena *arena);
/* The next entry; false at the end. Linear in the length of the value over all calls. */
bool address_next(struct address_reader *r, struct address *out);

struct address_list {
    struct address *first; /* linked by next, in the arena */
    struct address *last;
    size_t n;
    bool truncated, broken;
};
/* All entries of a field's value. */
void address_list(struct slice value, struct arena *arena, struct address_list *out);
/* Appends the entries of another field of the same kind; no more once there are twice
 * ADDRESS_LIST_MAX. */
void address_list_add(struct slice value, struct arena *arena, struct address_list *list);

/* ---- one address, strictly ---- */

#define ADDRESS_LOCAL_MAX  64  /* octets as written (RFC 5321 §4.5.3.1.1) */
#define ADDRESS_DOMAIN_MAX 255 /* octets (RFC 5321 §4.5.3.1.2) */
#define ADDRESS_MAX        (ADDRESS_LOCAL_MAX + 1 + ADDRESS_DOMAIN_MAX)
/* The longest canonical form: case folding makes a character at most three times as long. */
#define ADDRESS_CANONICAL_MAX (3 * ADDRESS_LOCAL_MAX + 1 + ADDRESS_DOMAIN_MAX)

/* Slices into the text that was parsed. */
struct address_spec {
    struct slice local;  /* as written, with its quotes if `quoted` */
    struct slice domain; /* as written; a literal with its brackets */
    bool quoted;
    bool literal; /* [192.0.2.1] or [IPv6:2001:db8::1]; no other kind is accepted */
    bool utf8;    /* holds a byte outside ASCII: needs SMTPUTF8 (RFC 6531) */
};

/* local-part@domain and nothing else. utf8: bytes outside ASCII are legal where they are valid
 * UTF-8. An empty local part, "", is refused though the grammar has it. `_` is allowed in
 * domains. */
bool address_parse(struct slice text, bool utf8, struct address_spec *out);
/* The same from where the cursor stands; takes the address and leaves what follows it. */
bool address_take(struct cursor *c, bool utf8, struct address_spec *out);
/* A domain name (no literal) as address_parse has it. */
bool address_domain_valid(struct slice domain, bool utf8);

/* Appends the local part without quotes and backslashes. */
bool address_unquote(const struct address_spec *spec, struct buffer *to);
/* Appends an unquoted local part as dot-string where it is one, else as quoted-string. False: it
 * cannot be written (control bytes, invalid UTF-8) or did not fit. */
bool address_quote(struct slice local, struct buffer *to);

/* The canonical form: by this addresses are compared and stored. local@domain: local part unquoted,
 * NFC of its case folding; domain lower-case A-labels (RFC 5890), literals as inet_ntop writes
 * them. Since a domain never holds '@', it is split at the last one. Canonical text of canonical
 * text is the same. False: no such form, or it did not fit; what was added is taken back. */
bool address_canonical(const struct address_spec *spec, struct buffer *to);
/* The same for an unquoted local part alone ... */
bool address_canonical_local(struct slice local, struct buffer *to);
/* ... and for a domain or literal alone. */
bool address_canonical_domain(struct slice domain, struct buffer *to);
/* Cuts canonical text in two; false without '@' or with an empty side. */
bool address_split(struct slice canonical, struct slice *local, struct slice *domain);
/* Appends canonical text as it is written in mail and commands: local part quoted where needed. */
bool address_write(struct slice canonical, struct buffer *to);
