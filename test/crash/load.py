"""Clients that keep a ledger of what the server said it has."""
import hashlib
import random
import re
import socket
import subprocess

PATIENCE = 60
DOMAIN = "example.test"
ACCOUNTS = ("alice", "bob", "carol")
PASSWORD = "secret"
LOST = (OSError, EOFError)  # the connection went

_noise = random.Random(7)
_BLOCK = b"".join(bytes(_noise.choices(b"abcdefghijklmnopqrstuvwxyz0123456789+/", k=70)) + b"\r\n" for _ in range(900))


class Message:
    def __init__(self, name, size, recipients):
        self.name, self.recipients = name, tuple("%s@%s" % (r, DOMAIN) for r in recipients)
        head = ("X-Crash: %s\r\nFrom: <sender@elsewhere.test>\r\nTo: <list@%s>\r\nSubject: %s\r\n"
                "Date: Sun, 22 Nov 2026 04:00:00 +0000\r\nMessage-ID: <%s@elsewhere.test>\r\n\r\n.dot\r\n..two\r\n"
                % (name, DOMAIN, name, name)).encode()
        body = _BLOCK * (size // len(_BLOCK)) + _BLOCK[:size % len(_BLOCK) // 72 * 72]
        self.bytes = head + body + name.encode() + b"\r\n"
        self.stuffed = re.sub(rb"(?m)^\.", b"..", self.bytes) + b".\r\n"
        self.sum = hashlib.sha256(self.bytes).hexdigest()


class Ledger:
    def __init__(self):
        self.messages = {}
        self.state = {}  # (address, name): "sent", "kept", "going" (DELE under way), "gone"
        self.together = []  # SMTP: all recipients or none, as long as it is unknown
        self.damaged = False  # some messages cannot be read

    def sending(self, message, together=False):
        self.messages[message.name] = message
        for r in message.recipients:
            self.state[r, message.name] = "sent"
        if together:
            self.together.append(message)

    def settle(self, message, recipient, reply):
        """451 is no promise in either direction: the client comes again."""
        if reply.startswith("250"):
            self.state[recipient, message.name] = "kept"
        elif not reply.startswith("451"):
            del self.state[recipient, message.name]

    def count(self, state):
        return sum(s == state for s in self.state.values())

    def problems(self, dump):
        """dump: lines of crash-dump. What is against the promises, in words."""
        found, wrong = {}, []
        for line in dump.splitlines():
            address, mailbox, uid, name, size, digest = line.split(" ")
            found[address, name] = found.get((address, name), 0) + 1
            message = self.messages.get(name)
            if not message or address not in message.recipients:
                wrong.append("%s has %s, which nobody sent there" % (address, name))
            elif digest != message.sum:
                wrong.append("%s %s: %s bytes, other than the %d sent" % (address, name, size, len(message.bytes)))
        for key in set(self.state) | set(found):
            state, n = self.state.get(key, "refused"), found.get(key, 0)
            if n not in {"sent": (0, 1), "kept": (1,), "going": (0, 1)}.get(state, (0,)):
                wrong.append("%s %s: %s, there %d times" % (key[0], key[1], state, n))
        for m in self.together:
            there = [found.get((r, m.name), 0) for r in m.recipients if self.state.get((r, m.name)) == "sent"]
            if there and min(there) != max(there):
                wrong.append("%s: some recipients only" % m.name)
        return wrong

    def learn(self, dump):
        """What was uncertain is now known."""
        found = {tuple(line.split(" ")[0:4:3]) for line in dump.splitlines()}
        for key, state in list(self.state.items()):
            if state in ("sent", "going"):
                self.state[key] = "kept" if key in found else "gone"
        self.together = []


class Client:
    def __init__(self, where):
        family = socket.AF_UNIX if isinstance(where, str) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(where if isinstance(where, str) else ("127.0.0.1", where))
        self.file = self.socket.makefile("rb")

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())

    def line(self):
        line = self.file.readline()
        if not line.endswith(b"\n"):
            raise EOFError("connection closed")
        return line.rstrip(b"\r\n").decode("utf-8", "replace")

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


