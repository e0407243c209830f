"""What the envelope asks for, end to end: reports of failure, delay, success (RFC 3461, 3464), mail that is held (4865),
that has a time (2852) or a priority (6710). No names are needed: all mail goes to one relay."""
import contextlib
import email
import email.policy
import smtplib
import socket
import ssl
import sys
import threading
import time

from outbound import inbox
from server import PATIENCE, Server, run_cases

SINK = "127.0.0.4"
MORE = """auth = { plaintext_without_tls = true }
dns = { servers = ["127.0.0.1:9"], trust_anchor = "none" }
outbound = { relay = "%s:%d", allow_private_addresses = true }
"""
TEXT = "From: ann@a.test\r\nSubject: hello\r\n\r\nthe body\r\n"


class Sink:
    """Takes all mail; replies[verb] is what it says in place of yes."""

    def __init__(self, port=0, offers=("PIPELINING",), replies=None):
        self.offers, self.replies = offers, replies or {}
        self.mails = []
        self.listener = socket.create_server((SINK, port))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.serve, args=(self.listener.accept()[0],), daemon=True).start()

    def serve(self, c):
        f = c.makefile("rb")

        def say(text):
            c.sendall(text.encode() + b"\r\n")

        with contextlib.suppress(OSError):
            say("220 sink.test ESMTP")
            envelope = []
            for raw in f:
                line = raw.decode().rstrip("\r\n")
                verb = line.split(" ")[0].upper()
                said = self.replies.get(verb)
                if verb == "EHLO":
                    say("\r\n".join(["250-sink.test"] + ["250-" + o for o in self.offers] + ["250 8BITMIME"]))
                elif verb == "DATA" and not said:
                    say("354 go on")
                    body = []
                    for raw in f:
                        if raw == b".\r\n":
                            break
                        body.append(raw[1:] if raw.startswith(b".") else raw)
                    self.mails.append((envelope, b"".join(body)))
                    envelope = []
                    say("250 2.0.0 taken")
                else:
                    if verb in ("MAIL", "RCPT") and not said:
                        envelope.append(line)
                    say(said or ("221 bye" if verb == "QUIT" else "250 2.1.0 ok"))
                    if verb == "QUIT":
                        return

    def wait(self, count=1):
        until = time.monotonic() + PATIENCE
        while len(self.mails) < count:
            assert time.monotonic() < until, self.mails
            time.sleep(0.02)
        return self.mails

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class World:
    """a.test with the accounts ann, art and bea, an alias for two of them, and a relay."""

    def __init__(self, offers=("PIPELINING",), replies=None, up=True):
        self.sink = Sink(0, offers, replies)
        self.port = self.sink.port
        if not up:
            self.sink.close()
        self.a = Server(hostname="mx.a.test", more=MORE % (SINK, self.port))
        self.a.setup("ann", "art", "bea", domain="a.test")
        self.a.cli("alias", "add", "both@a.test", "art@a.test", "bea@a.test")
        self.a.cli("alias", "add", "desk@a.test", "art@a.test")
        self.a.start()

    def up(self):
        self.sink = Sink(self.port, self.sink.offers, self.sink.replies)
        self.a.cli("queue", "retry")

    def submit(self, recipients, mail="", sender="ann@a.test", text=TEXT):
        """recipients: {address: parameters}."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with smtplib.SMTP("127.0.0.1", self.a.ports["submission"], timeout=PATIENCE) as smtp:
            smtp.starttls(context=context)
            smtp.login("ann@a.test", "secret")
            return say(smtp, sender, recipients, mail, text)

    def receive(self, recipients, mail="", sender="joe@away.test"):
        with smtplib.SMTP("127.0.0.1", self.a.ports["smtp"], timeout=PATIENCE) as smtp:
            smtp.ehlo("x.test")
            return say(smtp, sender, recipients, mail, TEXT.replace("ann@a", "joe@away"))

    def settled(self):
        until = time.monotonic() + PATIENCE
        while self.a.json("queue", "list"):
            assert time.monotonic() < until, self.a.log()[-2000:]
            time.sleep(0.02)
        assert self.a.cli("verify").returncode == 0

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.a.close()
        self.sink.close()


def say(smtp, sender, recipients, mail, text):
    def must(code, command):
        reply = smtp.docmd(command)
        assert reply[0] == code, (command, reply)
    mail = mail() if callable(mail) else mail
    must(250, "MAIL FROM:<%s>%s" % (sender, mail and " " + mail))
    for address, parameters in recipients.items():
        must(250, "RCPT TO:<%s>%s" % (address, parameters and " " + parameters))
    code, reply = smtp.data(text.encode())
    assert code == 250, (code, reply)


def facts(report, *fields, without=(), whole=False):
    """The report says this to programs, and has all of the message or its header."""
    assert report.get_content_type() == "multipart/report", report.as_string()
    assert report["Auto-Submitted"] == "auto-replied" and report["Return-Path"] in ("<>", None), report.as_string()
    _, status, original = list(report.iter_parts())
    text = status.as_string()
    for field in fields:
        assert field + "\n" in text, (field, text)
    for word in without:
        assert word not in text, (word, text)
    assert original.get_content_type() == ("message/rfc822" if whole else "text/rfc822-headers"), original.as_string()
    assert "Subject: hello" in original.as_string() and ("the body" in original.as_string()) == whole
    return text


def success_of_a_local_delivery():
    with World() as w:
        w.submit({"art@a.test": "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;the+2Bart@a.test", "bea@a.test": ""},
                 "RET=FULL ENVID=QQ314159+2B")
        report = inbox(w.a, "ann@a.test")[0]
        assert report["Subject"] == "Your message was delivered"
        # RFC 3461 6.2: the header is enough when nothing failed
        facts(report, "Original-Envelope-Id: QQ314159+", "Original-Recipient: rfc822; the+art@a.test",
              "Final-Recipient: rfc822; art@a.test", "Action: delivered", "Status: 2.0.0", without=("bea@", "Diagnostic"))
        assert inbox(w.a, "art@a.test")[0]["Subject"] == "hello" and inbox(w.a, "bea@a.test")
        w.settled()
        inbox(w.a, "ann@a.test", 1)


def success_for_a_stranger():
    """The report goes out by the queue, from <>."""
    with World() as w:
        w.receive({"art@a.test": "NOTIFY=SUCCESS"}, "ENVID=x1")
        envelope, body = w.sink.wait()[0]
        assert envelope[0].startswith("MAIL FROM:<>") and envelope[1:] == ["RCPT TO:<joe@away.test>"], envelope
        facts(email.message_from_bytes(body, policy=email.policy.default), "Original-Envelope-Id: x1", "Action: delivered")
        w.settled()
        assert len(w.sink.mails) == 1 and len(inbox(w.a, "art@a.test")) == 1


def success_is_for_who_asked():
    """Not for the null sender, nor where NOTIFY says nothing of it."""
    with World() as w:
        w.receive({"art@a.test": "NOTIFY=SUCCESS"}, sender="")
        w.receive({"art@a.test": "NOTIFY=NEVER"})
        w.receive({"art@a.test": "NOTIFY=FAILURE,DELAY"})
        w.receive({"art@a.test": ""})
        inbox(w.a, "art@a.test", 4)
        w.settled()
        assert not w.sink.mails


def aliases():
    """One account behind it: delivered; two: expanded (RFC 3461 5.2.7)."""
    with World() as w:
        w.submit({"desk@a.test": "NOTIFY=SUCCESS"})
        facts(inbox(w.a, "ann@a.test")[0], "Final-Recipient: rfc822; desk@a.test", "Action: delivered", without=("art@",))
        w.submit({"both@a.test": "NOTIFY=SUCCESS"})
        facts(inbox(w.a, "ann@a.test", 2)[1], "Final-Recipient: rfc822; both@a.test", "Action: expanded", without=("art@",))
        w.settled()


def relayed():
    """The next server does not speak DSN."""
    with World() as w:
        w.submit({"x@away.test": "NOTIFY=SUCCESS ORCPT=rfc822;y@away.test", "z@away.test": ""}, "ENVID=e RET=HDRS")
        facts(inbox(w.a, "ann@a.test")[0], "Original-Envelope-Id: e", "Original-Recipient: rfc822; y@away.test",
              "Final-Recipient: rfc822; x@away.test", "Action: relayed", "Status: 2.0.0", without=("z@",))
        assert [line.split(" SIZE")[0] for line in w.sink.mails[0][0]] == [
            "MAIL FROM:<ann@a.test>", "RCPT TO:<x@away.test>", "RCPT TO:<z@away.test>"], w.sink.mails
        w.settled()


def passed_on():
    """RFC 3461 5.2.1: as it came, and nobody else reports."""
    with World(offers=("PIPELINING", "DSN", "MT-PRIORITY", "DELIVERBY 30")) as w:
        w.submit({"x@away.test": "NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Y@away.test", "a+b@away.test": "",
                  "n@away.test": "NOTIFY=NEVER"}, "RET=HDRS ENVID=q+2B1 MT-PRIORITY=-3 BY=1000;R")
        envelope, body = w.sink.wait()[0]
        assert " RET=HDRS ENVID=q+2B1 MT-PRIORITY=-3 BY=" in envelope[0] and envelope[0].endswith(";R"), envelope
        assert 900 < int(envelope[0].split("BY=")[1][:-2]) <= 1000, envelope
        assert envelope[1:] == ["RCPT TO:<x@away.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Y@away.test",
                                "RCPT TO:<a+b@away.test> ORCPT=rfc822;a+2Bb@away.test",
                                "RCPT TO:<n@away.test> NOTIFY=NEVER ORCPT=rfc822;n@away.test"], envelope
        assert b"\r\n\tPRIORITY -3;\r\n" in body, body
        w.settled()
        inbox(w.a, "ann@a.test", 0)


def failure():
    with World(replies={"RCPT": "550 5.1.1 nobody"}) as w:
        w.submit({"x@away.test": "ORCPT=rfc822;y@away.test"}, "RET=FULL ENVID=full")
        facts(inbox(w.a, "ann@a.test")[0], "Original-Envelope-Id: full", "Original-Recipient: rfc822; y@away.test",
              "Action: failed", "Status: 5.1.1", "Diagnostic-Code: smtp; 550 5.1.1 nobody", whole=True)
        w.submit({"x@away.test": "NOTIFY=FAILURE"}, "RET=HDRS")
        facts(inbox(w.a, "ann@a.test", 2)[1], "Action: failed", without=("Original-",))
        w.submit({"x@away.test": "NOTIFY=NEVER"})
        w.submit({"x@away.test": "NOTIFY=SUCCESS,DELAY"})
        w.submit({"x@away.test": ""}, sender="")
        w.settled()
        inbox(w.a, "ann@a.test", 2)


def delay():
    """BY in mode N: when the time is over the sender is told, and it is tried on (RFC 2852 4.1.3)."""
    with World(up=False) as w:
        w.submit({"x@away.test": "", "q@away.test": "NOTIFY=FAILURE"}, "BY=-1;N ENVID=late")
        w.submit({"hurry@away.test": "NOTIFY=NEVER"})
        w.a.wait_log("event=queued", 2)
        ids = {row["recipient"]: row["id"] for row in w.a.json("queue", "list")}
        w.a.cli("queue", "remove", "--bounce", ids["hurry@away.test"])  # the clerk looks at once
        text = facts(inbox(w.a, "ann@a.test")[0], "Original-Envelope-Id: late", "Action: delayed", "Status: 4.4.7",
                     without=("q@away",))
        assert "Will-Retry-Until: " in text and "Deliver-By-Date: " in text, text
        w.up()
        w.sink.wait()
        w.settled()
        inbox(w.a, "ann@a.test", 1)  # told once; the time was over before it was handed on


def time_that_nobody_keeps():
    with World() as w:
        w.submit({"x@away.test": ""}, "BY=1000;R")  # RFC 2852 4.1.4.1
        facts(inbox(w.a, "ann@a.test")[0], "Action: failed", "Status: 5.3.3")
        w.submit({"x@away.test": "", "n@away.test": "NOTIFY=NEVER"}, "BY=1000;N")  # 4.1.4.2
        text = facts(inbox(w.a, "ann@a.test", 2)[1], "Action: relayed", without=("n@away",))
        assert "Deliver-By-Date: " in text, text
        w.settled()
    with World(offers=("DSN", "DELIVERBY")) as w:
        w.submit({"x@away.test": ""}, "BY=1000;NT")  # traced
        facts(inbox(w.a, "ann@a.test")[0], "Action: relayed")
        w.settled()
    with World(offers=("DSN",)) as w:  # the next one is to tell of delays
        w.submit({"x@away.test": "", "y@away.test": "NOTIFY=SUCCESS"}, "BY=1000;N")
        assert [line.split(" ORCPT")[0] for line in w.sink.wait()[0][0][1:]] == [
            "RCPT TO:<x@away.test> NOTIFY=FAILURE,DELAY", "RCPT TO:<y@away.test> NOTIFY=SUCCESS,DELAY"], w.sink.mails
        w.settled()


def tls_or_nothing():
    """REQUIRETLS, and nobody there who could keep it; the report has no text, though RET=FULL asks for it (RFC 8689 5)."""
    with World() as w:
        w.submit({"x@away.test": ""}, "REQUIRETLS RET=FULL ENVID=r")
        text = facts(inbox(w.a, "ann@a.test")[0], "Original-Envelope-Id: r", "Action: failed")
        assert "Status: 5.7.10" in text or "Status: 5.7.30" in text, text
        w.submit({"x@away.test": ""}, text="TLS-Required: No\r\n" + TEXT)
        assert len(w.sink.wait()) == 1
        w.settled()


def held():
    """Nobody gets it before its time, neither here nor elsewhere; a kill does not lose it."""
    with World() as w:
        began = time.time()
        w.submit({"art@a.test": "NOTIFY=SUCCESS", "both@a.test": "", "x@away.test": ""}, "HOLDFOR=4")
        waiting, here = len(w.a.json("queue", "list")), sum(row["messages"] for row in w.a.json("account", "list"))
        assert (waiting, here) == (3, 0) or time.time() - began >= 4, (waiting, here)
        w.a.kill()
        w.a.start()
        w.sink.wait()
        assert time.time() - began >= 4
        assert len(inbox(w.a, "art@a.test")) == 1 and len(inbox(w.a, "bea@a.test")) == 1  # one copy each
        facts(inbox(w.a, "ann@a.test")[0], "Future-Release-Request: for;4", "Action: delivered")
        w.settled()
    with World(replies={"RCPT": "550 5.1.1 nobody"}) as w:
        said = []

        def soon():  # as late as possible: a time that has passed is refused
            said.append(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 4)))
            return "HOLDUNTIL=" + said[0]

        w.submit({"x@away.test": ""}, soon)
        facts(inbox(w.a, "ann@a.test")[0], "Future-Release-Request: until;" + said[0], "Action: failed")
        w.settled()


def held_for_who_has_gone():
    for time_for_it in (3, 15, 50):
        with World() as w:
            began = time.time()
            w.submit({"art@a.test": "", "bea@a.test": "NOTIFY=NEVER"}, "HOLDFOR=%d" % time_for_it)
            for name in ("both@a.test", "desk@a.test"):
                w.a.cli("alias", "remove", name)
            for name in ("art@a.test", "bea@a.test"):
                w.a.cli("account", "remove", name)
            if time.time() - began > time_for_it:  # a slow machine: they got it first
                continue
            facts(inbox(w.a, "ann@a.test")[0], "Final-Recipient: rfc822; art@a.test", "Action: failed", "Status: 5.1.1",
                  without=("bea@",))
            w.settled()
            return
    raise AssertionError("too slow to remove what is held for")


def a_kill_loses_no_report():
    with World(up=False) as w:
        for _ in range(10):
            w.receive({"art@a.test": "NOTIFY=SUCCESS"})
        w.a.kill()
        w.a.start()
        w.up()
        w.sink.wait(10)
        w.settled()
        assert len(inbox(w.a, "art@a.test", 10)) == 10


def from_ours_to_ours():
    """The second server delivers, and reports to the first."""
    a = Server(hostname="mx.a.test", more=MORE % (SINK, 9))
    b = None
    try:
        a.setup("ann", domain="a.test").start()
        port_a = a.ports["smtp"]
        b = Server(hostname="mx.b.test", more=MORE % ("127.0.0.1", port_a)).setup("bob", domain="b.test").start()
        port_b = b.ports["smtp"]
        assert a.stop() == 0
        with open(a.conf) as f:
            text = f.read()
        a.write_config(text.replace("%s:9" % SINK, "127.0.0.1:%d" % port_b)
                       .replace('smtp = ["127.0.0.1:0"]', 'smtp = ["127.0.0.1:%d"]' % port_a))
        a.start()
        w = World.__new__(World)
        w.a = a
        w.submit({"bob@b.test": "NOTIFY=SUCCESS ORCPT=rfc822;robert@b.test"}, "ENVID=from-a RET=HDRS")
        assert inbox(b, "bob@b.test")[0]["Subject"] == "hello"
        facts(inbox(a, "ann@a.test")[0], "Reporting-MTA: dns; mx.b.test", "Original-Envelope-Id: from-a",
              "Original-Recipient: rfc822; robert@b.test", "Action: delivered")
    finally:
        a.close()
        if b:
            b.close()


sys.exit(run_cases([success_of_a_local_delivery, success_for_a_stranger, success_is_for_who_asked, aliases, relayed, passed_on,
                    failure, delay, time_that_nobody_keeps, tls_or_nothing, held, held_for_who_has_gone, a_kill_loses_no_report,
                    from_ours_to_ours]))
