/* The supervisor's reading: config, certificates and sockets become a snapshot for the worker. */
#pragma once
#include "config/config.h"
#include "server/handover.h"

#define GATHER_SOCKETS_MAX SNAPSHOT_LISTENERS_MAX

/* Sockets that are open, kept over reloads and worker restarts. */
struct gather_socket {
    char service[16], text[128];
    uint32_t reactor;
    bool tls, proxy;
    int fd;
};

struct gather_pem {
    char *bytes;
    size_t n;
};

struct gather {
    struct config config;
    struct buffer config_text, anchor, authorities, users;
    struct gather_socket *sockets;
    size_t socket_n;
    struct gather_pem *pems; /* chain, key, chain, key ... */
    size_t certificate_n;
    unsigned reactors;
    int data_dir;
};

/* One line in words. */
typedef void (*gather_report)(void *arg, const char *problem);

/* What `barid check` does: config, listen addresses, certificate files and whether they fit; opens
 * no socket and writes nothing. Every problem is reported. */
bool gather_check(const char *path, gather_report report, void *arg);
/* Everything, sockets included: those that g holds already are kept (same service and text), those
 * that are gone from the config are closed in the new one only. old may be NULL. On false nothing
 * has changed. */
bool gather_all(
    struct gather *g, struct gather *old, const char *path, gather_report report, void *arg);
/* Sends the snapshot with its descriptors, then GO. */
bool gather_send(const struct gather *g, const char *path, int sock);
/* Closes what `kept` (may be NULL) does not share. */
void gather_finish(struct gather *g, const struct gather *kept);
