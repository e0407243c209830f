"""Mail to elsewhere: who submits it, a sink that takes it, and what must hold of both after crashes."""
import asyncio
import collections
import contextlib
import imaplib
import re
import smtplib
import ssl
import threading
import time

import load
import server as support

USER = "alice@" + load.DOMAIN
LOCAL = "bob@" + load.DOMAIN
ROUTES = 16
MORE = """auth = { plaintext_without_tls = true }
outbound = { port = %d, allow_private_addresses = true }
"""


class Lost(Exception):
    """The server went."""


def address(local, route):
    """Without names: each loopback address is a route of its own."""
    return "%s@[127.0.2.%d]" % (local, route % ROUTES + 1)


class Message:
    """To so many routes; every fourth to a mailbox of ours too; every fifth has a recipient who is refused."""

    def __init__(self, number, routes):
        self.name = "m%d" % number
        self.taken = [address("to", number + i) for i in range(routes)]
        self.refused = [address("no", number)] if number % 5 == 0 else []
        self.local = [LOCAL] if number % 4 == 0 else []
        self.recipients = self.taken + self.refused + self.local
        self.text = ("X-Crash: %s\r\nFrom: %s\r\nSubject: %s\r\n\r\n%s" % (self.name, USER, self.name, "line\r\n" * 50)).encode()


# ---- the sink ----


class Connection(asyncio.Protocol):
    """SMTP with PIPELINING. What was taken is noted before the reply leaves."""

    def __init__(self, sink):
        self.sink, self.buffer, self.in_data = sink, b"", False
        self.recipients, self.brought = [], []

    def connection_made(self, transport):
        self.transport = transport
        self.sink.connections.append(self)
        self.say("220 sink.test")

    def connection_lost(self, error):
        self.transport = None

    def say(self, text):
        self.transport.write(text.encode() + b"\r\n")

    def data_received(self, data):
        self.buffer += data
        while self.transport:
            end = b"\r\n.\r\n" if self.in_data else b"\r\n"
            at = self.buffer.find(end)
            if at < 0:
                return
            piece, self.buffer = self.buffer[:at], self.buffer[at + len(end):]
            if self.in_data:
                self.take(piece)
            else:
                self.command(piece.decode())

    def take(self, text):
        self.in_data = False
        name = re.search(rb"(?m)^X-Crash: (\S+)", text).group(1).decode()
        self.brought.append([(name, r) for r in self.recipients])
        self.sink.note(self, name, self.recipients)
        self.recipients = []
        self.say("250 2.0.0 taken")

    def command(self, line):
        verb = line[:4].upper()
        if verb == "EHLO":
            self.say("250-sink.test\r\n250 PIPELINING")
        elif verb == "RCPT":
            who = line[line.index("<") + 1:line.rindex(">")]
            if who.startswith("no"):
                self.say("550 5.1.1 nobody of that name")
            else:
                self.recipients.append(who)
                self.say("250 2.1.5 ok")
        elif verb == "DATA":
            self.in_data = bool(self.recipients)
            self.say("354 go on" if self.in_data else "554 5.5.1 for whom?")
        elif verb == "QUIT":
            self.say("221 2.0.0 bye")
            self.transport.close()
        else:
            if verb in ("MAIL", "RSET"):
                self.recipients = []
            self.say("250 2.1.0 ok")


