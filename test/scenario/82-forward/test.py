"""Aliases lead to other servers: two servers of ours, a scripted one and Postfix, with names served by NSD."""
import contextlib
import imaplib
import os
import re
import shutil
import smtplib
import sys
import threading
import time

from outbound import A, B, POST, SINK, Names, Postfix, Sink, World, empty_queue, inbox
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
ourselves MX 10 mx.a
post MX 10 mx.post
mx.post A %(POST)s
""" % dict(POST=POST, A=A, B=B, SINK=SINK)
names = None

# Signed by somebody else: nothing of it may change.
SIGNED = (b"DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; d=sink.test; s=x;\r\n\th=From:Subject;\r\n bh=x; b=y\r\n"
          b"from:  joe@sink.test\r\nSubject: hello\r\n\tand  more  \r\nX-8: \xfc\xff\r\n\r\n"
          b".\r\n..\r\n.one\r\ntrailing \t\r\n8-bit \xe4\xf6\xfc\xff\x80\r\n" + b"long" * 5000 + b"\r\n\r\n\r\n")


def deliver(address, port, sender, recipients, text=b"Subject: hello\r\n\r\nhi\r\n", options=()):
    with smtplib.SMTP(address, port, timeout=PATIENCE) as smtp:
        return smtp.sendmail(sender, recipients, text, mail_options=options)


def alias(s, *words):
    s.cli("alias", "add", *words)


def until(ask):
    end = time.monotonic() + PATIENCE
    while not ask():
        assert time.monotonic() < end
        time.sleep(0.02)


def sender_of(envelope):
    return re.match(r"MAIL FROM:<([^>]*)>", envelope[0]).group(1)


def subjects(s, user):
    with imaplib.IMAP4("127.0.0.1", s.ports["imap"], timeout=PATIENCE) as imap:
        imap.login(user, "secret")
        n = int(imap.select("INBOX", readonly=True)[1][0])
        rows = imap.fetch("1:%d" % n, "BODY.PEEK[HEADER.FIELDS (SUBJECT)]")[1] if n else []
        return [re.search(rb"Subject: (\d+)", r[1]).group(1).decode() for r in rows if isinstance(r, tuple)]


def report(message, status, *words):
    assert message.get_content_type() == "multipart/report", message.as_string()
    text, facts, _ = list(message.iter_parts())
    assert "Status: " + status in facts.as_string(), facts.as_string()
    told = re.sub(r"\s+", " ", facts.as_string() + text.get_content())
    for word in words:
        assert word in told, (word, told)


def as_it_was():
    with World(names) as w:
        sink = Sink(w.port)
        alias(w.a, "both@a.test", "art@a.test", "X@sink.test")
        deliver(A, w.port, "joe@sink.test", ["both@a.test"], SIGNED, ["BODY=8BITMIME"])
        assert inbox(w.a, "art@a.test")[0]["Return-Path"] == "<joe@sink.test>"
        empty_queue(w.a)
        envelope, body = sink.mails[0]
        assert re.match(r"SRS0=[a-z2-7]{8}=[a-z2-7]{3,}=sink\.test=joe@a\.test$", sender_of(envelope)), envelope
        assert envelope[1] == "RCPT TO:<X@sink.test>" and "BODY=8BITMIME" in envelope[0], envelope
        m = re.match(rb"Delivered-To: both@a\.test\r\nReceived: [^\r]*\r\n([ \t][^\r]*\r\n)*", body)
        assert m and body[m.end():] == SIGNED, body[:600]
        size = int(re.search(r"SIZE=(\d+)", envelope[0]).group(1))
        assert size == len(body), (size, len(body))
        queue = re.search(r"event=forwarded .*queue=(\S+) alias=both@a.test from=\S*SRS0=.* to=X@sink.test", w.a.log())
        assert queue, w.a.log()
        w.a.wait_log("queue=%s to=X@sink.test status=2" % queue.group(1))
        sink.close()


def to_one_of_ours():
    with World(names) as w:
        b = w.server("b", B, "bob")
        try:
            alias(w.a, "@a.test", "bob@b.test")
            alias(b, "second@b.test", "bob@b.test")
            deliver(A, w.port, "joe@sink.test", ["any@a.test", "all@a.test"])  # one copy
            deliver(A, w.port, "joe@sink.test", ["nobody+x@a.test"])
            mails = inbox(b, "bob@b.test", 2)
            assert sorted(m["Delivered-To"] for m in mails) == ["any@a.test", "nobody+x@a.test"]
            assert all(re.match(r"<SRS0=.*=sink\.test=joe@a\.test>$", m["Return-Path"]) for m in mails)
            empty_queue(w.a)
            assert w.a.cli("verify").returncode == 0
            assert w.a.json("alias", "list") == [{"address": "@a.test", "targets": ["bob@b.test"]}]
        finally:
            b.close()


def to_postfix():
    if not shutil.which("postfix") or os.geteuid():
        return "postfix is not installed, or we are not root"
    with World(names) as w:
        postfix = Postfix(w.port)
        try:
            alias(w.a, "joe@a.test", "joe@post.test", "nobody@post.test", "art@a.test")
            deliver(A, w.port, "sue@sink.test", ["joe@a.test"])
            mail = postfix.mails(1)[0]
            assert re.search(rb"Return-Path: <SRS0=\S*=sink\.test=sue@a\.test>", mail), mail
            assert b"Delivered-To: joe@a.test\n" in mail and mail.endswith(b"\n\nhi\n"), mail
            report(inbox(w.a, "art@a.test", 2)[1], "5.1.1", "nobody@post.test", "joe@a.test")
        finally:
            postfix.close()
    return None


def a_users_own_mail():
    """Who writes to the alias is not told where it leads."""
    with World(names) as w:
        sink = Sink(w.port, {"RCPT": "550 5.1.1 nobody of this name"})
        alias(w.a, "out@a.test", "art@a.test", "x@sink.test")
        w.send("out@a.test")
        report(inbox(w.a, "art@a.test", 2)[1], "5.1.1", "nobody of this name")
        assert not inbox(w.a, "ann@a.test", 0)
        sink.close()


def failures_stay_here():
    """The envelope sender is at the sink: it would hear a report."""
    with World(names) as w:
        sink = Sink(w.port, {"END": "554 5.7.1 not wanted"})
        alias(w.a, "both@a.test", "art@a.test", "x@sink.test")
        alias(w.a, "out@a.test", "x@sink.test")
        deliver(A, w.port, "joe@sink.test", ["both@a.test"])
        report(inbox(w.a, "art@a.test", 2)[1], "5.7.1", "not wanted", "x@sink.test", "both@a.test")
        deliver(A, w.port, "joe@sink.test", ["out@a.test"])
        report(inbox(w.a, "ann@a.test")[0], "5.7.1", "not wanted")  # the postmaster
        deliver(A, w.port, "", ["out@a.test"])
        w.a.wait_log("event=bounced", 3)
        empty_queue(w.a)
        assert len(inbox(w.a, "ann@a.test")) == 1
        assert not any("RCPT TO:<joe" in c for c in sink.commands), sink.commands
        assert not sink.mails and w.a.cli("verify").returncode == 0
        sink.close()


def a_postmaster_elsewhere():
    def end(line):
        ends.append(line)
        return "554 5.7.1 not wanted" if len(ends) == 1 else "250 ok"
    ends = []
    with World(names) as w:
        sink = Sink(w.port, {"END": end})
        alias(w.a, "out@a.test", "x@sink.test")
        alias(w.a, "postmaster@a.test", "Admin@sink.test")
        deliver(A, w.port, "joe@sink.test", ["out@a.test"])
        until(lambda: sink.mails)
        envelope, body = sink.mails[0]
        assert sender_of(envelope) == "" and envelope[1].startswith("RCPT TO:<Admin@sink.test>"), envelope
        assert b"\r\nTo: Admin@sink.test\r\n" in body and b"multipart/report" in body, body
        empty_queue(w.a)
        sink.close()


def what_comes_back_later():
    with World(names) as w:
        sink = Sink(w.port)
        alias(w.a, "both@a.test", "art@a.test", "x@sink.test")
        deliver(A, w.port, "SRS0=hhh=tt=first.test=joe@sink.test", ["both@a.test"])
        empty_queue(w.a)
        back = sender_of(sink.mails[0][0])
        assert re.match(r"SRS1=\S+=sink\.test==hhh=tt=first\.test=joe@a\.test$", back), back
        deliver(A, w.port, "", [back.upper()], b"Subject: undeliverable\r\n\r\n")
        assert inbox(w.a, "art@a.test", 2)[1]["Subject"] == "undeliverable"
        for sender, to, wanted in (("joe@sink.test", back, "5.7.1 This address takes reports"),
                                   ("", "SRS1=x" + back[6:], "5.1.1 No such address"),
                                   ("", "SRS0=aaaaaaaa=aaa=b=c@a.test", "5.1.1 No such address")):
            try:
                deliver(A, w.port, sender, [to])
                raise AssertionError("%s may write to %s" % (sender, to))
            except smtplib.SMTPRecipientsRefused as e:
                code, text = e.recipients[to]
                assert code == 550 and text.decode().startswith(wanted), (to, code, text)
        # The key is the store's, not the run's.
        assert w.a.stop() == 0
        w.a.start()
        deliver(A, w.port, "", [back])
        inbox(w.a, "art@a.test", 3)
        sink.close()


def round_two_servers():
    with World(names) as w:
        b = w.server("b", B, "bob", "bea")
        try:
            alias(w.a, "loop@a.test", "loop@b.test", "art@a.test")
            alias(b, "loop@b.test", "bea@b.test", "loop@a.test")
            deliver(A, w.port, "joe@sink.test", ["loop@a.test"])
            mails = inbox(b, "bea@b.test", 2)
            assert mails[0].get_all("Delivered-To") == ["loop@a.test"]
            report(mails[1], "5.4.6", "loop@a.test", "has been forwarded by loop@a.test before")
            empty_queue(w.a)
            empty_queue(b)
            assert len(inbox(w.a, "art@a.test")) == 1
            assert w.a.log().count("event=forwarded") == 1 and b.log().count("event=forwarded") == 1
            assert not inbox(w.a, "ann@a.test", 0) and not inbox(b, "bob@b.test", 0)
        finally:
            b.close()


def round_two_servers_beside_others():
    """Where the loop closes there is another recipient: nothing is refused, and nothing goes round again."""
    with World(names) as w:
        b = w.server("b", B, "bob")
        try:
            alias(w.a, "loop@a.test", "loop@b.test")
            alias(b, "loop@b.test", "loop@a.test", "art@a.test")
            deliver(A, w.port, "joe@sink.test", ["loop@a.test"])
            assert inbox(w.a, "art@a.test")[0].get_all("Delivered-To") == ["loop@b.test", "loop@a.test"]
            w.a.wait_log('event="loop ended"')
            empty_queue(w.a)
            empty_queue(b)
            assert w.a.log().count("event=forwarded") == 1 and b.log().count("event=forwarded") == 2
        finally:
            b.close()


def a_domain_that_leads_to_ourselves():
    with World(names) as w:
        alias(w.a, "out@a.test", "out@ourselves.test", "art@a.test")
        deliver(A, w.port, "joe@sink.test", ["out@a.test"])
        report(inbox(w.a, "art@a.test", 2)[1], "5.4.6", "out@ourselves.test")
        empty_queue(w.a)


def what_the_host_cannot_take():
    for text, options, status in ((SIGNED, ["BODY=8BITMIME"], "5.6.3"),
                                  ("Subject: j\u00f6\r\n\r\n".encode(), ["BODY=8BITMIME", "SMTPUTF8"], "5.6.7")):
        with World(names) as w:
            sink = Sink(w.port, offers=("PIPELINING", "SIZE 100000") + (("8BITMIME",) if "SMTPUTF8" in options else ()))
            alias(w.a, "both@a.test", "art@a.test", "x@sink.test")
            deliver(A, w.port, "joe@sink.test", ["both@a.test"], text, options)
            report(inbox(w.a, "art@a.test", 2)[1], status)
            empty_queue(w.a)
            assert not sink.mails
            sink.close()


def a_domain_comes_and_goes():
    with World(names) as w:
        sink = Sink(w.port)
        alias(w.a, "out@a.test", "X@sink.test")
        w.a.add_domain("sink.test")
        w.a.add_account("x@sink.test")
        deliver(A, w.port, "joe@far.test", ["out@a.test"])
        inbox(w.a, "x@sink.test")
        assert not w.a.json("queue", "list")
        w.a.cli("account", "remove", "x@sink.test")
        w.a.cli("domain", "remove", "sink.test")
        deliver(A, w.port, "joe@far.test", ["out@a.test"])
        empty_queue(w.a)
        assert [e[1] for e, _ in sink.mails] == ["RCPT TO:<X@sink.test>"], sink.mails
        sink.close()


def killed_with_forwarded_mail_in_the_queue():
    with World(names) as w:
        alias(w.a, "both@a.test", "art@a.test", "x@sink.test")
        for i in range(20):
            deliver(A, w.port, "joe%d@far.test" % i, ["both@a.test"], b"Subject: %d\r\n\r\n" % i)
        w.a.kill()
        sink = Sink(w.port)
        w.a.start()
        w.a.cli("queue", "retry")
        empty_queue(w.a)
        assert len(inbox(w.a, "art@a.test", 20)) == 20
        got = {(sender_of(e).split("=")[4], re.search(rb"Subject: (\d+)", body).group(1).decode(),
                body.startswith(b"Delivered-To: both@a.test\r\n")) for e, body in sink.mails}
        assert got == {("joe%d@a.test" % i, str(i), True) for i in range(20)}, got
        assert w.a.cli("verify").returncode == 0
        sink.close()


def killed_while_it_accepts():
    """What had its 250 is here and there, what had none may be."""
    with World(names) as w:
        alias(w.a, "both@a.test", "art@a.test", "x@sink.test")
        sink = Sink(w.port)
        kept, number = set(), 0
        for life in range(4):
            kill, begun = threading.Timer(0.3, w.a.kill), False
            with contextlib.suppress(OSError, smtplib.SMTPException):
                with smtplib.SMTP(A, w.port, timeout=PATIENCE) as smtp:
                    while True:
                        number += 1
                        smtp.sendmail("joe@far.test", ["both@a.test"], b"Subject: %d\r\n\r\n" % number)
                        kept.add(str(number))
                        if not begun:
                            kill.start()  # in the middle, on a slow machine too
                        begun = True
            kill.join()
            w.a.start()
        w.a.cli("queue", "retry")
        empty_queue(w.a)
        gone = {re.search(rb"Subject: (\d+)", body).group(1).decode() for _, body in sink.mails}
        here = subjects(w.a, "art@a.test")
        assert kept and kept <= gone and kept <= set(here), (kept - gone, kept - set(here))
        assert gone == set(here) and len(here) == len(set(here)), gone ^ set(here)
        assert w.a.cli("verify").returncode == 0
        sink.close()


if not shutil.which("nsd") or sys.platform != "linux":
    print("skip mail that is forwarded: nsd is not installed")
    sys.exit(0)
names = Names(ZONE)
try:
    code = run_cases([as_it_was, to_one_of_ours, to_postfix, a_users_own_mail, failures_stay_here, a_postmaster_elsewhere,
                      what_comes_back_later, round_two_servers, round_two_servers_beside_others, a_domain_that_leads_to_ourselves,
                      what_the_host_cannot_take, a_domain_comes_and_goes, killed_with_forwarded_mail_in_the_queue,
                      killed_while_it_accepts])
finally:
    names.close()
sys.exit(code)
