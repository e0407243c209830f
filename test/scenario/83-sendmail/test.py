"""Programs of this machine hand over mail with `barid sendmail`; what it tells them when it cannot. Accounts have limits."""
import email
import email.policy
import os
import poplib
import pwd
import re
import smtplib
import ssl
import subprocess
import sys
import time

from server import BARID, PATIENCE, Server, run_cases, sanitized

poplib._MAXLINE = 1 << 20
DATA, NOUSER, UNAVAILABLE, AGAIN, NOPERM, CONFIG, USAGE = 65, 67, 69, 75, 77, 78, 64
ROOT = os.geteuid() == 0
MORE = """auth = { plaintext_without_tls = true }
sendmail = { users = ["daemon ann@example.test", "games gone@example.test"%s] }
limits = { %s connections_per_address = 0 }
dns = { servers = ["127.0.0.1:9"], trust_anchor = "none" }
"""


class World(Server):
    """bob is the first account, and so the postmaster."""

    def __init__(self, users="", limits=""):
        super().__init__(more=MORE % (users, limits), hostname="mx.machine.test")
        self.setup("bob", "ann", "carl")
        self.start()

    def send(self, *args, mail="Subject: hello\n\nhello\n", user=None, code=0, conf=None, **more):
        """Runs `barid sendmail` as a user of the machine; what it says on stderr."""
        if user and ROOT:
            p = pwd.getpwnam(user)
            more.update(user=p.pw_uid, group=p.pw_gid, extra_groups=[])
        done = subprocess.run([BARID, "sendmail", "-C", conf or self.conf, *args], capture_output=True, timeout=PATIENCE,
                              input=mail.encode() if isinstance(mail, str) else mail, **more)
        said = done.stderr.decode()
        assert done.returncode == code, (done.returncode, said)
        assert said.count("\n") == (code != 0), said
        return said

    def mails(self, name):
        c = poplib.POP3("127.0.0.1", self.ports["pop3"], timeout=PATIENCE)
        c.user(name + "@example.test")
        c.pass_("secret")
        try:
            return [b"\n".join(c.retr(i + 1)[1]).decode() + "\n" for i in range(c.stat()[0])]
        finally:
            c.quit()

    def last(self, name):
        text = self.mails(name)[-1]
        return text, email.message_from_string(text, policy=email.policy.default)

    def queue(self, *args):
        return self.json("queue", "list", *args)


def a_message_of_root():
    with World() as w:
        w.send("ann@example.test")
        text, mail = w.last("ann")
        if ROOT:
            assert text.startswith("Return-Path: <bob@example.test>\nReceived: by mx.machine.test (from uid 0 / root) with ESMTP id "), text
            assert mail["From"].addresses[0].addr_spec == "bob@example.test", text
        assert mail["Date"] and mail["Message-ID"] and text.endswith("\n\nhello\n"), text
        # What users of the machine are called.
        w.send("root", mail="From: root (Cron Daemon)\nTo: root\nSubject: Cron\n\nout\n")
        text, mail = w.last("bob")
        assert mail["From"].addresses[0].addr_spec == "bob@example.test" and "Cron Daemon" in str(mail["From"]), text
        w.send("-f", "root@mx.machine.test", "daemon", mail="From: X <daemon@localhost>\n\nx\n")
        text, mail = w.last("ann")
        assert mail["From"].addresses[0].addr_spec == "ann@example.test" and "X" in str(mail["From"]), text
        # As any address of our domains.
        w.send("-f", "nobody-at-all@example.test", "-F", "A \u00dc", "ann", mail=b"hello\n.\nnot this\n")
        text, mail = w.last("ann")
        assert text.startswith("Return-Path: <nobody-at-all@example.test>\n") and text.endswith("\n\nhello\n"), text
        assert mail["From"].addresses[0].display_name == "A \u00dc", text
        said = w.send("-f", "x@away.test", "ann", code=NOPERM)
        assert "553 5.7.1 You may not send as <x@away.test>" in said, said
        said = w.send("ann", mail="From: x@away.test\n\nx\n", code=NOPERM)
        assert "550 5.7.1" in said, said
        assert w.stop() == 0
        assert w.cli("verify").stdout.startswith("faults 0\n")


