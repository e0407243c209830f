"""Where is my message? `barid trace` knows of one that was delivered, delayed, bounced, refused, removed, fetched."""
import contextlib
import imaplib
import poplib
import re
import smtplib
import socket
import ssl
import sys
import threading
import time

from server import PATIENCE, Server, run_cases

MORE = """auth = { plaintext_without_tls = true }
outbound = { relay = "127.0.0.1:%d", allow_private_addresses = true }
trace = { keep = "%s" }
"""


class Sink:
    """A smarthost that answers each recipient by its name: later, never, or yes."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.mails = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.serve, args=(self.listener.accept()[0],), daemon=True).start()

    def serve(self, c):
        f = c.makefile("rb")
        with contextlib.suppress(OSError):
            c.sendall(b"220 sink.test ESMTP\r\n")
            for raw in f:
                line = raw.decode().upper()
                reply = "250 2.0.0 fine"
                if line.startswith("EHLO"):
                    reply = "250-sink.test\r\n250 8BITMIME"
                elif line.startswith("RCPT TO:<LATER"):
                    reply = "451 4.7.1 Greylisted, \x1b[31mcome back"
                elif line.startswith("RCPT TO:<NEVER"):
                    reply = "550 5.1.1 No such user"
                elif line.startswith("DATA"):
                    c.sendall(b"354 go on\r\n")
                    while f.readline() not in (b".\r\n", b""):
                        pass
                    self.mails += 1
                elif line.startswith("QUIT"):
                    reply = "221 bye"
                c.sendall(reply.encode() + b"\r\n")

    def close(self):
        self.listener.close()


sink = None


def server(keep="30d", port=None):
    return Server(more=MORE % (port or sink.port, keep)).setup("ann", "bob", "sales").start()


def submit(s, *recipients, sender="ann@example.test", more=""):
    """Sends; the id in the reply."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with smtplib.SMTP("127.0.0.1", s.ports["submission"], timeout=PATIENCE) as smtp:
        smtp.starttls(context=context)
        smtp.login("ann@example.test", "secret")
        return send(smtp, sender, recipients, more)


def send(smtp, sender, recipients, more=""):
    smtp.ehlo_or_helo_if_needed()
    code, said = smtp.mail(sender)
    assert code == 250, said
    for r in recipients:
        smtp.rcpt(r)
    code, said = smtp.data(more + "From: ann@example.test\r\nSubject: hello\r\n\r\none\r\n")
    assert code == 250, said
    return said.decode().split()[-1]


def mx(s, sender, *recipients, more=""):
    with smtplib.SMTP("127.0.0.1", s.ports["smtp"], timeout=PATIENCE) as smtp:
        return send(smtp, sender, recipients, more)


def events(s, *args):
    return [row["event"] for row in s.json("trace", *args)]


def wait_events(s, wanted, *args):
    until = time.monotonic() + PATIENCE
    while True:
        got = events(s, *args)
        if got == wanted:
            return s.json("trace", *args)
        assert time.monotonic() < until, "%s, not %s" % (got, wanted)
        time.sleep(0.02)


def story(s, *args):
    return s.cli("trace", *args).stdout


TIME = r"  \d{4}-\d\d-\d\d \d\d:\d\d:\d\d "


def says(text, *lines):
    for line in lines:
        assert re.search("(?m)^" + TIME + line, text), "no %r in:\n%s" % (line, text)


