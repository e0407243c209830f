#include "unit/dns/script.h"
#include "unit/task/check.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS = 64, HELD = 2048, PACKET = 512 };

struct packet {
    uint8_t bytes[PACKET];
    size_t n;
    struct sockaddr_in from;
};

static struct {
    script_fn fn;
    int udp, tcp, wake, connections[CONNECTIONS];
    size_t connection_n, held_n;
    struct packet held[HELD];
    pthread_t thread;
    atomic_bool end, let_go;
    atomic_uint asked;
} server;

/* ---- building ---- */

size_t script_name(uint8_t *to, const char *name)
{
    size_t n = 0;
    while (*name) {
        size_t label = strcspn(name, ".");
        to[n++] = (uint8_t)label;
        memcpy(to + n, name, label);
        n += label;
        name += label + (name[label] == '.');
    }
    to[n++] = 0;
    return n;
}

static void put_u16(uint8_t *to, unsigned value)
{
    to[0] = (uint8_t)(value >> 8);
    to[1] = (uint8_t)value;
}

void script_add(
    struct script_reply *r, const char *owner, unsigned type, const void *data, size_t n)
{
    CHECK(r->n + 300 + n < sizeof r->bytes);
    if (owner) {
        r->n += script_name(r->bytes + r->n, owner);
    } else {
        put_u16(r->bytes + r->n, 0xc00c);
        r->n += 2;
    }
    put_u16(r->bytes + r->n, type);
    put_u16(r->bytes + r->n + 2, 1);
    put_u16(r->bytes + r->n + 4, 0);
    put_u16(r->bytes + r->n + 6, 60);
    put_u16(r->bytes + r->n + 8, (unsigned)n);
    memcpy(r->bytes + r->n + 10, data, n);
    r->n += 10 + n;
    r->records++;
}

void script_a(struct script_reply *r, const char *owner, const char *address)
{
    uint8_t data[4];
    CHECK(inet_pton(AF_INET, address, data) == 1);
    script_add(r, owner, 1, data, sizeof data);
}

void script_aaaa(struct script_reply *r, const char *owner, const char *address)
{
    uint8_t data[16];
    CHECK(inet_pton(AF_INET6, address, data) == 1);
    script_add(r, owner, 28, data, sizeof data);
}

void script_cname(struct script_reply *r, const char *owner, const char *target)
{
    uint8_t data[300];
    script_add(r, owner, 5, data, script_name(data, target));
}

void script_mx(struct script_reply *r, const char *owner, unsigned preference, const char *host)
{
    uint8_t data[300];
    put_u16(data, preference);
    script_add(r, owner, 15, data, 2 + script_name(data + 2, host));
}

/* ---- answering ---- */

static bool parse(const uint8_t *p, size_t n, struct script_question *q, size_t *question_n)
{
    size_t at = 12, out = 0;
    while (at < n && p[at]) {
        size_t label = p[at++];
        if (label > 63 || at + label >= n || out + label + 2 > sizeof q->name)
            return false;
        if (out)
            q->name[out++] = '.';
        for (size_t i = 0; i < label; i++)
            q->name[out++] = (char)tolower(p[at++]);
    }
    if (at + 5 > n)
        return false;
    q->name[out] = '\0';
    q->type = (unsigned)p[at + 1] << 8 | p[at + 2];
    *question_n = at + 5 - 12;
    return true;
}

/* The whole reply; 0: none. */
static size_t respond(const uint8_t *query, size_t n, bool tcp, enum script_way *way, uint8_t *to)
{
    static struct script_reply r;
    struct script_question q = {.tcp = tcp};
    size_t question_n;
    *way = SCRIPT_SILENT;
    if (n < 17 || !parse(query, n, &q, &question_n))
        return 0;
    r = (struct script_reply){0};
    *way = server.fn(&q, &r);
    if (*way != SCRIPT_SAY)
        return 0;
    if (r.raw) {
        memcpy(to, r.bytes, r.n);
        put_u16(to, (unsigned)query[0] << 8 | query[1]);
        return r.n;
    }
    memcpy(to, query, 12 + question_n);
    put_u16(to + 2, 0x8180 | (r.truncated ? 0x0200 : 0) | r.rcode);
    put_u16(to + 6, (unsigned)r.records);
    put_u16(to + 8, 0);
    put_u16(to + 10, 0);
    to[0] ^= r.other_id ? 0x55 : 0;
    if (r.other_name)
        to[13] ^= 1;
    memcpy(to + 12 + question_n, r.bytes, r.n);
    return 12 + question_n + r.n;
}