class Sink:
    def __init__(self):
        self.connections = []
        self.arrived = collections.Counter()  # (name, recipient)
        self.order = []  # (connection, how many messages it had brought by then, name, recipient)
        self.moved = threading.Condition()
        self.loop = asyncio.new_event_loop()
        self.server = self.loop.run_until_complete(
            self.loop.create_server(lambda: Connection(self), "0.0.0.0", 0, backlog=1000))
        self.port = self.server.sockets[0].getsockname()[1]
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def note(self, connection, name, recipients):
        with self.moved:
            for r in recipients:
                self.arrived[name, r] += 1
                self.order.append((connection, len(connection.brought), name, r))
            self.moved.notify_all()

    def open(self):
        return sum(c.transport is not None for c in list(self.connections))

    def twice(self):
        return sum(n - 1 for n in self.arrived.values())

    def problems(self):
        """Twice is only what was the last of its connection: the reply to it may have been lost."""
        last, wrong = {}, []
        for connection, nth, name, r in self.order:
            before = last.get((name, r))
            if before and before[1] != len(before[0].brought):
                wrong.append("%s came to %s again although it was settled" % (name, r))
            last[name, r] = connection, nth
        return wrong

    def close(self):
        async def end():
            self.server.close()
            for c in self.connections:
                if c.transport:
                    c.transport.abort()
            await self.server.wait_closed()

        asyncio.run_coroutine_threadsafe(end(), self.loop).result(support.PATIENCE)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


# ---- who submits ----


@contextlib.contextmanager
def session(server):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        smtp = smtplib.SMTP_SSL("127.0.0.1", server.ports["submissions"], timeout=load.PATIENCE, context=context)
        smtp.login(USER, load.PASSWORD)
    except (OSError, smtplib.SMTPServerDisconnected) as e:
        raise Lost from e
    try:
        yield smtp
    finally:
        smtp.close()


class Ledger:
    def __init__(self):
        self.kept, self.open = [], []  # acknowledged; the reply was lost
        self.lock = threading.Lock()

    def submit(self, smtp, message):
        try:
            refused = smtp.sendmail(USER, message.recipients, message.text)
        except (OSError, smtplib.SMTPServerDisconnected) as e:
            with self.lock:
                self.open.append(message)
            raise Lost from e
        assert not refused, refused
        with self.lock:
            self.kept.append(message)

    def missing(self, sink):
        with self.lock:
            kept = list(self.kept)
        return [(m.name, r) for m in kept for r in m.taken if not sink.arrived[m.name, r]]

    def problems(self, sink, bounced, copies):
        """bounced, copies: Counters of (name, recipient)."""
        wrong = ["%s has not come to %s" % key for key in self.missing(sink)] + sink.problems()
        for m in self.kept + self.open:
            least = m in self.kept
            for what, found, whom in (("bounces", bounced, m.refused), ("copies", copies, m.local)):
                for r in whom:
                    n = found[m.name, r]
                    if not least <= n <= 1:
                        wrong.append("%s: %d %s for %s" % (m.name, n, what, r))
            some = {bool(sink.arrived[m.name, r]) for r in m.taken} | {bool(copies[m.name, r]) for r in m.local} | {
                bool(bounced[m.name, r]) for r in m.refused}
            if len(some) > 1:
                wrong.append("%s: some recipients only" % m.name)
        known = {m.name for m in self.kept + self.open}
        return wrong + ["%s: nobody sent it" % name for name, _ in sink.arrived if name not in known]


def wait_empty(server):
    until = time.monotonic() + support.PATIENCE
    while server.json("queue", "list"):
        if time.monotonic() > until:
            raise AssertionError("the queue does not become empty: " + server.log()[-500:])
        time.sleep(0.02)


def read_inbox(server, who):
    with imaplib.IMAP4("127.0.0.1", server.ports["imap"], timeout=load.PATIENCE) as imap:
        imap.login(who, load.PASSWORD)
        n = int(imap.select("INBOX", readonly=True)[1][0])
        if not n:
            return []
        return [part[1].decode("utf-8", "replace") for part in imap.fetch("1:*", "BODY.PEEK[]")[1] if isinstance(part, tuple)]


def read_reports(server):
    """(bounces, copies) in the mailboxes."""
    bounced, copies = collections.Counter(), collections.Counter()
    for text in read_inbox(server, USER):
        name = re.search(r"(?m)^X-Crash: (\S+)", text)
        for who in re.findall(r"(?m)^Final-Recipient: rfc822; *(\S+)", text):
            bounced[name.group(1) if name else "?", who] += 1
    for text in read_inbox(server, LOCAL):
        copies[re.search(r"(?m)^X-Crash: (\S+)", text).group(1), LOCAL] += 1
    return bounced, copies
