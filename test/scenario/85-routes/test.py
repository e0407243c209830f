"""Where mail goes when the administrator says so: smarthosts with a login, routes, LMTP, source addresses, reloads."""
import base64
import contextlib
import os
import shutil
import smtplib
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

from outbound import A, B, MORE, NOBODY, SINK, Certificate, Names, Sink, World, bounce, empty_queue, free_port, inbox
from server import BARID, PATIENCE, Server, run_cases

HOP = "127.6.%d.%d" % (os.getpid() // 250 % 250, 1 + os.getpid() % 250)  # of this run alone
FROM = ("127.0.0.71", "127.0.0.72")
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
other MX 10 mx.sink
dead MX 10 mx.dead
*.dead MX 10 mx.dead
mx.dead A %(NOBODY)s
both MX 10 mx.both
mx.both A %(SINK)s
mx.both AAAA ::1
hop A %(HOP)s
""" % dict(A=A, B=B, SINK=SINK, NOBODY=NOBODY, HOP=HOP)

names = folder = authority = None


def change(s, old, new):
    text = open(s.conf).read()
    assert old in text, (old, text)
    s.write_config(text.replace(old, new))


def outbound(s, settings, reload=True):
    """Further settings of outbound, in place of those that were given so."""
    text = open(s.conf).read()
    head, rest = text.split("outbound = {", 1)
    rest = rest.split("/* mine */ ", 1)[-1]
    s.write_config(head + "outbound = { " + settings + " /* mine */ " + rest)
    if reload:
        s.cli("reload")


def waits(s, *words, count=1):
    """The queue has so many entries, and what was said last to each has these words."""
    until = time.monotonic() + PATIENCE
    while True:
        rows = s.json("queue", "list")
        replies = [row["last_reply"] or "" for row in rows]
        if len(rows) == count and all(w in r for r in replies for w in words):
            return rows
        assert time.monotonic() < until, (rows, s.log()[-2000:])
        time.sleep(0.02)


def arrives(sink, count=1):
    """The recipients of each message, once there are so many."""
    until = time.monotonic() + PATIENCE
    while len(sink.mails) < count:
        assert time.monotonic() < until, (sink.commands, len(sink.mails))
        time.sleep(0.02)
    assert len(sink.mails) == count, sink.mails
    return sorted(sorted(line.split(":", 1)[1] for line in envelope[1:]) for envelope, _ in sink.mails)


def nothing_failed(w):
    assert not inbox(w.a, "ann@a.test", 0) and "event=bounced" not in w.a.log(), w.a.log()


def smarthost(w, more=""):
    """Another server of ours that knows ann, by another password, and sends her mail on by MX."""
    s = Server(hostname="mx.b.test", smtp='"%s:%d"' % (B, w.port), more=MORE % (names.port, w.port) + more)
    if not os.geteuid():
        change(s, 'submissions = ["127.0.0.1:0"]', 'submissions = ["127.0.0.1:0", "%s:465"]' % HOP)
    return s.setup("ann", domain="a.test", password="Hop3secret").start()


LOGIN = 'relay = "%s", relay_login = "ann@a.test", relay_password = "%s", relay_tls = "%s",'


def a_smarthost_with_a_login():
    """STARTTLS on 587, TLS from the start on 465; the password is seen nowhere."""
    with World(names) as w:
        b, sink = smarthost(w), Sink(w.port)
        try:
            where = ["127.0.0.1:%d" % b.ports["submission"]] + ([] if os.geteuid() else [HOP + ":465"])
            for i, via in enumerate(where):
                outbound(w.a, LOGIN % (via, "Hop3secret", "encrypt"))
                w.send("x@sink.test", "x@other.test")
                empty_queue(w.a)
                assert arrives(sink, 2 * i + 2)[:i + 1] == [["<x@other.test>"]] * (i + 1)
                mail = sink.mails[-1][1].decode()
                assert mail.count("Received: ") == 2 and "with ESMTPSA id" in mail, mail
            shown = w.a.log() + b.log() + "".join(
                w.a.cli(*command).stdout for command in (["check"], ["settings"], ["queue", "list"], ["status"]))
            assert "Hop3secret" not in shown
        finally:
            b.close()
            sink.close()


def a_smarthost_that_is_verified():
    """By its name and an authority: a certificate of another name, or of another authority, is not enough."""
    certificate = Certificate(folder, "hop.test", by=authority)
    other = Certificate(folder, "other.test", by=authority)
    stranger = Certificate(folder, "hop.test", label="stranger")
    port = free_port(address=HOP)
    offers = ("STARTTLS", "AUTH PLAIN")
    for cert, fine in ((other, False), (stranger, False), (certificate, True)):
        with World(names) as w:
            sink = Sink(port, {"AUTH": "235 2.7.0 welcome"}, offers, address=HOP, tls=cert.context())
            outbound(w.a, 'authorities = "%s",' % authority.cert + LOGIN % ("hop.test:%d" % port, "Hop3secret", "default"))
            w.send("x@sink.test")
            if fine:
                assert arrives(sink) == [["<x@sink.test>"]] and sink.encrypted == [True]
                said = [c for c in sink.commands if c.startswith("AUTH")]
                assert said == ["AUTH PLAIN " + base64.b64encode(b"\0ann@a.test\0Hop3secret").decode()], said
                empty_queue(w.a)
            else:
                waits(w.a, "certificate")
                assert "status=4.7.5" in w.a.log(), w.a.log()
                assert not [c for c in sink.commands if c.startswith(("AUTH", "MAIL"))], sink.commands
                nothing_failed(w)
            sink.close()


def a_login_that_is_refused():
    """Deferred, never bounced; a reload with the right password sends it at once."""
    with World(names) as w:
        b, sink = smarthost(w), Sink(w.port)
        try:
            via = "127.0.0.1:%d" % b.ports["submission"]
            outbound(w.a, LOGIN % (via, "Wr0ng", "encrypt"))
            w.send("x@sink.test")
            w.send("y@sink.test")
            waits(w.a, "535 5.7.8", count=2)
            assert "status=4.7.8" in w.a.log() and "event=login_refused" in w.a.log(), w.a.log()
            assert b.log().count("result=wrong") <= 4, b.log()
            assert "Wr0ng" not in w.a.log()
            outbound(w.a, LOGIN % (via, "Hop3secret", "encrypt"))
            assert arrives(sink, 2) == [["<x@sink.test>"], ["<y@sink.test>"]]
            nothing_failed(w)
        finally:
            b.close()
            sink.close()


def no_login_without_tls():
    """Not offered, broken, or a certificate that is not the host's: nothing is said in the clear, nothing is sent."""
    certificate = Certificate(folder, "hop.test", label="self")
    port = free_port(address=HOP)
    for offers, replies, tls, words in (
            (("AUTH PLAIN LOGIN",), {}, "encrypt", "STARTTLS is not offered"),
            (("STARTTLS", "AUTH PLAIN LOGIN"), {"STARTTLS": "454 4.7.0 not now"}, "encrypt", "454 4.7.0"),
            (("STARTTLS", "AUTH PLAIN LOGIN"), {"TLS": b"garbage\r\n"}, "encrypt", ""),
            (("STARTTLS", "AUTH PLAIN LOGIN"), {}, "default", "certificate")):
        with World(names) as w:
            sink = Sink(port, replies, offers, address=HOP, tls=certificate.context())
            outbound(w.a, LOGIN % ("hop.test:%d" % port, "Hop3secret", tls))
            w.send("x@sink.test")
            w.a.wait_log("event=route_down")
            waits(w.a, words)
            assert not [c for c in sink.commands if c.startswith(("AUTH", "MAIL"))], sink.commands
            nothing_failed(w)
            sink.close()


def what_a_smarthost_thinks_of_us():
    """Wants a login, is gone, does not exist, is us: the mail waits."""
    port = free_port(address=HOP)
    for reply in ("530 5.7.0 authentication required", "535 5.7.8 who are you"):
        with World(names) as w:
            sink = Sink(port, {"MAIL": reply}, address=HOP)
            outbound(w.a, 'relay = "hop.test:%d",' % port)
            w.send("x@sink.test")
            waits(w.a, reply)
            sink.replies = {}
            w.a.cli("queue", "retry")
            assert arrives(sink) == [["<x@sink.test>"]]
            nothing_failed(w)
            sink.close()
    for relay, status in (("nobody.test:25", "4.4.4"), (NOBODY + ":25", "4.4.1"), ("mx.a.test:%d", "4.4.6")):
        with World(names) as w:
            outbound(w.a, 'relay = "%s",' % (relay.replace("%d", str(w.port))))
            w.send("x@sink.test")
            w.a.wait_log("event=route_down")
            assert "status=" + status in w.a.log(), w.a.log()
            waits(w.a)
            nothing_failed(w)


def routes_by_domain():
    """The recipient's first, then the sender's, then the smarthost; "mx" leaves one out."""
    ports = [free_port(address=HOP) for _ in range(3)]
    with World(names) as w:
        mx = Sink(w.port)
        one, two, all_others = sinks = [Sink(p, address=HOP) for p in ports]
        try:
            w.a.cli("domain", "add", "c.test")
            w.a.cli("alias", "add", "ann@c.test", "ann@a.test")
            outbound(w.a, """relay = "%s:%d", routes = (
                { recipient = "one.test", via = "hop.test:%d" },
                { recipient = "Sink.Test", via = "mx" },
                { sender = "c.test", via = "hop.test:%d" } ),""" % (HOP, ports[2], ports[0], ports[1]))
            w.send("x@one.test", "x@sink.test", "x@far.test", "x@else.test")
            w.send("y@one.test", "y@sink.test", "y@far.test", sender="ann@c.test")
            empty_queue(w.a)
            assert arrives(one, 2) == [["<x@one.test>"], ["<y@one.test>"]]
            assert arrives(mx, 2) == [["<x@sink.test>"], ["<y@sink.test>"]]
            assert arrives(two) == [["<y@far.test>"]]
            assert arrives(all_others) == [["<x@else.test>", "<x@far.test>"]]  # one transaction
        finally:
            for sink in [mx] + sinks:
                sink.close()


def a_reload_moves_what_waits():
    """To a smarthost, to another, back to MX; and so does a restart."""
    port = free_port(address=HOP)
    with World(names) as w:
        hop, mx = Sink(port, address=HOP), None
        try:
            w.send("x@dead.test")
            w.a.wait_log("event=route_down")
            waits(w.a)
            outbound(w.a, 'relay = "hop.test:%d",' % port)
            assert arrives(hop) == [["<x@dead.test>"]]
            w.a.wait_log("event=refiled")
            outbound(w.a, 'relay = "%s:%d",' % (NOBODY, port))
            w.send("y@sink.test", "y@other.test")
            w.a.wait_log("event=route_down", 2)
            waits(w.a, count=2)
            w.a.cli("queue", "hold", w.a.json("queue", "list")[0]["id"])
            mx = Sink(w.port)
            outbound(w.a, "")
            w.a.wait_log("event=refiled", 2)
            w.a.cli("queue", "release", w.a.json("queue", "list")[0]["id"])
            assert arrives(mx, 2) == [["<y@other.test>"], ["<y@sink.test>"]]
            w.send("z@dead.test")
            waits(w.a)
            assert w.a.stop() == 0
            outbound(w.a, 'routes = ( { recipient = "dead.test", via = "hop.test:%d" } ),' % port, reload=False)
            w.a.start()
            assert arrives(hop, 2)[1] == ["<z@dead.test>"]
            nothing_failed(w)
            assert w.a.cli("verify").returncode == 0
        finally:
            for sink in (hop, mx):
                if sink:
                    sink.close()


def many_move_at_once():
    port = free_port(address=HOP)
    with World(names) as w:
        sink = Sink(port, address=HOP)
        for i in range(30):
            w.send(*["u%d.%d@d%d.dead.test" % (i, k, k) for k in range(20)], subject=str(i))
        outbound(w.a, 'relay = "hop.test:%d",' % port)
        empty_queue(w.a)
        got = {r for envelope, _ in sink.mails for r in envelope[1:]}
        assert len(got) == 600 and sum(len(e) - 1 for e, _ in sink.mails) == 600, len(got)
        nothing_failed(w)
        sink.close()


def lmtp(w, tcp):
    """A server that takes mail for b.test by LMTP, and where."""
    b = Server(hostname="mx.b.test", smtp="", more=MORE % (names.port, w.port))
    if tcp:
        change(b, "lmtp = [", 'lmtp = ["127.0.0.1:0", ')
    b.setup("bob", "bea", domain="b.test").start()
    return b, "127.0.0.1:%d" % b.ports["lmtp"] if tcp else "unix:%s/lmtp" % b.folder


def lmtp_servers():
    """Each recipient has an outcome of its own, and those that are taken are at their end."""
    for tcp in (False, True):
        with World(names) as w:
            b, via = lmtp(w, tcp)
            try:
                outbound(w.a, 'routes = ( { recipient = "b.test", via = "%s", protocol = "lmtp" } ),' % via)
                w.send("bob@b.test", "nobody@b.test", "bea@b.test")
                mail = inbox(b, "bob@b.test")[0]
                assert mail.get_all("Return-Path") == ["<ann@a.test>"], mail.as_string()
                assert "with LMTP" in mail.get_all("Received")[0], mail.get_all("Received")
                assert len(inbox(b, "bea@b.test")) == 1
                bounce(w.a, "5.1.1", "nobody@b.test")
                assert w.a.log().count("event=delivered") == 2
                assert "remote=\"127.0.0.1 [127.0.0.1]\"" in w.a.log() if tcp else "/lmtp [unix]" in w.a.log()
            finally:
                b.close()


class Lmtp:
    """Speaks LMTP and nothing else; after the dot it says of each recipient what outcomes has for it."""

    def __init__(self, outcomes):
        self.outcomes, self.commands = outcomes, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.via = "127.0.0.1:%d" % self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        with contextlib.suppress(OSError):
            while True:
                c, _ = self.listener.accept()
                with contextlib.suppress(OSError), c, c.makefile("rwb", buffering=0) as f:
                    f.write(b"220 lmtp.test LMTP\r\n")
                    self.dialogue(f)

    def dialogue(self, f):
        recipients = []
        for line in f:
            verb = line.decode().strip()
            self.commands.append(verb)
            if verb.startswith("LHLO"):
                f.write(b"250-lmtp.test\r\n250 PIPELINING\r\n")
            elif verb.startswith("RCPT"):
                recipients.append(verb.split("<")[1].split("@")[0])
                f.write(b"250 ok\r\n")
            elif verb == "DATA":
                f.write(b"354 go on\r\n")
                while f.readline() != b".\r\n":
                    pass
                f.write("".join("%s\r\n" % self.outcomes[r] for r in recipients).encode())
                recipients = []
            else:
                f.write(b"221 bye\r\n" if verb == "QUIT" else b"250 ok\r\n")

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def an_outcome_for_each():
    """What an LMTP server without DSN has taken is delivered: there is nobody else who could report it."""
    lmtp_server = Lmtp({"bob": "250 2.1.5 there", "bea": "452 4.2.2 full", "ben": "550 5.7.1 not him"})
    with World(names) as w:
        outbound(w.a, 'routes = ( { recipient = "b.test", via = "%s", protocol = "lmtp" } ),' % lmtp_server.via)
        w.send("ben@b.test", "bea@b.test", "bob@b.test")
        waits(w.a, "452 4.2.2 full")
        assert "RCPT TO:<bob@b.test>" in lmtp_server.commands and lmtp_server.commands[0] == "LHLO mx.a.test", lmtp_server.commands
        report = inbox(w.a, "ann@a.test")[0].as_string()
        assert "ben@b.test" in report and "bob@b.test" not in report and "bea@b.test" not in report, report
        lmtp_server.outcomes["bea"] = "250 2.1.5 there"
        w.a.cli("queue", "retry")
        empty_queue(w.a)
        context = ssl._create_unverified_context()
        with smtplib.SMTP("127.0.0.1", w.a.ports["submission"], timeout=PATIENCE) as smtp:
            smtp.starttls(context=context)
            smtp.login("ann@a.test", "secret")
            smtp.sendmail("ann@a.test", "bob@b.test", "From: ann@a.test\r\n\r\nx\r\n", rcpt_options=["NOTIFY=SUCCESS"])
        report = inbox(w.a, "ann@a.test", 2)[1].as_string()
        assert "Action: delivered" in report and "bob@b.test" in report, report
    lmtp_server.close()


def an_lmtp_server_that_is_not_there():
    with World(names) as w:
        path = os.path.join(folder, "lmtp.sock")
        outbound(w.a, 'routes = ( { recipient = "b.test", via = "unix:%s" } ),' % path)
        w.send("bob@b.test")
        waits(w.a, "No such file")
        with socket.socket(socket.AF_UNIX) as s:  # nobody but root may speak to it
            s.bind(path)
            os.chmod(path, 0o600)
            s.listen(5)
            if not os.geteuid():
                w.a.cli("queue", "retry")
                waits(w.a, "Permission denied")
        os.unlink(path)
        nothing_failed(w)


def source_addresses():
    """Of all, of a smarthost, of a sender's mail to MX hosts."""
    port = free_port(address=HOP)
    with World(names) as w:
        mx, hop = Sink(w.port), Sink(port, address=HOP)
        try:
            outbound(w.a, """source = ["%s"], routes = ( { recipient = "other.test", via = "%s:%d", source = "%s" },
                { sender = "c.test", via = "mx", source = ["%s", "::1"] } ),""" % (FROM[0], HOP, port, FROM[1], FROM[1]))
            w.a.cli("domain", "add", "c.test")
            w.a.cli("alias", "add", "ann@c.test", "ann@a.test")
            w.send("x@sink.test", "x@other.test")
            empty_queue(w.a)
            assert (mx.peers, hop.peers) == ([FROM[0]], [FROM[1]]), (mx.peers, hop.peers)
            w.send("y@sink.test", sender="ann@c.test")
            empty_queue(w.a)
            assert mx.peers == list(FROM), mx.peers
            outbound(w.a, 'source = ["192.0.2.5"],')
            w.send("z@sink.test")
            waits(w.a, "source address 192.0.2.5: Cannot assign requested address")
            assert "event=source_refused" in w.a.log()
            outbound(w.a, "")
            w.a.cli("queue", "retry")
            assert arrives(mx, 3)[2] == ["<z@sink.test>"]
            nothing_failed(w)
        finally:
            mx.close()
            hop.close()


def both_families():
    """IPv6 first (RFC 6724), and IPv4 when nobody is there."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as s:
        s.bind(("::1", 0))
        with World(names) as w:
            four, six = Sink(w.port), Sink(w.port, address="::1")
            outbound(w.a, 'source = ["::1", "%s"],' % FROM[0])
            w.send("x@both.test")
            empty_queue(w.a)
            assert (arrives(six), six.peers, four.connections) == ([["<x@both.test>"]], ["::1"], 0)
            until = time.monotonic() + PATIENCE
            while "QUIT" not in six.commands and time.monotonic() < until:  # the next one needs a connection of its own
                time.sleep(0.02)
            six.close()
            w.send("y@both.test")
            empty_queue(w.a)
            assert (arrives(four), four.peers) == ([["<y@both.test>"]], [FROM[0]])
            four.close()
        return None
    return "no IPv6"


def private_addresses():
    """Refused when names lead there; a host that the administrator chose may have one."""
    port = free_port(address=HOP)
    with World(names, MORE.replace(", allow_private_addresses = true", "")) as w:
        sink, hop = Sink(w.port), Sink(port, address=HOP)
        outbound(w.a, 'routes = ( { recipient = "other.test", via = "hop.test:%d" } ),' % port)
        w.send("x@other.test")
        assert arrives(hop) == [["<x@other.test>"]]
        empty_queue(w.a)
        w.send("x@sink.test")
        bounce(w.a, "5.4.6", "x@sink.test")
        assert not sink.connections
        sink.close()
        hop.close()


def names_asked_elsewhere():
    """dns.servers takes effect by a reload."""
    others = Names(ZONE.replace("mx.dead A " + NOBODY, "mx.dead A " + SINK))
    try:
        with World(names) as w:
            sink = Sink(w.port)
            w.send("x@dead.test")
            w.a.wait_log("event=route_down")
            for _ in range(3):  # the last one stays
                for port in (names.port, others.port):
                    change(w.a, open(w.a.conf).read().split('servers = ["')[1].split('"')[0], "127.0.0.1:%d" % port)
                    w.a.cli("reload")
            assert w.a.log().count('event="names asked anew"') == 5, w.a.log()
            w.a.cli("queue", "retry")
            assert arrives(sink) == [["<x@dead.test>"]]
            w.a.cli("reload")
            assert w.a.log().count('event="names asked anew"') == 5
            assert w.a.stop() == 0
            sink.close()
    finally:
        others.close()


def settings_that_are_wrong():
    """check and reload say where, and a server goes on with what it has."""
    with World(names) as w:
        outbound(w.a, """relay = "hop", relay_login = "me", relay_password = "Hop3secret", source = ["here"], routes = (
            { recipient = "b.test", via = "hop.test:25", protocol = "lmtp", pasword = "Hop3secret" } ),""", reload=False)
        done = subprocess.run([BARID, "check", "-c", w.a.conf], capture_output=True, text=True, timeout=PATIENCE)
        said = done.stdout + done.stderr
        assert done.returncode == 2 and "Hop3secret" not in said, said
        for words in ("outbound.relay: via: hop is not HOST:PORT", "outbound.source: here is no address",
                      "unknown setting outbound.routes.pasword", "LMTP is never spoken on port 25"):
            assert "barid.conf:" in said and words in said, (words, said)
        assert w.a.cli("reload", check=False).returncode != 0
        assert "Hop3secret" not in w.a.log()
        sink = Sink(w.port)
        w.send("x@sink.test")
        assert arrives(sink) == [["<x@sink.test>"]]
        sink.close()


if not shutil.which("nsd") or sys.platform != "linux":
    print("skip where mail goes: nsd is not installed")
    sys.exit(0)
names, folder = Names(ZONE), tempfile.mkdtemp(prefix="barid-routes-")
os.chmod(folder, 0o755)
authority = Certificate(folder, "authority.test", authority=True)
try:
    code = run_cases([a_smarthost_with_a_login, a_smarthost_that_is_verified, a_login_that_is_refused, no_login_without_tls, what_a_smarthost_thinks_of_us,
                      routes_by_domain, a_reload_moves_what_waits, many_move_at_once, lmtp_servers, an_outcome_for_each, an_lmtp_server_that_is_not_there,
                      source_addresses, both_families, private_addresses, names_asked_elsewhere, settings_that_are_wrong])
finally:
    names.close()
    shutil.rmtree(folder, ignore_errors=True)
sys.exit(code)