static void answer_udp(const struct packet *p)
{
    static uint8_t reply[70000];
    enum script_way way;
    size_t n = respond(p->bytes, p->n, false, &way, reply);
    if (n)
        sendto(server.udp, reply, n, 0, (const struct sockaddr *)&p->from, sizeof p->from);
    if (way == SCRIPT_HOLD && server.held_n < HELD && !atomic_load(&server.let_go))
        server.held[server.held_n++] = *p;
}

static void read_udp(void)
{
    struct packet p;
    socklen_t size = sizeof p.from;
    ssize_t n = recvfrom(
        server.udp, p.bytes, sizeof p.bytes, MSG_DONTWAIT, (struct sockaddr *)&p.from, &size);
    if (n <= 0)
        return;
    p.n = (size_t)n;
    atomic_fetch_add(&server.asked, 1);
    answer_udp(&p);
}

/* One question; false: the connection is over. */
static bool read_tcp(int fd)
{
    static uint8_t reply[70000];
    uint8_t query[2 + PACKET];
    enum script_way way;
    if (recv(fd, query, 2, MSG_WAITALL) != 2)
        return false;
    size_t n = (size_t)query[0] << 8 | query[1];
    if (n > PACKET || recv(fd, query + 2, n, MSG_WAITALL) != (ssize_t)n)
        return false;
    atomic_fetch_add(&server.asked, 1);
    n = respond(query + 2, n, true, &way, reply + 2);
    put_u16(reply, (unsigned)n);
    return n && send(fd, reply, n + 2, MSG_NOSIGNAL) == (ssize_t)n + 2;
}

static void release_held(void)
{
    for (size_t i = 0; i < server.held_n; i++)
        answer_udp(&server.held[i]);
    server.held_n = 0;
}

static void *serve(void *arg)
{
    struct pollfd fds[3 + CONNECTIONS];
    while (!atomic_load(&server.end)) {
        fds[0] = (struct pollfd){.fd = server.wake, .events = POLLIN};
        fds[1] = (struct pollfd){.fd = server.udp, .events = POLLIN};
        fds[2] = (struct pollfd){.fd = server.tcp, .events = POLLIN};
        size_t n = server.connection_n;
        for (size_t i = 0; i < n; i++)
            fds[3 + i] = (struct pollfd){.fd = server.connections[i], .events = POLLIN};
        poll(fds, 3 + n, -1);
        if (fds[0].revents) {
            uint64_t count;
            CHECK(read(server.wake, &count, sizeof count) == sizeof count);
            release_held();
        }
        if (fds[1].revents)
            read_udp();
        for (size_t i = n; i-- > 0;)
            if (fds[3 + i].revents && !read_tcp(fds[3 + i].fd)) {
                close(fds[3 + i].fd);
                server.connections[i] = server.connections[--server.connection_n];
            }
        if (fds[2].revents && server.connection_n < CONNECTIONS)
            server.connections[server.connection_n++] = accept(server.tcp, NULL, NULL);
    }
    return NULL;
}

/* ---- life ---- */

static void wake(void)
{
    CHECK(write(server.wake, &(uint64_t){1}, 8) == 8);
}

void script_let_go(void)
{
    atomic_store(&server.let_go, true);
    wake();
}

unsigned script_asked(void)
{
    return atomic_load(&server.asked);
}

/* Any that is free for both; false: one was found that another resolver asks from by UDP. */
static bool take_port(struct sockaddr_in *at)
{
    socklen_t n = sizeof *at;
    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK((server.tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) >= 0);
    CHECK((server.udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) >= 0);
    CHECK(bind(server.tcp, (struct sockaddr *)at, n) == 0 && listen(server.tcp, 64) == 0);
    CHECK(getsockname(server.tcp, (struct sockaddr *)at, &n) == 0);
    if (bind(server.udp, (struct sockaddr *)at, n) == 0)
        return true;
    close(server.tcp);
    close(server.udp);
    return false;
}

void script_start(script_fn fn, char name[32])
{
    struct sockaddr_in at;
    server.fn = fn;
    server.end = server.let_go = false;
    server.asked = 0;
    server.held_n = server.connection_n = 0;
    CHECK((server.wake = eventfd(0, EFD_CLOEXEC)) >= 0);
    for (int tries = 0; !take_port(&at); tries++)
        CHECK(tries < 100);
    snprintf(name, 32, "127.0.0.1:%u", ntohs(at.sin_port));
    CHECK(pthread_create(&server.thread, NULL, serve, NULL) == 0);
}

void script_stop(void)
{
    atomic_store(&server.end, true);
    wake();
    pthread_join(server.thread, NULL);
    for (size_t i = 0; i < server.connection_n; i++)
        close(server.connections[i]);
    close(server.wake);
    close(server.udp);
    close(server.tcp);
}