def a_delivered_one():
    with server() as s:
        id = submit(s, "joe@far.test")
        rows = wait_events(s, ["accepted", "queued", "attempt"], id)
        accepted, queued, attempt = rows
        assert accepted["login"] == "ann@example.test" and accepted["tls"].startswith("TLSv1.3")
        assert accepted["protocol"] == "ESMTPSA" and accepted["recipient"] == "joe@far.test"
        assert attempt["what"] == "relayed" and attempt["reply"].startswith("250 2.0.0"), attempt
        assert attempt["attempts"] == 1 and attempt["next"] is None
        assert all(r["id"] == id for r in rows)
        assert {tuple(r) for r in rows} == {tuple(accepted)}  # the same keys
        text = story(s, id)
        assert text.startswith("Message %s from ann@example.test to joe@far.test, " % id), text
        assert "Message-ID <%s@mx.example.test>" % id in text
        says(text, r"accepted from 127\.0\.0\.1 \(.*\), logged in as ann@example\.test by ESMTPSA, TLSv1\.3 ",
             r"queued for joe@far\.test as \S{11}, from ann@example\.test",
             r"delivered to joe@far\.test: \S+ \[127\.0\.0\.1\] said: 250 2\.0\.0")
        # by its other names
        for other in (queued["queue"], "<%s@mx.example.test>" % id, "%s@mx.example.test" % id, id.upper()):
            assert story(s, other) == text, other
        for address in ("ann@example.test", "joe@far.test", "Joe@FAR.test"):
            assert story(s, address) == text, address


def a_local_one():
    with server() as s:
        s.cli("alias", "add", "team@example.test", "ann@example.test", "bob@example.test")
        id = mx(s, "someone@else.test", "team@example.test", more="Message-ID:\r\n <From.Else@where>\r\n")
        rows = wait_events(s, ["accepted", "stored", "stored"], id)
        assert {r["account"] for r in rows[1:]} == {"ann@example.test", "bob@example.test"}
        assert rows[0]["message_id"] == "From.Else@where" and rows[0]["login"] is None
        with imaplib.IMAP4("127.0.0.1", s.ports["imap"], timeout=PATIENCE) as imap:
            imap.login("bob@example.test", "secret")
            imap.select("INBOX")
            imap.fetch("1", "(FLAGS BODY.PEEK[HEADER])")
            assert events(s, id) == ["accepted", "stored", "stored"]
            imap.fetch("1", "BODY.PEEK[]")
            imap.fetch("1", "BODY[TEXT]")
        pop = poplib.POP3("127.0.0.1", s.ports["pop3"], timeout=PATIENCE)
        pop.user("ann@example.test")
        pop.pass_("secret")
        pop.top(1, 0)
        pop.retr(1)
        pop.retr(1)
        pop.quit()
        rows = wait_events(s, ["accepted", "stored", "stored", "fetched", "fetched"], "<From.Else@where>")
        assert [(r["account"], r["protocol"]) for r in rows[3:]] == [("bob@example.test", "imap"),
                                                                     ("ann@example.test", "pop3")]
        says(story(s, id), r"put into the mailbox of bob@example\.test \(INBOX\)",
             r"first fetched by bob@example\.test over IMAP from 127\.0\.0\.1",
             r"first fetched by ann@example\.test over POP3 from 127\.0\.0\.1")
        # whose mailbox it is in finds it, too
        assert len(events(s, "bob@example.test")) == 5
        assert s.cli("trace", "sales@example.test", check=False).returncode == 3


def the_message_stands_before_its_further_recipients():
    with server() as s:
        id = mx(s, "someone@else.test", "ann@example.test", "bob@example.test")
        wait_events(s, ["accepted", "recipient", "stored", "stored"], id)
        text = story(s, id)
        assert text.startswith("Message %s from someone@else.test to ann@example.test ..., " % id), text
        says(text, r"accepted from .*, for 2 recipients$", r"recipient bob@example\.test accepted$")


