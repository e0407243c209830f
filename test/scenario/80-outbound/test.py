"""Mail goes out: two servers of ours, a scripted one and Postfix on loopback addresses, with names served by NSD."""
import contextlib
import email
import email.policy
import imaplib
import os
import pwd
import shutil
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

from ports import free_port
from server import PATIENCE, Server, run_cases

A, B, SINK, POST, NOBODY = "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5", "127.0.0.9"
ZONE = """$ORIGIN test.
$TTL 60
@ SOA ns admin 1 3600 600 86400 60
@ NS ns
ns A 127.0.0.1
a MX 10 mx.a
mx.a A %(A)s
b MX 10 mx.b
mx.b A %(B)s
sink MX 10 mx.sink
mx.sink A %(SINK)s
implicit A %(SINK)s
failover MX 10 dead
failover MX 20 mx.sink
failover MX 5 gone
dead A %(NOBODY)s
refused MX 10 dead
null MX 0 .
loop MX 10 mx.a
loop MX 20 mx.sink
looplater MX 10 dead
looplater MX 20 mx.a
nothing TXT "neither MX nor address"
many MX 10 mx.sink
post MX 10 mx.post
mx.post A %(POST)s
""" % dict(POST=POST, A=A, B=B, SINK=SINK, NOBODY=NOBODY)

MORE = """auth = { plaintext_without_tls = true }
dns = { servers = ["127.0.0.1:%d"], trust_anchor = "none" }
outbound = { port = %d, allow_private_addresses = true }
"""


class Names:
    def __init__(self, zone=ZONE):
        self.folder = tempfile.mkdtemp(prefix="barid-nsd-")
        self.port = free_port()
        with open(os.path.join(self.folder, "test.zone"), "w") as f:
            f.write(zone)
        conf = os.path.join(self.folder, "nsd.conf")
        with open(conf, "w") as f:
            f.write("""server:
  ip-address: 127.0.0.1@%d
  username: ""
  chroot: ""
  zonesdir: "%s"
  pidfile: "%s/pid"
  database: ""
  xfrdfile: "%s/xfrd"
  zonelistfile: "%s/zones"
  xfrdir: "%s"
  server-count: 1
remote-control:
  control-enable: no
zone:
  name: test
  zonefile: test.zone
""" % ((self.port,) + (self.folder,) * 5))
        self.log = open(os.path.join(self.folder, "log"), "wb")
        self.process = subprocess.Popen(["nsd", "-d", "-c", conf], stdout=self.log, stderr=self.log)
        self.wait()

    def wait(self):
        question = b"\1\1\0\0\0\1\0\0\0\0\0\0\2ns\4test\0\0\1\0\1"
        until = time.monotonic() + PATIENCE
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(0.1)
            s.connect(("127.0.0.1", self.port))
            while time.monotonic() < until and self.process.poll() is None:
                with contextlib.suppress(OSError):
                    s.send(question)
                    if s.recv(512):
                        return
        raise RuntimeError("nsd does not answer: %s" % open(self.log.name).read())

    def close(self):
        self.process.terminate()
        self.process.wait(PATIENCE)
        shutil.rmtree(self.folder, ignore_errors=True)


