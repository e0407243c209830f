"""Mail goes out: two servers of ours, a scripted one and Postfix on loopback addresses, with names served by NSD."""
import email
import os
import shutil
import smtplib
import sys
import time

from outbound import A, B, MORE, NOBODY, POST, SINK, Names, Postfix, Sink, World, bounce, empty_queue, inbox
from ports import free_port
from server import PATIENCE, run_cases

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
names = Names(ZONE)
try:
    code = run_cases([from_ours_to_ours, from_ours_to_postfix, both_kinds_of_recipient, one_connection_for_many, next_host_and_implicit_mx,
                      refused_connection_waits, null_mx, no_such_domain, neither_mx_nor_address, loop_to_ourselves,
                      private_addresses, no_to_one_of_two, no_at_each_stage, not_now_at_each_stage, tls_that_breaks, too_many_at_once,
                      what_the_host_cannot_take, a_smarthost, killed_with_mail_in_the_queue, a_relay_we_are_not])
finally:
    names.close()
sys.exit(code)
