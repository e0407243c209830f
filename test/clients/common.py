"""What the programs have in common: a server with a certificate of our own authority, mail that is easily damaged,
and a look into the mailbox."""
import base64
import imaplib
import os
import poplib
import random
import re
import shutil
import ssl
import subprocess
import time

from server import PATIENCE, Failed, Server, owner, run_cases

poplib._MAXLINE = 1 << 20  # else lines of more than 2,048 bytes are an error
SENDER = "joe@away.test"
PASSWORD = "secret"
MORE = """tls = { certificate = "%(folder)s/server.pem"; key = "%(folder)s/server.key" }
auth = { plaintext_without_tls = true }
"""


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def make_certificate(folder):
    """ca.pem, and server.pem signed by it for localhost, 127.0.0.1 and the server's name."""
    ca, pem = os.path.join(folder, "ca"), os.path.join(folder, "server")
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *kind, "-keyout", ca + ".key", "-out", ca + ".pem", "-days", "9", "-subj", "/CN=Test CA")
    openssl("req", *kind, "-keyout", pem + ".key", "-out", pem + ".csr", "-subj", "/CN=mx.example.test")
    with open(pem + ".ext", "w") as f:
        f.write("subjectAltName=DNS:mx.example.test,DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
    openssl("x509", "-req", "-in", pem + ".csr", "-CA", ca + ".pem", "-CAkey", ca + ".key", "-CAcreateserial",
            "-days", "9", "-extfile", pem + ".ext", "-out", pem + ".pem")


class World(Server):
    """A running server with accounts in example.test; LMTP on a unix socket and on loopback."""

    def __init__(self, *names):
        super().__init__()
        self.ca = os.path.join(self.folder, "ca.pem")
        self.lmtp = os.path.join(self.folder, "lmtp")
        make_certificate(self.folder)
        with open(self.conf) as f:
            text = f.read().replace('/lmtp"]', '/lmtp", "127.0.0.1:0"]')
        self.write_config(text + MORE % dict(folder=self.folder))
        self.setup(*names, password=PASSWORD)
        self.start()

    def context(self):
        return ssl.create_default_context(cafile=self.ca)

    def file(self, name, data, mode=0o644):
        """A file that the programs may read, and which is theirs."""
        path = os.path.join(self.folder, name)
        with open(path, "wb") as f:
            f.write(data if isinstance(data, bytes) else data.encode())
        os.chmod(path, mode)
        os.chown(path, owner().pw_uid, owner().pw_gid)
        return path

    def home(self, name):
        """A folder of nobody's (of ours, if we are not root)."""
        path = os.path.join(self.folder, name)
        os.mkdir(path, 0o700)
        os.chown(path, owner().pw_uid, owner().pw_gid)
        return path

    def pop(self, name):
        c = poplib.POP3_SSL("127.0.0.1", self.ports["pop3s"], context=self.context(), timeout=PATIENCE)
        c.user(name + "@example.test")
        c.pass_(PASSWORD)
        return c

    def mails(self, name):
        """All mail of an account, as the server gives it."""
        c = self.pop(name)
        try:
            return [b"".join(line + b"\r\n" for line in c.retr(i + 1)[1]) for i in range(c.stat()[0])]
        finally:
            c.quit()

    def count(self, name):
        return [r["messages"] for r in self.json("account", "list") if r["address"] == name + "@example.test"][0]

    def expect(self, name, *mails, sender=SENDER):
        """Just these are in the mailbox, each byte as it was sent, behind our trace."""
        wait_for(lambda: self.count(name) >= len(mails), "mail of " + name)
        found = self.mails(name)
        assert len(found) == len(mails), "%d mails for %s, %d expected" % (len(found), name, len(mails))
        for mail in mails:
            check_among(mail, found)
        for one in found:
            assert one.startswith(b"Return-Path: <%s>\r\nReceived: " % sender.encode()), one[:300]

    def end(self):
        """Ends the server: a clean stop and a clean store."""
        code = self.stop()
        assert code == 0, "exit %d: %s" % (code, self.log()[-1000:])
        assert self.cli("verify").stdout.startswith("faults 0\n")


def check_among(mail, found, newline=b"\r\n"):
    """One of these is the mail, with lines in front at most."""
    mail = mail.replace(b"\r\n", newline)
    same = [f for f in found if f.endswith(newline + mail) or f == mail]
    assert len(same) == 1, "%d of %d are %r; first: %r" % (
        len(same), len(found), mail.split(newline)[2], difference(mail, found))


def difference(mail, found):
    """Where a mail of the same subject first differs."""
    subject = [line for line in mail.splitlines() if line.startswith(b"Subject: ")][0]
    for f in found:
        if subject in f:
            tail = f[f.find(mail[:20]):]
            at = next((i for i, (a, b) in enumerate(zip(mail, tail)) if a != b), min(len(mail), len(tail)))
            return at, mail[max(0, at - 40):at + 40], tail[max(0, at - 40):at + 40]
    return "no such subject"


def make_mail(subject, to="ann@example.test", attachment=0, line=998):
    """Dots at line starts, the longest line, 8-bit, white space at line ends, empty lines at the end."""
    number = random.Random(subject)
    noise = "".join(chr(number.choice([0xe4, 0x20ac, 0x1f4ee, 0x416, 0x78])) for _ in range(60))
    text = "\r\n".join([
        "From: Joe <%s>" % SENDER, "To: <%s>" % to, "Subject: " + subject,
        "Date: Sun, 22 Nov 2026 04:00:00 +0000", "Message-ID: <%016x@away.test>" % number.getrandbits(64),
        "MIME-Version: 1.0", 'Content-Type: multipart/mixed; boundary="part"', "",
        "--part", "Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: 8bit", "",
        "Hello", ".", "..", "...", ".dot at the start", "From here on: " + noise, "QUIT", "RSET", "white \t ",
        "x" * line, "." * line, "", "--part", "Content-Type: application/octet-stream",
        "Content-Transfer-Encoding: base64", ""]) + "\r\n"
    data = base64.encodebytes(number.randbytes(attachment)).replace(b"\n", b"\r\n")
    return text.encode() + data + b"\r\n--part--\r\n.\r\n\r\n\r\n"


def wait_for(condition, what):
    until = time.monotonic() + PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise Failed("waited %d s for %s" % (PATIENCE, what))
        time.sleep(0.02)


def run(*command, codes=(0,), stdin=b"", humble=False, env=None, **more):
    """Runs a program, as nobody where asked and possible; its output of both kinds."""
    if humble and os.geteuid() == 0:
        more.update(user=owner().pw_uid, group=owner().pw_gid, extra_groups=[])
    done = subprocess.run(command, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE,
                          env=dict(os.environ, LC_ALL="C.UTF-8", **(env or {})), **more)
    if done.returncode not in codes:
        raise Failed("%s: exit %d: %s" % (command[0], done.returncode, done.stdout[-1200:].decode("utf-8", "replace")))
    return done.stdout


def deliver(w, name, mails):
    for mail in mails:
        path = w.file("deliver.eml", mail)
        run("curl", "-q", "-sS", "smtp://127.0.0.1:%d" % w.ports["smtp"], "--mail-from", SENDER, "--mail-rcpt",
            name + "@example.test", "--upload-file", path)


def imap(w, name):
    c = imaplib.IMAP4_SSL("127.0.0.1", w.ports["imaps"], ssl_context=w.context(), timeout=PATIENCE)
    c.login(name + "@example.test", PASSWORD)
    return c


def say(c, *command):
    kind, data = c._simple_command(*command) if command[0] != "UID" else c.uid(*command[1:])
    assert kind == "OK", (command, kind, data)
    return data


def picture(w, name):
    """{mailbox: sorted [(Message-ID, flags)]} as the server has it."""
    c = imap(w, name)
    boxes = {}
    for line in c.list()[1]:
        box = re.search(rb'"/" (.*)$', line).group(1).decode()
        if b"\\Noselect" in line:
            continue
        assert c.select(box, readonly=True)[0] == "OK", box
        rows = []
        data = c.fetch("1:*", "(FLAGS BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])")[1] if int(c.untagged_responses.get(
            "EXISTS", [b"0"])[-1]) else []
        for row in data:
            if isinstance(row, tuple):
                flags = set(re.search(rb"FLAGS \(([^)]*)\)", row[0]).group(1).split()) - {b"\\Recent"}
                rows.append((row[1].strip(), tuple(sorted(flags))))
        boxes[box.strip('"')] = sorted(rows)
    c.logout()
    return boxes


def messages(w, name, box):
    """[(flags, octets)] of a mailbox, by UID."""
    c = imap(w, name)
    found = []
    try:
        assert c.select(box, readonly=True)[0] == "OK", box
        data = c.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[])")[1]
        for head, octets in [row for row in data if isinstance(row, tuple)]:
            found.append((set(re.search(rb"FLAGS \(([^)]*)\)", head).group(1).split()) - {b"\\Recent"}, octets))
    finally:
        c.logout()
    return found


def needs(program):
    def mark(case):
        def call(w):
            return case(w) if shutil.which(program) else program + " is not installed"
        call.__name__ = case.__name__
        return call
    return mark


def main(names, cases, program=None):
    """Runs the cases with one world for all, and looks at the store at the end."""
    if program and not shutil.which(program):
        print("skip %s: not installed" % program)
        return 0
    with World(*names) as world:
        def bound(case):
            def call():
                return case(world)
            call.__name__ = case.__name__
            return call

        def a_clean_end():
            world.end()
        return run_cases([bound(c) for c in cases] + [a_clean_end])