class Sink:
    """An SMTP server that answers as it is told: replies[verb] is a reply, or a function of the line."""

    def __init__(self, port, replies=None, offers=("PIPELINING", "8BITMIME", "SIZE 100000"), address=SINK):
        self.replies = replies or {}
        self.offers = offers
        self.connections = 0
        self.mails, self.commands = [], []
        self.listener = socket.create_server((address, port))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                c, _ = self.listener.accept()
                self.connections += 1
                threading.Thread(target=self.serve, args=(c,), daemon=True).start()

    def reply(self, verb, line, otherwise):
        r = self.replies.get(verb, otherwise)
        return r(line) if callable(r) else r

    def serve(self, c):
        f = c.makefile("rb")

        def say(text):
            if text is None:
                c.shutdown(socket.SHUT_RDWR)
            else:
                c.sendall(text.encode() + b"\r\n")

        with contextlib.suppress(OSError):
            say(self.reply("CONNECT", "", "220 sink.test ESMTP"))
            envelope = []
            for raw in f:
                line = raw.decode().rstrip("\r\n")
                verb = line.split(" ")[0].split(":")[0].upper()
                self.commands.append(line)
                if verb == "EHLO":
                    say("\r\n".join("250%s%s" % (" " if o == self.offers[-1] else "-", o)
                                    for o in ("sink.test",) + tuple(self.offers)))
                elif verb == "DATA":
                    r = self.reply(verb, line, "354 go on" if len(envelope) > 1 else "503 5.5.1 for whom?")
                    say(r)
                    if not r.startswith("3"):
                        continue
                    body = []
                    for raw in f:
                        if raw == b".\r\n":
                            break
                        body.append(raw[1:] if raw.startswith(b".") else raw)
                    r = self.reply("END", "", "250 2.0.0 taken")
                    if r and r.startswith("2"):
                        self.mails.append((envelope, b"".join(body)))
                    envelope = []
                    say(r)
                else:
                    r = self.reply(verb, line, "221 bye" if verb == "QUIT" else "250 2.1.0 ok")
                    if verb in ("MAIL", "RCPT") and r and r.startswith("2"):
                        envelope.append(line)
                    say(r)
                    if verb == "QUIT":
                        return c.close()
                    if verb == "STARTTLS" and r.startswith("2"):
                        return c.close()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


POSTFIX = """compatibility_level = 3.6
queue_directory = %(folder)s/queue
data_directory = %(folder)s/data
mail_owner = postfix
setgid_group = postdrop
maillog_file = %(folder)s/log
maillog_file_prefixes = %(folder)s
myhostname = mx.post.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
virtual_mailbox_domains = post.test
virtual_mailbox_base = %(folder)s/mail
virtual_mailbox_maps = texthash:%(folder)s/mailboxes
virtual_minimum_uid = 1
virtual_uid_maps = static:%(uid)d
virtual_gid_maps = static:%(gid)d
smtpd_relay_restrictions = reject_unauth_destination
smtpd_tls_security_level = may
smtpd_tls_chain_files = %(folder)s/key.pem, %(folder)s/cert.pem
smtpd_tls_received_header = yes
"""
MASTER = """%(address)s:%(port)d inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
virtual unix - n n - - virtual
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """Takes mail for joe@post.test."""

    def __init__(self, port):
        self.folder = tempfile.mkdtemp(prefix="barid-postfix-")
        os.chmod(self.folder, 0o755)
        nobody = pwd.getpwnam("nobody")
        for name in ("queue", "data", "mail"):
            os.mkdir(os.path.join(self.folder, name), 0o755)
        os.chown(os.path.join(self.folder, "data"), pwd.getpwnam("postfix").pw_uid, -1)
        os.chown(os.path.join(self.folder, "mail"), nobody.pw_uid, nobody.pw_gid)
        values = dict(folder=self.folder, address=POST, port=port, uid=nobody.pw_uid, gid=nobody.pw_gid)
        for name, text in (("main.cf", POSTFIX), ("master.cf", MASTER), ("mailboxes", "joe@post.test joe/\n")):
            with open(os.path.join(self.folder, name), "w") as f:
                f.write(text % values)
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", self.folder + "/key.pem",
                        "-out", self.folder + "/cert.pem", "-subj", "/CN=mx.post.test"], check=True, capture_output=True)
        subprocess.run(["postfix", "-c", self.folder, "check"], check=True, capture_output=True)
        where = subprocess.run(["postconf", "-c", self.folder, "-h", "daemon_directory"], check=True,
                               capture_output=True, text=True).stdout.strip()
        self.process = subprocess.Popen([os.path.join(where, "master"), "-s", "-c", self.folder],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def mails(self, count):
        folder = os.path.join(self.folder, "mail", "joe", "new")
        until = time.monotonic() + PATIENCE
        while not os.path.isdir(folder) or len(os.listdir(folder)) < count:
            assert time.monotonic() < until, open(self.folder + "/log").read()[-2000:]
            time.sleep(0.02)
        return [open(os.path.join(folder, f), "rb").read() for f in os.listdir(folder)]

    def close(self):
        self.process.terminate()
        self.process.wait(PATIENCE)
        shutil.rmtree(self.folder, ignore_errors=True)


class World:
    """A server for a.test, with the accounts ann and art."""

    def __init__(self, names, more=""):
        self.names = names
        self.port = free_port(address=A)
        self.a = self.server("a", A, "ann", "art", more=more)

    def server(self, name, address, *accounts, more=""):
        """For NAME.test, on an address of its own."""
        s = Server(hostname="mx.%s.test" % name, smtp='"%s:%d"' % (address, self.port),
                   more=(more or MORE) % (self.names.port, self.port))
        return s.setup(*accounts, domain="%s.test" % name).start()

    def send(self, *recipients, subject="hello", sender="ann@a.test", body="one\r\n.two\r\n", options=()):
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with smtplib.SMTP("127.0.0.1", self.a.ports["submission"], timeout=PATIENCE) as smtp:
            smtp.starttls(context=context)
            smtp.login("ann@a.test", "secret")
            text = "From: ann@a.test\r\nSubject: %s\r\n\r\n%s" % (subject, body)
            return smtp.sendmail(sender, recipients, text.encode(), mail_options=options)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.a.close()


def inbox(s, user, count=1):
    """The messages of an INBOX, once there are so many."""
    until = time.monotonic() + PATIENCE
    while True:
        with imaplib.IMAP4("127.0.0.1", s.ports["imap"], timeout=PATIENCE) as imap:
            imap.login(user, "secret")
            n = int(imap.select("INBOX", readonly=True)[1][0])
            if n >= count:
                assert n == count, "%d messages" % n
                return [email.message_from_bytes(imap.fetch(str(i + 1), "BODY.PEEK[]")[1][0][1],
                                                 policy=email.policy.default) for i in range(n)]
        assert time.monotonic() < until, "%d messages, not %d: %s" % (n, count, s.log()[-2000:])
        time.sleep(0.02)


def empty_queue(s):
    until = time.monotonic() + PATIENCE
    while s.json("queue", "list"):
        assert time.monotonic() < until, s.log()[-2000:]
        time.sleep(0.02)


def bounce(s, status, *words):
    """The one message of ann's INBOX is a report that says so, to people and to programs."""
    report = inbox(s, "ann@a.test")[0]
    assert report.get_content_type() == "multipart/report", report.as_string()
    text, facts, original = list(report.iter_parts())
    assert facts.get_content_type() == "message/delivery-status"
    assert "Status: " + status in facts.as_string(), facts.as_string()
    assert "Action: failed" in facts.as_string()
    for word in words:
        assert word in text.get_content(), (word, text.get_content())
    assert "Subject: hello" in original.as_string()
    empty_queue(s)


