#include "server/own_certificate.h"
#include "base/buffer.h"
#include "base/log.h"
#include "net/key.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PEM_MAX ((size_t)64 * 1024)

static bool read_file(int dir, const char *name, char **bytes, size_t *n)
{
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    *bytes = malloc(PEM_MAX);
    ssize_t got = fd >= 0 && *bytes ? read(fd, *bytes, PEM_MAX) : -1;
    if (fd >= 0)
        close(fd);
    *n = got > 0 ? (size_t)got : 0;
    return got > 0 && (size_t)got < PEM_MAX;
}

/* Written aside and renamed, so that a crash leaves no half a key. */
static bool write_file(int dir, const char *name, struct slice bytes, const struct stat *owner)
{
    char aside[64];
    snprintf(aside, sizeof aside, "%s.new", name);
    unlinkat(dir, aside, 0);
    int fd = openat(dir, aside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool ok = write(fd, bytes.p, bytes.n) == (ssize_t)bytes.n &&
              (geteuid() || fchown(fd, owner->st_uid, owner->st_gid) == 0) && fsync(fd) == 0;
    close(fd);
    return ok && renameat(dir, aside, dir, name) == 0 && fsync(dir) == 0;
}

static bool make(int dir, const char *hostname, const struct stat *owner)
{
    struct buffer certificate, key;
    buffer_init(&certificate, PEM_MAX);
    buffer_init(&key, PEM_MAX);
    bool ok = net_key_self_signed(hostname, &certificate, &key) &&
              write_file(dir, "key.pem", buffer_slice(&key), owner) &&
              write_file(dir, "cert.pem", buffer_slice(&certificate), owner);
    if (key.p)
        explicit_bzero(key.p, key.n);
    buffer_finish(&certificate);
    buffer_finish(&key);
    if (ok)
        log_warn(
            "made a self-signed certificate; clients will not trust it: set tls.certificate and "
            "tls.key",
            log_text("file", "data_dir/tls/cert.pem"));
    return ok;
}

/* Kept nowhere. */
static bool make_passing(
    const char *hostname, char **chain, size_t *chain_n, char **key, size_t *key_n, char why[256])
{
    struct buffer certificate, secret;
    buffer_init(&certificate, PEM_MAX);
    buffer_init(&secret, PEM_MAX);
    bool ok = net_key_self_signed(hostname, &certificate, &secret);
    *chain = certificate.p;
    *chain_n = certificate.n;
    *key = secret.p;
    *key_n = secret.n;
    if (!ok)
        snprintf(why, 256, "a self-signed certificate cannot be made");
    return ok;
}

bool own_certificate(int data_dir, const char *hostname, char **chain, size_t *chain_n, char **key,
    size_t *key_n, char why[256])
{
    struct stat owner;
    struct stat there;
    bool ok = false;
    if (data_dir < 0)
        return make_passing(hostname, chain, chain_n, key, key_n, why);
    if (fstat(data_dir, &owner) || (geteuid() && owner.st_uid != geteuid())) {
        snprintf(why, 256, "data_dir does not belong to the user that runs barid");
        return false;
    }
    if (mkdirat(data_dir, "tls", 0700) && errno != EEXIST) {
        snprintf(why, 256, "data_dir/tls cannot be made: %s", strerror(errno));
        return false;
    }
    int dir = openat(data_dir, "tls", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir >= 0) {
        if (!geteuid() && fchown(dir, owner.st_uid, owner.st_gid))
            errno = EPERM;
        else if (fstatat(dir, "cert.pem", &there, AT_SYMLINK_NOFOLLOW) && errno == ENOENT)
            make(dir, hostname, &owner);
        ok = read_file(dir, "cert.pem", chain, chain_n) && read_file(dir, "key.pem", key, key_n);
    }
    if (!ok)
        snprintf(why, 256, "the self-signed certificate in data_dir/tls cannot be read or made: %s",
            strerror(errno));
    if (dir >= 0)
        close(dir);
    return ok;
}