def a_delayed_and_a_bounced_one():
    with server() as s:
        id = submit(s, "later@far.test", "never@far.test", "joe@far.test")
        rows = wait_events(s, ["accepted"] + ["queued"] * 3 + ["attempt"] * 3 + ["report"], id)
        by = {r["recipient"]: r for r in rows if r["event"] == "attempt"}
        assert by["later@far.test"]["what"] == "deferred" and by["later@far.test"]["next"]
        assert by["never@far.test"]["what"] == "failed" and by["never@far.test"]["status"] == "5.1.1"
        assert by["joe@far.test"]["what"] == "relayed"
        text = story(s, id)
        assert "\x1b" not in text
        says(text, r"not yet delivered to later@far\.test: .* said: 451 4\.7\.1 Greylisted, .*; next try \d\d:\d\d$",
             r"FAILED for never@far\.test: .* said: 550 5\.1\.1 No such user$",
             r"the sender ann@example\.test was told that it failed, in the mailbox of ann@example\.test$")
        # the report is read
        with imaplib.IMAP4("127.0.0.1", s.ports["imap"], timeout=PATIENCE) as imap:
            imap.login("ann@example.test", "secret")
            imap.select("INBOX")
            imap.fetch("1", "BODY[]")
        assert events(s, id)[-1] == "fetched"
        # the administrator
        queue = rows[1]["queue"]
        s.cli("queue", "hold", queue)
        s.cli("queue", "release", queue)
        wait_events(s, events(s, id)[:8] + ["fetched", "held", "released", "attempt"], id)
        s.stop()
        s.cli("queue", "remove", queue)  # without a server
        assert events(s, id)[-1] == "removed"
        says(story(s, id), r"held back for later@far\.test by the administrator$",
             r"REMOVED from the queue for later@far\.test by the administrator; nobody was told$")


def one_that_cannot_go():
    with socket.socket() as closed, contextlib.ExitStack() as stack:
        closed.bind(("127.0.0.1", 0))  # has the port, and listens to nobody
        port = closed.getsockname()[1]
        s = stack.enter_context(server(port=port))
        id = submit(s, "joe@far.test")
        rows = wait_events(s, ["accepted", "queued", "unreachable"], id)
        assert rows[2]["id"] == id and rows[2]["next"]
        says(story(s, id), r"127\.0\.0\.1:%d cannot be reached: .*; next try \d\d:\d\d$" % port)
        s.cli("queue", "remove", rows[1]["queue"], "--bounce")
        wait_events(s, ["accepted", "queued", "unreachable", "expired", "report"], id)
        says(story(s, id), r"FAILED for joe@far\.test: taken out of the queue by the administrator$")


def a_forwarded_one():
    with server() as s:
        s.cli("alias", "add", "away@example.test", "joe@far.test")
        s.cli("alias", "add", "both@example.test", "joe@far.test", "bob@example.test")
        id = mx(s, "someone@else.test", "away@example.test")
        rows = wait_events(s, ["accepted", "queued", "attempt"], id)
        assert rows[1]["what"] == "forwarded" and rows[1]["alias"] == "away@example.test", rows[1]
        assert rows[1]["sender"].startswith("SRS0=") and rows[1]["recipient"] == "joe@far.test"
        says(story(s, id), r"sent on by away@example\.test to joe@far\.test, queued as \S{11}, from SRS0=.*@example\.test$",
             r"delivered to joe@far\.test: ")
        assert [r["id"] for r in s.json("trace", "away@example.test")] == [id] * 3
        id = mx(s, "someone@else.test", "both@example.test")
        rows = wait_events(s, ["accepted", "stored", "queued", "attempt"], id)
        assert rows[1]["account"] == "bob@example.test" and rows[0]["recipient"] == "both@example.test"
        # it comes back
        id = mx(s, "someone@else.test", "both@example.test", "bob@example.test",
                more="Delivered-To: both@example.test\r\n")
        rows = wait_events(s, ["accepted", "recipient", "stored", "loop"], id)
        says(story(s, id), r"NOT sent on by both@example\.test: ")