names = None


def from_ours_to_ours():
    with World(names) as w:
        b = w.server("b", B, "bob")
        try:
            w.send("bob@b.test")
            mail = inbox(b, "bob@b.test")[0]
            assert mail["Subject"] == "hello" and mail.get_content().split() == ["one", ".two"], mail.as_string()
            assert mail.get_all("Return-Path") == ["<ann@a.test>"], mail.get_all("Return-Path")
            received = mail.get_all("Received")
            assert len(received) == 2 and "TLS" in received[0] and "mx.a.test" in received[0], received
            empty_queue(w.a)
            assert w.a.cli("verify").returncode == 0
        finally:
            b.close()


def from_ours_to_postfix():
    if not shutil.which("postfix") or os.geteuid():
        return "postfix is not installed, or we are not root"
    with World(names) as w:
        postfix = Postfix(w.port)
        try:
            w.send("joe@post.test", "nobody@post.test")
            mail = postfix.mails(1)[0]
            assert b"with ESMTPS id" in mail and b"\none\n.two\n" in mail, mail
            bounce(w.a, "5.1.1", "nobody@post.test", "Recipient address rejected")
        finally:
            postfix.close()
    return None


def both_kinds_of_recipient():
    """One transaction: a local copy, and two recipients of one domain in one more transaction."""
    with World(names) as w:
        sink = Sink(w.port)
        w.send("art@a.test", "x@sink.test", "y@sink.test", "x@sink.test")
        assert inbox(w.a, "art@a.test")[0]["Subject"] == "hello"
        empty_queue(w.a)
        assert len(sink.mails) == 1, sink.commands
        envelope, body = sink.mails[0]
        assert envelope[0].startswith("MAIL FROM:<ann@a.test> SIZE="), envelope
        assert envelope[1:] == ["RCPT TO:<x@sink.test>", "RCPT TO:<y@sink.test>"], envelope
        assert body.startswith(b"Received: ") and b"Return-Path" not in body
        assert body.endswith(b"\r\n\r\none\r\n.two\r\n"), body
        sink.close()


