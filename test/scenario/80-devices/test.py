"""Two devices by IMAP and one by POP3 on one account, mail coming in by SMTP: what one does, the others see."""
import random
import re
import select
import socket
import statistics
import sys
import time

from server import PATIENCE, Server, run_cases

MORE = "auth = { plaintext_without_tls = true }"
ROUNDS = 25
APART = 0.21  # a watch is told at once, and then at most 5 times a second: so far apart is what is measured
FLAGS = ["\\Seen", "\\Answered", "\\Flagged", "\\Draft", "$Work", "$Later"]


class Wire:
    """One connection by lines, each with the time at which it came; a literal belongs to its line."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer, self.scanned, self.lines = b"", 0, []

    def fileno(self):
        return self.socket.fileno()

    def send(self, text):
        self.socket.sendall(text if isinstance(text, bytes) else text.encode())

    def feed(self):
        data = self.socket.recv(1 << 18)
        now = time.perf_counter()
        assert data, "closed behind %r" % self.lines[-3:]
        self.buffer += data
        while True:
            end = self.buffer.find(b"\r\n", self.scanned)
            if end < 0:
                return
            literal = re.search(rb"\{(\d+)\}$", self.buffer[self.scanned:end])
            if literal:
                if len(self.buffer) < end + 2 + int(literal.group(1)):
                    return
                self.scanned = end + 2 + int(literal.group(1))
                continue
            self.lines.append((now, self.buffer[:end]))
            self.buffer, self.scanned = self.buffer[end + 2:], 0

    def take(self, wanted):
        """(time, lines) up to the first that matches, taken away; None when there is none yet."""
        for i, (when, line) in enumerate(self.lines):
            if re.match(wanted, line, re.S):
                lines = [text for _, text in self.lines[:i + 1]]
                del self.lines[:i + 1]
                return when, lines
        return None


def wait(*wanted):
    """Each (wire, expression) until all have come: [(time, lines)]."""
    got, until = [None] * len(wanted), time.monotonic() + PATIENCE
    while True:
        for i, (wire, text) in enumerate(wanted):
            got[i] = got[i] or wire.take(text)
        open_ = [wire for (wire, _), g in zip(wanted, got) if not g]
        if not open_:
            return got
        ready = select.select(open_, [], [], max(0, until - time.monotonic()))[0]
        assert ready, "waited for %r; there is %r" % (
            [t for (_, t), g in zip(wanted, got) if not g], [w.lines[-3:] for w in open_])
        for wire in ready:
            wire.feed()


class Device(Wire):
    def __init__(self, s, *enable):
        super().__init__(s.ports["imap"])
        self.number = 0
        wait((self, rb"\* OK "))
        self.do('LOGIN ann@example.test secret')
        for name in enable:
            self.do("ENABLE " + name)

    def start(self, command):
        """Sends it; the expression of its tagged OK."""
        self.number += 1
        tag = b"t%d" % self.number
        self.send(tag + b" " + (command if isinstance(command, bytes) else command.encode()) + b"\r\n")
        return tag + rb" (OK|NO|BAD) "

    def do(self, command):
        (_, lines), = wait((self, self.start(command)))
        assert lines[-1].split()[1] == b"OK", (command, lines[-1])
        return lines

    def idle(self):
        self.idling = self.start("IDLE")
        wait((self, rb"\+ "))

    def done(self):
        self.send(b"DONE\r\n")
        (_, lines), = wait((self, self.idling))
        return lines


def mail(subject, size=0):
    noise = "\r\n".join("%s %d ." % (subject, i) for i in range(size))
    return ("From: <joe@away.test>\r\nTo: <ann@example.test>\r\nSubject: %s\r\nMessage-ID: <%s@away.test>\r\n\r\n%s\r\n" % (
        subject, subject.replace(" ", "."), noise)).encode()


def append(box, octets):
    return b"APPEND %s {%d+}\r\n" % (box.encode(), len(octets)) + octets


def smtp(s):
    wire = Wire(s.ports["smtp"])
    wait((wire, b"220 "))
    wire.send(b"EHLO away.test\r\n")
    wait((wire, b"250 "))
    return wire


def send(wire, octets):
    """Up to the point; the 250 is still to come."""
    for line in (b"MAIL FROM:<joe@away.test>", b"RCPT TO:<ann@example.test>", b"DATA"):
        wire.send(line + b"\r\n")
        wait((wire, b"[23]5[04] "))
    wire.send(octets + b".\r\n")


def pop3(s):
    wire = Wire(s.ports["pop3"])
    for line in (None, b"USER ann@example.test", b"PASS secret"):
        if line:
            wire.send(line + b"\r\n")
        wait((wire, rb"\+OK"))
    return wire


def ask(wire, line):
    """A command of POP3 with several lines: the lines."""
    wire.send(line + b"\r\n")
    (_, lines), = wait((wire, rb"\.$"))
    assert lines[0].startswith(b"+OK"), lines
    return lines[1:-1]


def uid_of(lines):
    return int(re.search(rb"(?:APPENDUID \d+|COPYUID \d+ \S+) (\d+)\]", b"\n".join(lines)).group(1))


class Times:
    """Microseconds from the answer to him who did it to the line to him who waits."""

    def __init__(self):
        self.kinds = {}

    def note(self, kind, answered, told):
        self.kinds.setdefault(kind, []).append((told - answered) * 1e6)

    def tell(self):
        everything = sorted(t for kind in self.kinds.values() for t in kind)
        for kind, times in [*self.kinds.items(), ("all", everything)]:
            print("told behind the answer, %s: median %.0f us, at most %.0f us, %d times" % (
                kind, statistics.median(times), max(times), len(times)))


def one_acts_and_the_other_is_told_in_IDLE():
    with Server(more=MORE) as s:
        s.setup("ann").start()
        a, b, times, incoming = Device(s), Device(s, "QRESYNC"), Times(), smtp(s)
        a.do("SELECT INBOX")
        b.do("SELECT INBOX")
        b.idle()

        def act(kind, command, wanted):
            time.sleep(APART)
            (answered, lines), (told, said) = wait((a, a.start(command)), (b, wanted))
            assert lines[-1].split()[1] == b"OK", lines
            times.note(kind, answered, told)
            return lines, said[-1]

        for i in range(5):
            lines, _ = act("append", append("INBOX", mail("by a %d" % i, i * 40)), rb"\* 1 EXISTS$")
            uid = uid_of(lines)
            _, said = act("fetch", "UID FETCH %d BODY[]" % uid, rb"\* 1 FETCH ")
            assert b"\\Seen" in said and b"MODSEQ (" in said and b"UID %d" % uid in said, said
            _, said = act("flags", "UID STORE %d +FLAGS.SILENT (\\Flagged $Work)" % uid, rb"\* 1 FETCH ")
            assert b"\\Flagged" in said and b"$Work" in said, said
            act("move", "UID MOVE %d Archive" % uid, rb"\* VANISHED %d$" % uid)
            time.sleep(APART)
            send(incoming, mail("incoming %d" % i, 5))
            (accepted, _), (told, _) = wait((incoming, b"250 "), (b, rb"\* 1 EXISTS$"))
            times.note("mail", accepted, told)
            if i % 2:
                a.do("NOOP")
                act("delete", "STORE 1 +FLAGS.SILENT \\Deleted", rb"\* 1 FETCH .*\\Deleted")
                act("expunge", "EXPUNGE", rb"\* VANISHED \d+$")
                continue
            p = pop3(s)
            p.send(b"DELE 1\r\n")
            wait((p, rb"\+OK"))
            time.sleep(APART)
            p.send(b"QUIT\r\n")
            (answered, _), (told, _) = wait((p, rb"\+OK"), (b, rb"\* VANISHED \d+$"))
            times.note("POP3", answered, told)
        b.done()
        times.tell()
        assert b.do("UID SEARCH RETURN (COUNT) ALL")[0].endswith(b"COUNT 0")
        assert s.stop() == 0
        assert s.cli("verify").stdout.startswith("faults 0\n")


def both_act_on_one_message():
    """What one removed the other cannot change, and hears of it; a POP3 session keeps its own list."""
    with Server(more=MORE) as s:
        s.setup("ann").start()
        a, b = Device(s), Device(s)
        mails = [mail("shared %d" % i, i * 100) for i in range(4)]
        for one in mails:
            a.do(append("INBOX", one))
        a.do("SELECT INBOX")
        b.do("SELECT INBOX")
        p = pop3(s)
        assert len(ask(p, b"LIST")) == 4
        a.do("UID MOVE 2 Trash")
        b.do("STORE 1 +FLAGS (\\Answered)")
        said = b.do("UID STORE 2:3 +FLAGS (\\Flagged)")
        assert any(re.match(rb"\* 2 EXPUNGE", line) for line in said), said
        assert b"UID 3" in b"".join(said) and b"UID 2 " not in b"".join(said), said
        said = a.do("NOOP")
        assert sum(b" FETCH " in line for line in said) == 2, said
        # the list of POP3 stays as it was: what was moved away is an error or itself, never another message
        for number in (2, 3):
            p.send(b"RETR %d\r\n" % number)
            (_, lines), = wait((p, rb"\.$|-ERR"))
            assert b"Subject: shared %d" % (number - 1) in lines or number == 2 and lines[-1].startswith(b"-ERR"), lines[:5]
        p.send(b"DELE 4\r\nQUIT\r\n")
        wait((p, rb"\+OK"))
        wait((p, rb"\+OK"))
        said = b.do("NOOP")
        assert any(re.match(rb"\* 3 EXPUNGE", line) for line in said), said
        rows = [line for line in Device(s).do("EXAMINE INBOX") if b"EXISTS" in line]
        assert rows == [b"* 2 EXISTS"], rows
        assert s.stop() == 0
        assert s.cli("verify").stdout.startswith("faults 0\n")


def numbers(text):
    """The numbers of a set."""
    found = set()
    for part in text.split(b","):
        first, _, last = part.partition(b":")
        found.update(range(int(first), int(last or first) + 1))
    return found


def rows_of(lines):
    """{UID: flags} of untagged FETCH lines."""
    rows = {}
    for line in lines:
        if re.match(rb"\* \d+ FETCH \(", line):
            flags = re.search(rb"FLAGS \(([^)]*)\)", line).group(1).decode().split()
            rows[int(re.search(rb"UID (\d+)", line).group(1))] = frozenset(flags) - {"\\Recent"}
    return rows


class Away:
    """What a device and a POP3 client do while another device is away, and which UIDs they touched."""

    def __init__(self, s, number):
        self.s, self.number, self.touched, self.count = s, number, set(), 0
        self.device = Device(s)
        self.device.do("SELECT INBOX")
        self.incoming = smtp(s)

    def state(self):
        self.device.do("NOOP")  # what came since is told, and then there to be fetched
        return rows_of(self.device.do("UID FETCH 1:* FLAGS"))

    def act(self):
        rows = self.state()
        uid = self.number.choice(sorted(rows)) if rows else None
        self.count += 1
        kind = self.number.choice(["append", "mail", "flags", "flags", "delete", "move", "back", "pop3"] if rows else ["mail"])
        d = self.device
        if kind == "append":
            self.touched.add(uid_of(d.do(append("INBOX", mail("append %d" % self.count, self.count)))))
        elif kind == "mail":
            send(self.incoming, mail("mail %d" % self.count, self.count))
            wait((self.incoming, b"250 "))
            self.touched.update(set(self.state()) - set(rows))
        elif kind == "flags":
            flag = self.number.choice(FLAGS)
            d.do("UID STORE %d %sFLAGS (%s)" % (uid, "-" if flag in rows[uid] else "+", flag))
            self.touched.add(uid)
        elif kind == "delete":
            d.do("UID STORE %d +FLAGS.SILENT (\\Deleted)" % uid)
            d.do("UID EXPUNGE %d" % uid)
        elif kind == "move":
            d.do("UID MOVE %d Archive" % uid)
        elif kind == "back":
            other = Device(self.s)
            other.do("SELECT INBOX")
            there = uid_of(other.do("UID MOVE %d Trash" % uid))
            other.do("SELECT Trash")
            self.touched.add(uid_of(other.do("UID MOVE %d INBOX" % there)))
            other.do("LOGOUT")
        else:
            p = pop3(self.s)
            p.send(b"DELE %d\r\nQUIT\r\n" % self.number.randint(1, len(rows)))
            wait((p, rb"\+OK"))
            wait((p, rb"\+OK"))


def QRESYNC_brings_the_difference():
    with Server(more=MORE) as s:
        s.setup("ann").start()
        number = random.Random(3501)
        a = Away(s, number)
        for i in range(12):
            a.device.do(append("INBOX", mail("start %d" % i, i * 20)))
        known, validity, modseq, compared = None, None, None, 0
        for turn in range(ROUNDS):
            b = Device(s, "QRESYNC")
            if known is None:
                lines = b.do("SELECT INBOX")
                known = rows_of(b.do("UID FETCH 1:* FLAGS"))
            else:
                truth = a.state()
                limit = max(known, default=1) if turn % 2 else 1 << 32
                lines = b.do("SELECT INBOX (QRESYNC (%d %d%s))" % (validity, modseq, " 1:%d" % limit if turn % 2 else ""))
                gone = set().union(*(numbers(line.split()[-1]) for line in lines if b"VANISHED (EARLIER)" in line))
                changed = rows_of(lines)
                went = {uid for uid in (set(known) | a.touched) - set(truth) if uid <= limit}
                came = {uid for uid in a.touched & set(truth) if uid <= limit}
                assert gone == went, (turn, "vanished", gone, went)
                assert set(changed) == came, (turn, "changed", changed, came)
                if turn % 2:  # what it does not know is not told: it asks for that
                    changed.update(rows_of(b.do("UID FETCH %d:* FLAGS" % (limit + 1))))
                known = {uid: flags for uid, flags in {**known, **changed}.items() if uid not in gone}
                assert known == truth, (turn, known, truth)
                compared += len(gone) + len(changed)
            text = b"\n".join(lines)
            validity = int(re.search(rb"UIDVALIDITY (\d+)", text).group(1))
            modseq = int(re.search(rb"HIGHESTMODSEQ (\d+)", text).group(1))
            b.do("LOGOUT")
            a.touched.clear()
            for _ in range(number.randint(0, 9)):
                a.act()
        assert compared > ROUNDS, compared
        assert s.stop() == 0
        assert s.cli("verify").stdout.startswith("faults 0\n")


sys.exit(run_cases([one_acts_and_the_other_is_told_in_IDLE, both_act_on_one_message, QRESYNC_brings_the_difference]))
