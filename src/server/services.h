/* What listens, made from a config: one set of services for each generation of the config. Sessions
 * keep the set they began with, so sets live as long as the process. */
#pragma once
#include "auth/auth.h"
#include "config/config.h"
#include "directory/directory.h"
#include "net/listen.h"
#include "queue/queue.h"
#include "store/engine.h"

struct services;
struct delivery_rules;

struct services_options {
    const struct config *config; /* outlives the set */
    struct store *store;
    struct directory *directory;
    struct auth *auth;
    struct queue *queue; /* where mail for others goes, by these rules */
    const struct delivery_rules *rules;
    struct slice users; /* server/users.h; copied */
    int tmp_dir;
};

/* NULL: out of memory. */
struct services *services_create(const struct services_options *options);
/* The accept half of a listener's options; false: there is no such service. */
bool services_find(struct services *s, const char *service, struct listener_options *options);