def refused_ones():
    with server() as s:
        with smtplib.SMTP("127.0.0.1", s.ports["smtp"], timeout=PATIENCE) as smtp:
            smtp.ehlo("stranger.test")
            smtp.mail("someone@else.test")
            assert smtp.rcpt("nobody@example.test")[0] == 550
            assert smtp.rcpt("joe@far.test")[0] == 550
            smtp.rset()
            smtp.mail("someone@else.test")
            smtp.rcpt("bob@example.test")
            assert smtp.data("bare\nnewline\n")[0] in (250, 550)  # smtplib mends it
        rows = s.json("trace", "nobody@example.test")
        assert [r["event"] for r in rows] == ["refused", "refused"], rows  # one transaction
        assert rows[0]["code"] == 550 and rows[0]["helo"] == "stranger.test"
        says(story(s, "joe@far.test"), r"REFUSED for nobody@example\.test from 127\.0\.0\.1 \(stranger\.test\): "
             r"550 5\.1\.1 No such user here$", r"REFUSED for joe@far\.test .*: 550 5\.7\.1 ")
        try:
            submit(s, "joe@far.test", sender="bob@example.test")
            raise AssertionError("sent as somebody else")
        except AssertionError as e:
            assert "553" in str(e) or "not" in str(e), e
        rows = s.json("trace", "bob@example.test", "--limit", "1")
        assert rows[0]["event"] == "refused" and rows[0]["code"] == 553, rows
        assert rows[-1]["event"] == "more"
        assert "There is more" in story(s, "bob@example.test", "--limit", "1")


def after_a_restart_and_a_crash():
    with server() as s:
        first = mx(s, "someone@else.test", "bob@example.test")
        s.stop()
        assert events(s, first) == ["accepted", "stored"]  # without a server
        s.start()
        second = mx(s, "someone@else.test", "bob@example.test")
        wait_events(s, ["accepted", "stored"], second)  # asking writes it
        s.kill()
        s.start()
        assert events(s, second) == events(s, first) == ["accepted", "stored"]
        rows = s.json("trace", "bob@example.test")
        assert [r["id"] for r in rows] == [second] * 2 + [first] * 2
        assert s.cli("verify").returncode == 0


def old_ones_go():
    with server(keep="30s") as s:
        id = mx(s, "someone@else.test", "bob@example.test")
        assert events(s, id) == ["accepted", "stored"]
        s.write_config(open(s.conf).read().replace('keep = "30s"', 'keep = "2s"'))
        s.cli("reload")
        until = time.monotonic() + PATIENCE
        while s.cli("trace", id, check=False).returncode != 3:
            assert time.monotonic() < until
            time.sleep(0.1)
    with server(keep="0") as s:
        id = mx(s, "someone@else.test", "bob@example.test")
        done = s.cli("trace", id, check=False)
        assert done.returncode == 3 and "trace.keep is 0" in done.stderr, done
        s.write_config(open(s.conf).read().replace('keep = "0"', 'keep = "1d"'))
        s.cli("reload")
        id = mx(s, "someone@else.test", "bob@example.test")
        assert events(s, id) == ["accepted", "stored"]


def questions():
    with server() as s:
        def ask(code, *args):
            done = s.cli("trace", *args, check=False)
            assert done.returncode == code, (args, done)
            return done.stderr
        assert ask(3, "0000000000000000") == "barid: nothing is known of it\n"
        ask(3, "nobody@example.test")
        ask(2)
        ask(2, "a", "b")
        ask(2, "a", "--limit", "0")
        ask(2, "a", "--limit", "1001")
        ask(2, "a", "--since", "yesterday")
        ask(2, "")
        for i in range(3):
            mx(s, "someone@else.test", "bob@example.test")
        assert len(events(s, "bob@example.test", "--since", "1h")) == 6
        assert len(events(s, "bob@example.test", "--since", "2020-01-31")) == 6
        assert len(events(s, "bob@example.test", "--since", "2020-01-31 10:00")) == 6
        ask(3, "bob@example.test", "--since", "2099-01-01")
        assert events(s, "bob@example.test", "--limit", "2") == ["accepted", "stored"] * 2 + ["more"]
        assert s.cli("trace", "nobody@example.test", "--json", check=False).stdout.strip() == "[]"


def main():
    global sink
    sink = Sink()
    try:
        return run_cases([a_delivered_one, a_local_one, the_message_stands_before_its_further_recipients,
                          a_delayed_and_a_bounced_one, one_that_cannot_go, a_forwarded_one, refused_ones,
                          after_a_restart_and_a_crash, old_ones_go, questions])
    finally:
        sink.close()


if __name__ == "__main__":
    sys.exit(main())
