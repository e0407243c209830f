/* What the files of directory/ share. */
#pragma once
#include "directory/directory.h"
#include "directory/row.h"
#include <stdarg.h>

/* A canonical address, cut at its last '@'. An empty local part is the catch-all or <postmaster>.
 */
struct directory_text {
    size_t local_n, domain_n;
    char p[DIRECTORY_ADDRESS_MAX + 1]; /* local@domain, NUL behind it */
};

static inline struct slice directory_text_local(const struct directory_text *t)
{
    return slice(t->p, t->local_n);
}
static inline struct slice directory_text_domain(const struct directory_text *t)
{
    return slice(t->p + t->local_n + 1, t->domain_n);
}
static inline struct slice directory_text_all(const struct directory_text *t)
{
    return slice(t->p, t->local_n + 1 + t->domain_n);
}

struct directory {
    struct store *store;
    store_partition partition;
    uint8_t server_id[16], secret[32];
    bool has_postmaster;
    struct directory_text postmaster;
};

/* One line without control bytes; why may be NULL. */
void directory_why(char *why, const char *format, ...) __attribute__((format(printf, 2, 3)));
void directory_why_list(char why[DIRECTORY_WHY], const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
/* Says that a row does not unpack; returns DIRECTORY_BUSY. */
enum directory_result directory_damaged(char *why, const char *what, struct slice name);

/* False: no address. Domain literals are none here. */
bool directory_text_parse(struct slice text, struct directory_text *t);
/* As parse, also "@domain". */
bool directory_text_parse_alias(struct slice text, struct directory_text *t);
/* From parts as the protocols have them; an empty local part gives "@domain". */
bool directory_text_join(struct slice local, struct slice domain, struct directory_text *t);
/* Canonical form of a domain name alone, put behind an empty local part. */
bool directory_text_domain_parse(struct slice domain, struct directory_text *t);
bool directory_name_valid(struct slice name);

/* A mutation of the directory partition: fn fills result and why and returns OUTCOME_DONE exactly
 * when the result is OK. First member of each argument. */
struct directory_change {
    enum directory_result result;
    char *why;
};
TASK_FN
enum directory_result directory_mutate(
    struct directory *d, store_mutate_fn fn, struct directory_change *change, deadline until);
/* A read whose fn fills *result. FAILED becomes BUSY. */
TASK_FN
enum directory_result directory_read(struct directory *d, store_read_fn fn, void *arg,
    const enum directory_result *result, deadline until);

/* Rows by name. ABSENT, or BUSY when damaged (why says so). */
enum directory_result directory_get_domain(
    struct store_view *v, struct slice domain, struct directory_row_domain *row, char *why);
enum directory_result directory_get_address(struct store_view *v, struct slice local,
    struct slice domain, struct directory_row_address *row, char *why);
enum directory_result directory_get_account(
    struct store_view *v, uint64_t id, struct directory_row_account *row, char *why);
/* Is the domain there (NO_DOMAIN), and the address free (EXISTS) and not reserved (BAD)? */
enum directory_result directory_place_for(struct store_view *v,
    const struct directory_text *address, struct directory_row_domain *domain, char *why);
bool directory_put_domain(
    struct store_txn *t, struct slice domain, const struct directory_row_domain *row);
void directory_copy_account(
    uint64_t id, const struct directory_row_account *row, struct directory_account *account);