def users_of_the_machine():
    if not ROOT:
        return "only root can be somebody else"
    with World() as w:
        w.send("-t", "-i", user="daemon", mail="To: bob@example.test, carl\nBcc: ann@example.test\nSubject: t\n\n.\nend\n")
        for name in ("bob", "carl", "ann"):
            text, mail = w.last(name)
            assert text.startswith("Return-Path: <ann@example.test>\n") and "Bcc" not in text and text.endswith("\n\n.\nend\n"), text
            assert re.search(r"^Received: by mx\.machine\.test \(from uid \d+ / daemon\) with ESMTP id ", text, re.M), text
            assert mail["From"].addresses[0].addr_spec == "ann@example.test", text
        said = w.send("-f", "bob@example.test", "bob", user="daemon", code=NOPERM)
        assert "You may not send as <bob@example.test>" in said, said
        w.send("-f", "", "bob", user="daemon")
        assert w.last("bob")[0].startswith("Return-Path: <>\n")
        said = w.send("bob", user="games", code=NOPERM)
        assert "gone@example.test, which is no account" in said, said
        uid = pwd.getpwnam("man").pw_uid
        said = w.send("bob", user="man", code=NOPERM)
        assert 'add "%d ADDRESS"' % uid in said and "sendmail.users" in said, said
        w.write_config(open(w.conf).read().replace('"games gone@example.test"', '"* carl@example.test"'))
        w.cli("reload")
        w.send("bob", user="man")
        assert w.last("bob")[0].startswith("Return-Path: <carl@example.test>\n")
        w.cli("account", "set", "carl@example.test", "--disabled")
        assert "a disabled account" in w.send("bob", user="man", code=NOPERM)


def refused_recipients():
    """All or nobody."""
    with World() as w:
        said = w.send("ann@example.test", "nobody@example.test", "none@example.test", code=NOUSER)
        assert "nobody@example.test: 550 5.1.1 No such user here (and 1 more); nothing was sent" in said, said
        assert not w.mails("ann")
        assert "nobody@localhost: 550 5.1.1" in w.send("nobody", code=NOUSER)
        w.cli("account", "set", "carl@example.test", "--disabled")
        said = w.send("ann", "carl", code=AGAIN)
        assert "carl@localhost: 450 4.2.1" in said, said
        assert "a@b c@d" in w.send("a@b c@d", code=DATA)
        assert "no recipients" in w.send("-t", code=DATA)
        w.send(code=USAGE)
        w.send("-Z", "ann", code=USAGE)
        assert "NUL" in w.send("ann", mail=b"Subject: x\n\n\0\n", code=DATA)
        assert "2 MiB" in w.send("ann", mail=b"X: y\n" * 500000, code=DATA)
        assert "5.3.4 the message is larger" in w.send("ann", mail=b"\n" + b"x\n" * (26 << 20), code=UNAVAILABLE)
        many = ["u%d@example.test" % i for i in range(1001)]
        assert "1,000 recipients" in w.send(*many, code=UNAVAILABLE)
        assert not w.mails("ann")