class Smtp(Client):
    """SMTP, and LMTP on a Unix socket."""

    def __init__(self, where, ledger):
        super().__init__(where)
        self.ledger, self.lmtp = ledger, isinstance(where, str)
        self.reply()
        self.command(("LHLO" if self.lmtp else "EHLO") + " client.elsewhere.test")

    def reply(self):
        while True:
            line = self.line()
            if line[3:4] != "-":
                self.last = line
                return line

    def command(self, text):
        self.send(text + "\r\n")
        return self.reply()

    def envelope(self, message):
        replies = [self.command("MAIL FROM:<sender@elsewhere.test>")]
        replies += [self.command("RCPT TO:<%s>" % r) for r in message.recipients]
        return next((r for r in replies if not r.startswith("250")), None)

    def finish(self, message):
        """The replies to the message; the ledger knows them."""
        replies = []
        for r in message.recipients if self.lmtp else [None]:
            reply = self.reply()
            replies.append(reply)
            for one in [r] if r else message.recipients:
                self.ledger.settle(message, one, reply)
        return replies

    def data(self, message):
        refused = self.envelope(message)
        if not refused:
            reply = self.command("DATA")
            refused = None if reply.startswith("354") else reply
        if refused:
            self.command("RSET")
            return [refused]
        self.ledger.sending(message, not self.lmtp)
        self.send(message.stuffed)
        return self.finish(message)

    def bdat(self, message, chunks=3):
        refused = self.envelope(message)
        if refused:
            self.command("RSET")
            return [refused]
        self.ledger.sending(message, not self.lmtp)
        step = len(message.bytes) // chunks + 1
        for at in range(0, len(message.bytes), step):
            part = message.bytes[at:at + step]
            last = at + step >= len(message.bytes)
            self.send(b"BDAT %d%s\r\n" % (len(part), b" LAST" if last else b"") + part)
            if not last and not self.reply().startswith("250"):
                for r in message.recipients:
                    self.ledger.settle(message, r, self.last)
                return [self.last]
        return self.finish(message)


class Pop3(Client):
    def __init__(self, port, ledger, name):
        super().__init__(port)
        self.ledger, self.address = ledger, "%s@%s" % (name, DOMAIN)
        self.expect(self.line())
        self.command("USER " + self.address)
        self.command("PASS " + PASSWORD)

    def expect(self, line):
        if not line.startswith("+OK"):
            raise AssertionError("POP3 says " + line)
        return line

    def command(self, text):
        self.send(text + "\r\n")
        return self.expect(self.line())

    def lines(self, text):
        self.command(text)
        lines = []
        while True:
            line = self.line()
            if line == ".":
                return lines
            lines.append(line[1:] if line.startswith(".") else line)

    def count(self):
        return int(self.command("STAT").split()[1])

    def name(self, number):
        """None: it is damaged, which the server says."""
        try:
            lines = self.lines("TOP %d 0" % number)
        except AssertionError:
            if self.ledger.damaged:
                return None
            raise
        for line in lines:
            if line.startswith("X-Crash: "):
                return line[9:]
        raise AssertionError("a message without X-Crash")

    def delete(self, numbers):
        """DELE of each and QUIT: only its +OK makes them gone."""
        names = [(n, self.name(n)) for n in numbers]
        keys = [(self.address, name) for n, name in names if name]
        for n in (n for n, name in names if name):
            self.command("DELE %d" % n)
        for key in keys:
            self.ledger.state[key] = "going"
        self.command("QUIT")
        for key in keys:
            self.ledger.state[key] = "gone"


def has_pop3(server):
    """A server that does not speak POP3 yet closes at once."""
    if "pop3" not in server.ports:
        return False
    try:
        with Client(server.ports["pop3"]) as c:
            return c.line().startswith("+OK")
    except LOST:
        return False


def script(server, ledger, tag, pop3):
    """Every way in and out once. Raises LOST when the server goes."""
    smtp, lmtp = server.ports["smtp"], server.folder + "/lmtp"
    with Smtp(smtp, ledger) as c:
        c.data(Message(tag + ".small", 500, ["alice"]))
        c.data(Message(tag + ".three", 3000, ACCOUNTS))
        c.data(Message(tag + ".spooled", 300000, ["alice"]))
        c.bdat(Message(tag + ".chunks", 40000, ACCOUNTS))
        c.data(Message(tag + ".large", 2000000, ["bob", "carol"]))
    with Smtp(lmtp, ledger) as c:
        c.data(Message(tag + ".lmtp", 2000, ACCOUNTS))
        c.data(Message(tag + ".lmtp-spooled", 300000, ["bob", "carol"]))
    if pop3:
        with Pop3(server.ports["pop3"], ledger, "alice") as c:
            c.delete(range(1, c.count() + 1, 2))
        with Pop3(server.ports["pop3"], ledger, "bob") as c:
            c.delete([1])
    with Smtp(smtp, ledger) as c:
        c.data(Message(tag + ".last", 1200, ["carol"]))


def dump(program, data, owner):
    """Lines of crash-dump, run as the owner of the data folder."""
    more = dict(user=owner.pw_uid, group=owner.pw_gid, extra_groups=[]) if owner.pw_uid else {}
    done = subprocess.run([program, data], capture_output=True, text=True, timeout=120, **more)
    if done.returncode:
        raise AssertionError("crash-dump: exit %d: %s" % (done.returncode, done.stderr.strip()))
    return done.stdout