def one_connection_for_many():
    with World(names) as w:
        w.send("x@refused.test")
        w.a.wait_log("event=route_down")
        for i in range(10):
            w.send("x@many.test", subject=str(i), options=())
        w.a.wait_log("event=route_down", 2)  # nobody listens at the sink yet
        sink = Sink(w.port)
        w.a.cli("queue", "retry")
        until = time.monotonic() + PATIENCE
        while len(sink.mails) < 10 and time.monotonic() < until:
            time.sleep(0.02)
        assert len(sink.mails) == 10, len(sink.mails)
        assert sink.connections <= 5, sink.connections  # a pace that grows with each success
        sink.close()


def next_host_and_implicit_mx():
    with World(names) as w:
        sink = Sink(w.port)
        w.send("x@failover.test")
        w.send("x@implicit.test")
        empty_queue(w.a)
        assert len(sink.mails) == 2
        sink.close()


def refused_connection_waits():
    with World(names) as w:
        w.send("x@refused.test")
        w.a.wait_log("event=route_down")
        rows = w.a.json("queue", "list")
        assert len(rows) == 1 and rows[0]["recipient"] == "x@refused.test", rows
        assert w.a.stop() == 0
        w.a.start()
        assert len(w.a.json("queue", "list")) == 1
        assert not inbox(w.a, "ann@a.test", 0)


def null_mx():
    with World(names) as w:
        w.send("x@null.test")
        bounce(w.a, "5.1.10", "x@null.test", "null MX")


def no_such_domain():
    with World(names) as w:
        w.send("x@absent.test")
        bounce(w.a, "5.1.2", "x@absent.test")


def neither_mx_nor_address():
    with World(names) as w:
        w.send("x@nothing.test")
        bounce(w.a, "5.1.2", "x@nothing.test")


def loop_to_ourselves():
    with World(names) as w:
        sink = Sink(w.port)
        w.send("x@loop.test")
        bounce(w.a, "5.4.6", "x@loop.test")
        w.send("x@looplater.test")
        w.a.wait_log("event=route_down")  # the better host may come back
        assert not sink.connections
        sink.close()


def private_addresses():
    more = MORE.replace(", allow_private_addresses = true", "")
    with World(names, more) as w:
        sink = Sink(w.port)
        w.send("x@sink.test")
        bounce(w.a, "5.4.6", "x@sink.test")
        assert not sink.connections
        sink.close()


def no_to_one_of_two():
    def rcpt(line):
        return "550 5.1.1 nobody of this name" if "<x@" in line else "250 ok"
    with World(names) as w:
        sink = Sink(w.port, {"RCPT": rcpt})
        w.send("x@sink.test", "y@sink.test")
        bounce(w.a, "5.1.1", "x@sink.test", "nobody of this name")
        assert [len(e) for e, _ in sink.mails] == [2]
        sink.close()


def no_at_each_stage():
    for verb in ("MAIL", "RCPT", "DATA", "END"):
        with World(names) as w:
            sink = Sink(w.port, {verb: "554 5.7.1 not wanted"})
            w.send("x@sink.test")
            bounce(w.a, "5.7.1", "not wanted")
            sink.close()


