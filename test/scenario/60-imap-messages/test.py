"""Messages that are hard to show over IMAP: damaged on the disk, broken, huge and nested MIME."""
import imaplib
import os
import re
import socket
import time

from server import PATIENCE, Server, run_cases

MORE = 'auth = { plaintext_without_tls = true }\nlimits = { message_size = "64MB", connections_per_address = 0 }'
FIRST_SYNC = "(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)"


def login(s, readonly=True):
    imap = imaplib.IMAP4("127.0.0.1", s.ports["imap"], timeout=PATIENCE)
    imap.login("alice@example.test", "secret")
    imap.select("INBOX", readonly=readonly)
    return imap


def append(imap, text):
    assert imap.append("INBOX", None, None, text)[0] == "OK"


def text_of(data):
    """All that a response holds, literals in their places."""
    out = b""
    for part in data:
        out += b"".join(part) if isinstance(part, tuple) else part
    return out


def balanced(text):
    """Parentheses outside of quoted strings and literals: how deep, and that they close."""
    depth = deepest = at = 0
    while at < len(text):
        c = text[at:at + 1]
        literal = re.match(rb"\{(\d+)\}", text[at:at + 12]) if c == b"{" else None
        if c == b'"':
            at += 1
            while text[at:at + 1] != b'"':
                at += 2 if text[at:at + 1] == b"\\" else 1
        elif literal:
            at += literal.end() + int(literal[1]) - 1
        depth += (c == b"(") - (c == b")")
        deepest = max(deepest, depth)
        assert depth >= 0
        at += 1
    assert depth == 0, "%d parentheses are open" % depth
    return deepest


def damaged_on_the_disk():
    with Server(more=MORE) as s:
        s.setup("alice").start()
        imap = login(s, readonly=False)
        append(imap, b"Subject: one\r\n\r\nfine\r\n")
        append(imap, b"Subject: two\r\n\r\n" + b"DAMAGE ME " * 20000)
        append(imap, b"Subject: three\r\n\r\nfine too\r\n")
        imap.logout()
        s.stop()
        hit = 0
        folder = os.path.join(s.data, "segments")
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), "r+b") as f:
                at = f.read().find(b"DAMAGE ME ")
                if at >= 0:
                    f.seek(at + 100000)  # not in the first piece that is read
                    f.write(b"#")
                    hit += 1
        assert hit == 1
        s.start()
        imap = login(s)
        typ, data = imap.fetch("1:3", "(UID BODY.PEEK[])")
        assert typ == "NO" and b"SERVERBUG" in data[-1], (typ, data[-1])
        data = imap.response("FETCH")[1] or []
        whole = text_of(data)
        assert b"fine\r\n" in whole and b"fine too\r\n" in whole and b"DAMAGE" not in whole
        # what its row has is still served, and the session goes on
        typ, data = imap.fetch("1:3", FIRST_SYNC)
        assert typ == "OK" and b'"two"' in text_of(data), data
        s.wait_log("message cannot be read")
        imap.logout()


def nested(levels, messages):
    out = b"Subject: top\r\n"
    for i in range(levels):
        out += b"Content-Type: multipart/mixed; boundary=b%d.\r\n\r\n--b%d.\r\n" % (i, i)
        if messages:
            out += b"Content-Type: message/rfc822\r\n\r\nSubject: level %d\r\n" % i
    return out + b"\r\nend\r\n"


def hard_structures():
    many = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\n" * 20000
    endless = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + \
        b"--b\r\nContent-Type: message/rfc822\r\n\r\n" * 10000
    header = b"From: " + b"a@b," * 100000 + b"\r\nTo: " + b"((" * 100000 + b"\r\n\r\n"
    parameters = b"Content-Type: text/plain; " + b"".join(b"p%d*0*=''%%%02x; " % (i, i % 256) for i in range(3000)) + b"\r\n\r\n"
    quotes = b'Subject: "\\" {5}\r\nFrom: "\\"" <"a b"@c>\r\nContent-Type: x/y; name="a\\"b)("\r\n\r\n'
    with Server(more=MORE) as s:
        s.setup("alice").start()
        imap = login(s, readonly=False)
        hard = [nested(1000, False), nested(1000, True), many, endless, header, parameters, quotes]
        for text in hard:
            append(imap, text)
        imap.select("INBOX")
        for item in ("ENVELOPE", "BODYSTRUCTURE", "BODY", FIRST_SYNC, "BODY.PEEK[1.1.1]", "FULL"):
            start = time.monotonic()
            for n in range(1, len(hard) + 1):
                typ, data = imap.fetch(str(n), item)
                assert typ == "OK", (n, item, data)
                balanced(text_of(data))
            assert time.monotonic() - start < PATIENCE / 2, "%s takes too long" % item
        typ, data = imap.fetch("7", "(ENVELOPE BODYSTRUCTURE)")
        assert rb'"\"\\\" {5}"' in text_of(data) and rb'"a\"b)("' in text_of(data), data
        imap.logout()


def large_messages_in_pieces():
    """The parts of 30 MB, as clients take them: each command costs its piece, not the message."""
    part = os.urandom(1500).hex().encode()
    text = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n" + \
        (part + b"\r\n") * 10000 + b"\r\n--b\r\nContent-Type: text/html\r\n\r\nend\r\n--b--\r\n"
    with Server(more=MORE) as s:
        s.setup("alice").start()
        imap = login(s, readonly=False)
        append(imap, text)
        imap.select("INBOX")
        size = len(part) + 2
        for i in range(0, 10000, 50):
            typ, data = imap.fetch("1", "BODY.PEEK[1]<%d.%d>" % (i * size, size - 2))
            assert typ == "OK" and data[0][1] == part, i
        typ, data = imap.fetch("1", "BODY.PEEK[2]")
        assert data[0][1] == b"end"
        imap.logout()


def a_client_that_never_reads():
    """It is closed; mail goes on, and memory is bounded by what a connection may hold."""
    with Server(more=MORE) as s:
        s.setup("alice").start()
        imap = login(s, readonly=False)
        for _ in range(4):
            append(imap, b"Subject: x\r\n\r\n" + b"x" * 5000000)
        lazy = socket.create_connection(("127.0.0.1", s.ports["imap"]), timeout=PATIENCE)
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.sendall(b"1 LOGIN alice@example.test secret\r\n2 SELECT INBOX\r\n" + b"3 FETCH 1:* BODY.PEEK[]\r\n" * 50)
        start = time.monotonic()
        for _ in range(10):
            append(imap, b"Subject: y\r\n\r\n")
        assert time.monotonic() - start < PATIENCE / 2
        with open("/proc/%d/status" % s.worker_pid()) as f:
            rss = int(re.search(r"VmRSS:\s+(\d+)", f.read())[1])
        assert rss < 200000, "%d kB" % rss
        lazy.close()
        imap.logout()


run_cases([damaged_on_the_disk, hard_structures, large_messages_in_pieces, a_client_that_never_reads])
