/* What the supervisor hands to the worker over a socketpair, at start and at each reload: one
 * snapshot of everything that was read and bound with the supervisor's rights. The worker opens
 * nothing outside data_dir.
 *
 *   supervisor -> worker:  SNAPSHOT (memfd), DATA_DIR (fd), LISTENER (fd) ..., GO;   DRAIN
 *   worker -> supervisor:  READY (first GO), APPLIED or REFUSED with text (later ones);   RELOAD
 * (somebody asks for one) */
#pragma once
#include "base/buffer.h"
#include "base/slice.h"

enum handover_kind {
    HANDOVER_SNAPSHOT = 1,
    HANDOVER_DATA_DIR,
    HANDOVER_LISTENER,
    HANDOVER_GO,
    HANDOVER_DRAIN,
    HANDOVER_READY,
    HANDOVER_APPLIED,
    HANDOVER_REFUSED,
    HANDOVER_RELOAD,
};

#define HANDOVER_TEXT_MAX 1024

struct handover_message {
    enum handover_kind kind;
    uint32_t index; /* of a listener */
    int fd;         /* -1: none */
    size_t n;
    char text[HANDOVER_TEXT_MAX];
};

/* Blocking. False: the other side is gone. */
bool handover_send(int sock, enum handover_kind kind, uint32_t index, int fd, struct slice text);
/* One message that is there (MSG_DONTWAIT). 1: got it; 0: none yet; -1: the other side is gone or
 * talks nonsense. */
int handover_receive(int sock, struct handover_message *m);

#define SNAPSHOT_CERTIFICATES_MAX 65
#define SNAPSHOT_LISTENERS_MAX    4096
#define SNAPSHOT_MAX              ((size_t)64 * 1024 * 1024)

struct snapshot_certificate {
    struct slice server_name; /* empty: the default */
    struct slice chain, key;
};

/* One socket: an address of the config gives one for each reactor. */
struct snapshot_listener {
    struct slice service; /* "smtp", "pop3s" ... */
    struct slice text;    /* as in the config */
    bool tls, proxy;
    uint32_t reactor;
};

/* Slices point into bytes. */
struct snapshot {
    struct slice path, config;
    struct slice anchor;      /* of dns.trust_anchor, when it is a file */
    struct slice authorities; /* of outbound.authorities; empty: none */
    struct slice users;       /* server/users.h */
    uint32_t reactors;
    struct snapshot_certificate *certificates;
    size_t certificate_n;
    struct snapshot_listener *listeners;
    size_t listener_n;
    void *bytes;
    size_t size;
};

/* A sealed memfd with the snapshot; -1: errno. */
int snapshot_write(const struct snapshot *s);
/* Maps it; false: not a snapshot. The fd stays the caller's. */
bool snapshot_read(int fd, struct snapshot *s);
void snapshot_finish(struct snapshot *s);