def not_now_at_each_stage():
    """4yz and lost connections: nothing is bounced, and it arrives when the host is well."""
    for verb, reply in (("CONNECT", "421 4.3.2 full"), ("CONNECT", "554 go away"), ("MAIL", "451 4.7.1 later"),
                        ("RCPT", "450 4.2.1 later"), ("DATA", "451 later"), ("END", "451 4.3.0 later"),
                        ("END", None), ("RCPT", "421 4.3.2 closing"), ("MAIL", "what is this")):
        with World(names) as w:
            sink = Sink(w.port, {verb: reply})
            w.send("x@sink.test")
            w.a.wait_log("event=route_down" if verb == "CONNECT" else "event=deferred")
            assert not inbox(w.a, "ann@a.test", 0), (verb, reply)
            sink.replies = {}
            w.a.cli("queue", "retry")
            empty_queue(w.a)
            assert len(sink.mails) == 1, (verb, reply, sink.commands)
            sink.close()


def tls_that_breaks():
    """Nobody says that there must be TLS: the message goes without, on a new connection."""
    for reply in ("220 go on", "454 4.7.0 not now", "502 5.5.1 never"):
        with World(names) as w:
            sink = Sink(w.port, {"STARTTLS": reply}, offers=("STARTTLS", "PIPELINING"))
            w.send("x@sink.test")
            empty_queue(w.a)
            assert len(sink.mails) == 1, sink.commands
            assert sink.connections == (2 if reply.startswith("2") else 1), (reply, sink.connections)
            sink.close()


def too_many_at_once():
    """452 4.5.3 for some: they go in a transaction of their own, at once."""
    def rcpt(line):
        taken[0] += 1
        return "250 ok" if taken[0] % 3 else "452 4.5.3 too many"
    taken = [0]
    with World(names) as w:
        sink = Sink(w.port, {"RCPT": rcpt})
        w.send(*["u%d@sink.test" % i for i in range(7)])
        empty_queue(w.a)
        assert sum(len(e) - 1 for e, _ in sink.mails) == 7, sink.mails
        sink.close()


def what_the_host_cannot_take():
    with World(names) as w:
        sink = Sink(w.port, offers=("PIPELINING", "SIZE 3000"))
        w.send("x@sink.test", body="x" * 70 + "\r\n" + ("y" * 70 + "\r\n") * 100)
        bounce(w.a, "5.3.4", "x@sink.test")
        assert not sink.mails
        sink.close()


def a_smarthost():
    more = MORE.replace("outbound = {", 'outbound = { relay = "%s:RELAY",' % SINK)
    port = free_port(address=SINK)
    with World(names, more.replace("RELAY", str(port))) as w:
        sink = Sink(port)
        w.send("x@absent.test", "y@null.test")
        empty_queue(w.a)
        assert [len(e) for e, _ in sink.mails] == [3], sink.commands
        sink.close()


def killed_with_mail_in_the_queue():
    with World(names) as w:
        for i in range(20):
            w.send("x@sink.test", subject=str(i))
        w.a.kill()
        sink = Sink(w.port)
        w.a.start()
        w.a.cli("queue", "retry")
        empty_queue(w.a)
        subjects = {email.message_from_bytes(body)["Subject"] for _, body in sink.mails}
        assert subjects == {str(i) for i in range(20)}, subjects
        sink.close()


def a_relay_we_are_not():
    """The same recipient on the port for other servers."""
    with World(names) as w:
        with smtplib.SMTP(A, w.port, timeout=PATIENCE) as smtp:
            smtp.ehlo("x.test")
            smtp.mail("x@x.test")
            code, text = smtp.rcpt("x@sink.test")
            assert code == 550 and text.startswith(b"5.7.1 "), (code, text)


if not shutil.which("nsd") or sys.platform != "linux":
    print("skip mail that goes out: nsd is not installed")
    sys.exit(0)
names = Names()
try:
    code = run_cases([from_ours_to_ours, from_ours_to_postfix, both_kinds_of_recipient, one_connection_for_many, next_host_and_implicit_mx,
                      refused_connection_waits, null_mx, no_such_domain, neither_mx_nor_address, loop_to_ourselves,
                      private_addresses, no_to_one_of_two, no_at_each_stage, not_now_at_each_stage, tls_that_breaks, too_many_at_once,
                      what_the_host_cannot_take, a_smarthost, killed_with_mail_in_the_queue, a_relay_we_are_not])
finally:
    names.close()
sys.exit(code)