def a_large_message_in_little_memory():
    with World() as w:
        line = "x" * 70 + "\n"
        body = line * (48 * 1024 * 1024 // 72)
        path = os.path.join(w.folder, "large")
        with open(path, "w") as f:
            f.write("Subject: large\n\n" + body)
        # Less memory than the message has bytes, so that it cannot be kept there; sanitizers need more.
        most = "ulimit -d %d;" % (40 << 10) if not sanitized() else ""
        subprocess.run(["sh", "-c", most + 'exec "$0" sendmail -i -C "$1" ann <"$2"', BARID, w.conf, path], check=True,
                       timeout=PATIENCE)
        row = [r for r in w.json("account", "list") if r["address"] == "ann@example.test"][0]
        assert row["messages"] == 1 and row["used"] > len(body) + len(body) // 71, row


def everybody_else_and_8_bit():
    with World() as w:
        w.send("ann", mail="From: b\u00f6b <bob@example.test>\nSubject: Gr\u00fc\u00dfe\n\n\u00e4\r\nb\rc\n")
        text, _ = w.last("ann")
        assert "From: b\u00f6b <bob@example.test>\n" in text and "Subject: Gr\u00fc\u00dfe\n" in text, text
        assert text.endswith("\n\n\u00e4\nb\nc\n"), text
        w.cli("account", "add", "\u00fc@example.test", "--password-stdin", stdin="secret\n")
        w.send("-t", mail="To: \u00fc@example.test\n\nx\n")
        assert [r["messages"] for r in w.json("account", "list") if r["address"][0] == "\u00fc"] == [1]
        w.send("x@away.test", "ann", mail="Subject: away\n\nx\n")
        row, = w.queue()
        assert row["recipient"] == "x@away.test" and row["sender"].endswith("@example.test"), row


def a_report_is_asked_for():
    with World() as w:
        w.send("-f", "bob@example.test", "-N", "success,delay", "-R", "hdrs", "-V", "env-1", "ann")
        until = time.monotonic() + PATIENCE
        while not w.mails("bob"):
            assert time.monotonic() < until, w.log()[-2000:]
            time.sleep(0.02)
        text, _ = w.last("bob")
        assert "Original-Envelope-Id: env-1\n" in text and "Action: delivered\n" in text and "text/rfc822-headers" in text, text
        w.send("-f", "bob@example.test", "-N", "never", "x@away.test")


def smtp_on_stdin():
    with World() as w:
        p = subprocess.Popen([BARID, "sendmail", "-C", w.conf, "-bs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

        def say(line, code):
            if line:
                p.stdin.write(line.encode() + b"\r\n")
                p.stdin.flush()
            while True:
                heard = p.stdout.readline().decode()
                if heard[3:4] != "-":
                    break
            assert heard.startswith(code), (line, heard)

        say("", "220 mx.machine.test ")
        say("EHLO me", "250 ")
        say("AUTH PLAIN x", "502 ")
        say("MAIL FROM:<root@localhost>", "250 ")
        say("RCPT TO:<ann@example.test>", "250 ")
        say("DATA", "354 ")
        say("Subject: bs\r\n\r\nx\r\n.", "250 ")
        say("QUIT", "221 ")
        p.stdin.close()
        assert p.wait(PATIENCE) == 0
        text, mail = w.last("ann")
        assert mail["Subject"] == "bs" and mail["From"], text
        for _ in range(10):  # all that it says is there before the greeting
            said = b"EHLO me\r\nMAIL FROM:<root@localhost>\r\nRCPT TO:<ann@example.test>\r\nQUIT\r\n"
            done = subprocess.run([BARID, "sendmail", "-C", w.conf, "-bs"], input=said, capture_output=True)
            codes = [line[:4] for line in done.stdout.decode().splitlines() if line[3:4] == " "]
            assert codes == ["220 ", "250 ", "250 ", "250 ", "221 "], done.stdout


def other_names_and_modes():
    with World() as w:
        link = os.path.join(w.folder, "sendmail-link", "sendmail")
        os.mkdir(os.path.dirname(link))
        os.symlink(os.path.abspath(BARID), link)
        os.symlink(os.path.abspath(BARID), os.path.join(os.path.dirname(link), "mailq"))
        subprocess.run([link, "-C", w.conf, "ann"], input=b"Subject: link\n\nx\n", check=True, timeout=PATIENCE)
        assert w.last("ann")[1]["Subject"] == "link"
        w.send("x@away.test")
        for command in ([link, "-bp", "-C", w.conf], [os.path.join(os.path.dirname(link), "mailq"), "-C", w.conf],
                        [BARID, "-c", w.conf, "sendmail", "-bp"]):
            done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE)
            assert "x@away.test" in done.stdout, done
        for mode in ("-bi", "-q", "-q15m"):
            subprocess.run([link, mode], stdin=subprocess.PIPE, check=True, timeout=PATIENCE)


def without_a_server():
    with World() as w:
        text = open(w.conf).read()
        w.write_config(re.sub(r"sendmail = \[[^\]]*\]", "sendmail = []", text, count=1))
        said = w.send("ann", code=CONFIG)
        assert "listen.sendmail in %s is empty" % w.conf in said, said
        w.write_config(re.sub(r"sendmail = \[[^\]]*\]", 'sendmail = ["unix:%s/nothing"]' % w.folder, text, count=1))
        said = w.send("ann", code=CONFIG)
        assert "does not listen on %s/nothing: set listen.sendmail" % w.folder in said, said
        w.write_config(text)
        w.send("ann", conf=os.path.join(w.folder, "none"), code=CONFIG)
        assert w.stop() == 0
        said = w.send("ann", code=AGAIN)
        assert "no server listens on %s/sendmail" % w.folder in said and "is barid running?" in said, said
        done = subprocess.run([BARID, "sendmail", "-C", w.conf, "-bs"], capture_output=True, timeout=PATIENCE)
        assert done.returncode == AGAIN and done.stdout.startswith(b"421 4.3.2 "), done


# ---- limits ----

def logged_in(w):
    c = smtplib.SMTP_SSL("127.0.0.1", w.ports["submissions"], "me.test", timeout=PATIENCE,
                         context=ssl._create_unverified_context())
    c.login("ann@example.test", "secret")
    return c


def submit(c, *to):
    return c.sendmail("ann@example.test", to, b"From: ann@example.test\r\nSubject: x\r\n\r\nx\r\n")


def recipients_of_an_hour():
    with World(limits="recipients_per_hour = 3") as w:
        with logged_in(w) as c:
            submit(c, "a@away.test", "bob@example.test")
            refused = submit(c, "c@away.test", "d@away.test")
            code, text = refused["d@away.test"]
            assert code == 452 and b"4.7.1 " in text, refused
        assert w.stop() == 0
        w.start()
        with logged_in(w) as c:
            try:
                submit(c, "e@away.test")
                raise AssertionError("over the limit")
            except smtplib.SMTPRecipientsRefused as e:
                code, text = e.recipients["e@away.test"]
                assert code == 452 and re.search(rb"4\.7\.1 .* limit of 3 recipients an hour; again in (5\d|60) min, at 20", text), text
        if ROOT:
            assert "4.7.1" in w.send("bob", user="daemon", code=AGAIN)
        with smtplib.SMTP("127.0.0.1", w.ports["smtp"], "me.test", timeout=PATIENCE) as c:
            c.sendmail("joe@away.test", ["ann@example.test"] * 5, b"Subject: in\r\n\r\nx\r\n")
        assert len(w.queue()) == 2
        assert open(w.log_path).read().count('event="sender in a hurry" account=ann@example.test') == 1
        assert w.stop() == 0
        assert w.cli("verify").stdout.startswith("faults 0\n")


def a_burst_is_held():
    with World(limits="hold_recipients = 2") as w:
        with logged_in(w) as c:
            submit(c, "a@away.test", "b@away.test")
            submit(c, "c@away.test", "bob@example.test")
            submit(c, "d@away.test")
        assert len(w.mails("bob")) == 1
        held = w.queue("--state", "held")
        assert [r["recipient"] for r in held] == ["c@away.test", "d@away.test"], held
        assert w.log().count('event="mail held"') == 1, w.log()
        status = w.json("status")
        assert status["queue"]["held"] == 2 and status["queue"]["entries"] == 4, status
        w.cli("queue", "release", "--account", "bob@example.test", check=False)
        assert len(w.queue("--state", "held", "--account", "ann@example.test")) == 2
        w.cli("queue", "release", "--account", "ann@example.test", "--recipient", "c@away.test")
        assert w.json("status")["queue"]["held"] == 1
        w.cli("queue", "remove", "--state", "held")
        assert w.json("status")["queue"]["held"] == 0 and len(w.queue()) == 3
        assert w.stop() == 0
        assert w.cli("verify").stdout.startswith("faults 0\n")


sys.exit(run_cases([
    a_message_of_root, users_of_the_machine, refused_recipients, a_large_message_in_little_memory, everybody_else_and_8_bit,
    a_report_is_asked_for, smtp_on_stdin, other_names_and_modes, without_a_server, recipients_of_an_hour, a_burst_is_held,
]))
