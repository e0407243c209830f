"""Limits of IMAP sessions, each exceeded: slow peers, peers that do not read, sets, criteria, names, memory."""
import imaplib
import os
import re
import resource
import socket
import sys
import tempfile
import time

from server import PATIENCE, Failed, Server, run_cases, sanitized

SLOW = 2000
NOBODY_WAITS = 20.0  # s for a newcomer beside them
ANOTHER = 2 * 1024 * 1024  # bytes of a message that is not read
MORE = "auth = { plaintext_without_tls = true }\nlimits = { connections_per_address = 0, %s }"


def start(more="connections_per_account = 1000000", names=("a", "b")):
    return Server(more=MORE % more).setup(*names).start()


class Peer:
    def __init__(self, s, login=True, name="a", window=0):
        self.socket = socket.socket()
        if window:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(("127.0.0.1", s.ports["imap"]))
        self.file = self.socket.makefile("rb")
        self.line()
        self.n = 0
        if login:
            assert self.ask(b"LOGIN %s@example.test secret" % name.encode())[1] == b"OK"

    def line(self):
        line = self.file.readline()
        if not line:
            raise Failed("closed")
        return line

    def send(self, data):
        self.socket.sendall(data)

    def ask(self, text):
        """(tag, OK or NO or BAD, the rest)"""
        self.n += 1
        self.send(b"t%d %s\r\n" % (self.n, text))
        while True:
            line = self.line()
            if line.startswith(b"t%d " % self.n):
                return line.split(b" ", 2)
            if line.startswith(b"* BYE"):
                raise Failed(line.decode())

    def append(self, size, box=b"INBOX"):
        head = b"Subject: x\r\n\r\n"
        body = head + (b"x" * 98 + b"\r\n") * ((size - len(head)) // 100)
        return self.ask(b"APPEND %s {%d+}\r\n%s" % (box, len(body), body))

    def close(self):
        self.file.close()
        self.socket.close()


def newcomer(s):
    """A whole session; how long it took."""
    begun = time.monotonic()
    c = imaplib.IMAP4("127.0.0.1", s.ports["imap"], timeout=PATIENCE)
    c.login("b@example.test", "secret")
    assert c.append("INBOX", None, None, b"Subject: x\r\n\r\nx\r\n")[0] == "OK"
    assert c.select()[0] == "OK"
    assert c.fetch("1", "(FLAGS BODY[])")[0] == "OK"
    c.logout()
    return time.monotonic() - begun


def rss(s):
    """KiB of the worker, private."""
    with open("/proc/%d/status" % s.worker_pid()) as f:
        return int(re.search(r"RssAnon:\s+(\d+)", f.read()).group(1))


def enough_files():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard >= 3 * SLOW


def two_thousand_slow_peers_in_all_states():
    """Half a line, half a command, half a literal, IDLE, and large answers that nobody reads."""
    if not enough_files():
        return "needs %d files" % (3 * SLOW)
    ends = (b"x LOG", b"x FETCH 1 (", b"x IDLE\r\n", b"x APPEND INBOX {1000}\r\n", b"x FETCH 1 BODY.PEEK[]\r\n" * 3)
    with start() as s:
        assert Peer(s).append(300000)[1] == b"OK"
        peers = []
        for i in range(SLOW):
            p = Peer(s, i % 5 != 0, window=4096 if i % 5 == 4 else 0)
            if i % 5 in (1, 4):
                assert p.ask(b"SELECT INBOX")[1] == b"OK"
            p.send(ends[i % 5])
            peers.append(p)
        worst = max(newcomer(s) for _ in range(5))
        assert worst < NOBODY_WAITS, worst
        print("slowest newcomer beside %d slow peers: %.0f ms" % (SLOW, worst * 1000), file=sys.stderr)
        for p in peers:
            p.close()
        newcomer(s)
        assert s.stop() == 0


def who_asks_for_100_mb_and_does_not_read():
    """It costs a few KiB, delays nobody, and is all there when it is read at last."""
    with start() as s:
        p = Peer(s, window=4096)
        assert p.append(ANOTHER)[1] == b"OK"
        assert p.ask(b"SELECT INBOX")[1] == b"OK"
        assert p.ask(b"FETCH 1 BODY.PEEK[]")[1] == b"OK"
        newcomer(s)
        before, times = rss(s), 50
        p.send(b"".join(b"f%d FETCH 1 BODY.PEEK[]\r\n" % i for i in range(times)))
        worst = max(newcomer(s) for _ in range(5))
        grown = rss(s) - before
        assert worst < NOBODY_WAITS, worst
        if not sanitized():
            assert grown < 4 * 1024, "%d KiB for output that nobody reads" % grown
        done = 0
        while done < times:
            line = p.line()
            m = re.search(rb"\{(\d+)\}\r\n$", line)
            if m:
                p.file.read(int(m.group(1)))
            elif line.startswith(b"f%d OK" % done):
                done += 1
        assert p.ask(b"NOOP")[1] == b"OK"
        p.close()
        assert s.stop() == 0


def ranges(n):
    return b",".join(b"%d" % (2 * i + 1) for i in range(n))


def ten_thousand_ranges():
    with start() as s:
        p = Peer(s)
        p.append(100)
        p.ask(b"SELECT INBOX")
        for verb in (b"UID FETCH %s (FLAGS)", b"UID STORE %s +FLAGS (x)", b"UID SEARCH UID %s", b"UID COPY %s Sent"):
            assert p.ask(verb % ranges(10000))[1] == b"OK", verb
            assert p.ask(verb % ranges(10001))[1] != b"OK", verb
        # what touches is merged before it is counted
        assert p.ask(b"UID FETCH %s (FLAGS)" % b",".join(b"%d" % i for i in range(1, 12000)))[1] == b"OK"
        assert newcomer(s) < NOBODY_WAITS


def a_thousand_search_nodes_and_their_depth():
    with start() as s:
        p = Peer(s)
        p.append(100)
        p.ask(b"SELECT INBOX")
        assert p.ask(b"SEARCH" + b" ALL" * 999)[1] == b"OK"  # and the one that holds them
        assert p.ask(b"SEARCH" + b" ALL" * 1000)[1] == b"BAD"
        assert p.ask(b"SEARCH " + b"(" * 100 + b"ALL" + b")" * 100)[1] == b"OK"
        assert p.ask(b"SEARCH " + b"(" * 101 + b"ALL" + b")" * 101)[1] == b"BAD"
        assert p.ask(b"SEARCH" + b" NOT" * 5000 + b" ALL")[1] == b"BAD"
        assert p.ask(b"SEARCH" + b" OR" * 5000 + b" ALL" * 5001)[1] == b"BAD"
        assert p.ask(b"NOOP")[1] == b"OK"


def files(folder):
    return {os.path.relpath(os.path.join(top, f), folder) for top, _, names in os.walk(folder) for f in names}


ESCAPES = (b"../../escape", b"..", b".", b"a/../../escape", b"/etc/passwd", b"~root/escape", b"INBOX/../escape",
           b"\\escape", b"%2e%2e/escape", b"$(touch escape)", b"a/./b", b".escape", b"c:escape", b"&ACQ-/&ACo-",
           b"x" * 255 + b"/" + b"y" * 145)


def names_that_try_to_escape():
    """Names are keys: whatever they say, no file comes of them; nor when they are exported."""
    with start() as s:
        p = Peer(s)
        before = files(s.data)
        for name in ESCAPES:
            quoted = b'"' + name.replace(b"\\", b"\\\\") + b'"'
            if p.ask(b"CREATE " + quoted)[1] == b"OK":
                assert p.append(100, quoted)[1] == b"OK", name
                assert p.ask(b"STATUS %s (MESSAGES)" % quoted)[1] == b"OK", name
        for name in (b"x" * 256, b"x" * 200 + b"/" + b"y" * 200, b"a//b", b"/a", b""):
            assert p.ask(b'CREATE "%s"' % name)[1] == b"NO", name
        new = files(s.data) - before
        assert all(re.match(r"(segments?/|tmp/|data|lock)", f) for f in new), new
        with tempfile.TemporaryDirectory() as outside:
            os.chmod(outside, 0o755)
            for kind in ("maildir", "mbox"):
                inside = os.path.join(outside, kind, "deep", "er", "out")
                os.makedirs(os.path.dirname(inside))
                s.cli("mailbox", "export", "a@example.test", kind, inside, check=False)
                stray = [f for f in files(outside) if not f.startswith(os.path.join(kind, "deep", "er", "out"))]
                assert not stray, stray
                assert files(outside), "nothing was exported"
                for f in list(files(outside)):
                    os.unlink(os.path.join(outside, f))
        assert s.stop() == 0
        assert s.cli("verify").stdout.startswith("faults 0\n")


FOREIGN = (b"user/b", b"user/b@example.test/INBOX", b"Other Users/b", b"~b/INBOX", b"#shared/b", b"b@example.test",
           b"../b/INBOX", b"Absent")


def a_mailbox_that_one_may_not_see():
    """NO, as if there were none, to every command that names it; nothing of the other account is told."""
    with start() as s:
        other = Peer(s, name="b")
        other.append(100)
        other.ask(b"CREATE Absent")
        p = Peer(s)
        p.append(100)
        p.ask(b"SELECT INBOX")
        for name in FOREIGN:
            quoted = b'"' + name + b'"'
            for text in (b"STATUS %s (MESSAGES)", b"DELETE %s", b"RENAME %s Taken", b"COPY 1 %s", b"MOVE 1 %s",
                         b"UID COPY 1 %s", b"UID MOVE 1 %s", b"APPEND %s {2+}\r\nx\n"):
                reply = p.ask(text % quoted)
                assert reply[1] == b"NO", (text % quoted, reply)
            for text in (b"EXAMINE %s", b"SELECT %s"):
                reply = p.ask(text % quoted)
                assert reply[1] == b"NO", (text % quoted, reply)
                p.ask(b"SELECT INBOX")
        assert p.ask(b"STATUS INBOX (MESSAGES)")[1] == b"OK"
        assert other.ask(b"SELECT Absent")[1] == b"OK"
        assert {a["address"]: a["messages"] for a in s.json("account", "list")} == {
            "a@example.test": 1, "b@example.test": 1}


def over_the_memory_budget_is_no_limit():
    """Large literals are refused, small commands and those who came before go on."""
    with start('memory = "1MB"') as s:
        peers, taken, refused = [Peer(s) for _ in range(12)], [], []  # half of them are too many
        for p in peers:
            p.send(b"x APPEND INBOX {250000}\r\n")
            line = p.line()
            if line.startswith(b"+"):
                taken.append(p)
                p.send(b"Subject: x\r\n\r\n" + b"x" * 200000)
            else:
                refused.append(line)
        for p in peers:
            if p not in taken:
                assert p.ask(b"STATUS INBOX (MESSAGES)")[1] == b"OK"
        kept = 0
        for p in taken:  # memory is taken as the bytes come: one that was begun may still find none
            p.send(b"x" * (250000 - 14 - 200000) + b"\r\n")
            line = p.line()
            if line.startswith(b"x OK "):
                kept += 1
            else:
                refused.append(line)
        assert kept and refused and all(line.startswith(b"x NO [LIMIT]") for line in refused), (kept, refused)
        assert newcomer(s) < NOBODY_WAITS
        print("%d of %d literals refused" % (len(refused), len(peers)), file=sys.stderr)
        assert s.stop() == 0


sys.exit(run_cases([
    two_thousand_slow_peers_in_all_states,
    who_asks_for_100_mb_and_does_not_read,
    ten_thousand_ranges,
    a_thousand_search_nodes_and_their_depth,
    names_that_try_to_escape,
    a_mailbox_that_one_may_not_see,
    over_the_memory_budget_is_no_limit,
]))
