"""What mail goes out to in tests: name servers, scripted SMTP servers and Postfix, on loopback addresses."""
import contextlib
import email
import email.policy
import hashlib
import imaplib
import os
import pwd
import shutil
import smtplib
import socket
import ssl
import subprocess
import tempfile
import threading
import time

from ports import free_port
from server import PATIENCE, Server

A, B, SINK, POST, NOBODY = "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5", "127.0.0.9"
MORE = """auth = { plaintext_without_tls = true }
dns = { servers = ["127.0.0.1:%d"], trust_anchor = "none" }
outbound = { port = %d, allow_private_addresses = true }
"""


class Certificate:
    """Of a server, signed by itself or by an authority (authority: one that may sign others)."""

    def __init__(self, folder, name, by=None, authority=False, expired=False, label=None):
        base = os.path.join(folder, label or name)
        self.key, self.cert, self.chain = base + ".key", base + ".pem", base + ".chain"
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                   "-keyout", self.key, "-out", self.cert, "-days", "30", "-subj", "/CN=" + name,
                   "-addext", "subjectAltName=DNS:" + name,
                   "-addext", "basicConstraints=critical,CA:" + ("TRUE" if authority else "FALSE")]
        if by:
            command += ["-CA", by.cert, "-CAkey", by.key]
        subprocess.run(command, check=True, capture_output=True)
        if expired:
            subprocess.run(["openssl", "x509", "-in", self.cert, "-signkey", self.key, "-days", "-1", "-out", self.cert],
                           check=True, capture_output=True)
        with open(self.chain, "w") as f:
            f.write(open(self.cert).read() + (open(by.cert).read() if by else ""))

    def tlsa(self, usage, selector=1):
        """RDATA of a TLSA record: SHA-256 of the key, or of the certificate (selector 0)."""
        command = "openssl x509 -in %s -outform DER" if selector == 0 else \
            "openssl x509 -in %s -noout -pubkey | openssl pkey -pubin -outform DER"
        der = subprocess.run(command % self.cert, shell=True, check=True, capture_output=True).stdout
        return "%d %d 1 %s" % (usage, selector, hashlib.sha256(der).hexdigest())

    def context(self):
        c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        c.load_cert_chain(self.chain, self.key)
        return c


class Names:
    """Zones ({name: text}, or the text of test.) served by NSD on a port of 127.0.0.1."""

    def __init__(self, zones):
        self.zones = zones if isinstance(zones, dict) else {"test": zones}
        self.folder = tempfile.mkdtemp(prefix="barid-nsd-")
        self.port = free_port()
        for name in self.zones:
            self.write(name, self.zones[name])
        self.conf = os.path.join(self.folder, "nsd.conf")
        with open(self.conf, "w") as f:
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
""" % ((self.port,) + (self.folder,) * 5))
            for name in self.zones:
                f.write('zone:\n  name: "%s"\n  zonefile: "%s.zone"\n' % (name, name))
        self.start()

    def write(self, name, text):
        with open(os.path.join(self.folder, name + ".zone"), "w") as f:
            f.write(text)

    def start(self):
        self.log = open(os.path.join(self.folder, "log"), "ab")
        self.process = subprocess.Popen(["nsd", "-d", "-c", self.conf], stdout=self.log, stderr=self.log)
        self.wait()

    def wait(self):
        question = b"\1\1\0\0\0\1\0\0\0\0\0\0\4test\0\0\6\0\1"
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

    def stop(self):
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.log.close()

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Sink:
    """An SMTP server that answers as it is told: replies[verb] is what it says (text: lines; bytes: as they are, a list
    of them: in pieces; None: it hangs up), or a function of the line that tells it. Further verbs: CONNECT; TLS, bytes in place of a handshake;
    BODY, once the message begins, None only; END, to the final dot."""

    def __init__(self, port, replies=None, offers=("PIPELINING", "8BITMIME", "SIZE 100000"), address=SINK, tls=None):
        self.replies = replies or {}
        self.offers = offers
        self.tls = tls  # an ssl.SSLContext
        self.connections = 0
        self.mails, self.commands, self.peers = [], [], []
        self.encrypted = []  # of each of mails: did it come through TLS?
        self.listener = socket.create_server((address, port), backlog=100,
                                             family=socket.AF_INET6 if ":" in address else socket.AF_INET)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                c, peer = self.listener.accept()
                self.connections += 1
                self.peers.append(peer[0])
                threading.Thread(target=Dialogue(self, c).run, daemon=True).start()

    def reply(self, verb, line, otherwise):
        r = self.replies.get(verb, otherwise)
        return r(line) if callable(r) else r

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Dialogue:
    """One connection of a sink."""

    def __init__(self, sink, c):
        self.sink, self.c = sink, c
        self.envelope, self.encrypted = [], False
        c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def run(self):
        with contextlib.suppress(OSError, EOFError):
            self.say(self.sink.reply("CONNECT", "", "220 sink.test ESMTP"))
            self.f = self.c.makefile("rb")
            while True:
                line = self.line().decode("utf-8", "replace").rstrip("\r\n")
                verb = line.split(" ")[0].split(":")[0].upper()
                self.sink.commands.append(line)
                handlers = {"EHLO": self.ehlo, "STARTTLS": self.starttls, "DATA": self.data, "QUIT": self.quit}
                handlers.get(verb, self.other)(verb, line)
        with contextlib.suppress(OSError):
            self.c.shutdown(socket.SHUT_RDWR)
        self.c.close()

    def say(self, text):
        if text is None:
            raise EOFError
        for piece in text if isinstance(text, list) else [text]:
            self.c.sendall(piece if isinstance(piece, bytes) else piece.encode() + b"\r\n")

    @staticmethod
    def is_class(wanted, r):
        return bool(r) and r[:1] in (wanted, wanted.encode())

    def line(self):
        raw = self.f.readline()
        if not raw:
            raise EOFError
        return raw

    def ehlo(self, verb, line):
        offers = ("sink.test",) + tuple(o for o in self.sink.offers if o != "STARTTLS" or not self.encrypted)
        lines = ["250%s%s" % (" " if i == len(offers) - 1 else "-", o) for i, o in enumerate(offers)]
        self.say(self.sink.reply(verb, line, "\r\n".join(lines)))

    def starttls(self, verb, line):
        r = self.sink.reply(verb, line, "220 go on")
        self.say(r)
        if not self.is_class("2", r):
            return
        garbage = self.sink.replies.get("TLS")
        if garbage is not None:
            self.say(garbage)
            while self.c.recv(4096):
                pass
        if not self.sink.tls:
            raise EOFError
        self.c = self.sink.tls.wrap_socket(self.c, server_side=True)
        self.f = self.c.makefile("rb")
        self.encrypted, self.envelope = True, []

    def data(self, verb, line):
        r = self.sink.reply(verb, line, "354 go on" if len(self.envelope) > 1 else "503 5.5.1 for whom?")
        self.say(r)
        if self.is_class("3", r):
            body = []
            while (raw := self.line()) != b".\r\n":
                if "BODY" in self.sink.replies:
                    raise EOFError
                body.append(raw[1:] if raw.startswith(b".") else raw)
            self.end(b"".join(body))

    def end(self, body):
        r = self.sink.reply("END", "", "250 2.0.0 taken")
        if self.is_class("2", r):
            self.sink.encrypted.append(self.encrypted)
            self.sink.mails.append((self.envelope, body))
        self.envelope = []
        self.say(r)

    def quit(self, verb, line):
        self.say(self.sink.reply(verb, line, "221 bye"))
        raise EOFError

    def other(self, verb, line):
        r = self.sink.reply(verb, line, "250 2.1.0 ok")
        if verb == "MAIL":
            self.envelope = []
        if verb in ("MAIL", "RCPT") and self.is_class("2", r):
            self.envelope.append(line)
        self.say(r)


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
mynetworks = 127.0.0.77
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
smtpd_tls_security_level = may
smtpd_tls_chain_files = %(chain)s
smtpd_tls_received_header = yes
relayhost = %(relay)s
smtp_tls_security_level = encrypt
"""
MASTER = """%(address)s:%(port)d inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
smtp unix - - n - - smtp
relay unix - - n - - smtp
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
    """Takes mail for joe@post.test; what comes from 127.0.0.77 for others goes to the relay, over TLS."""

    def __init__(self, port, certificate=None, relay=""):
        self.folder = tempfile.mkdtemp(prefix="barid-postfix-")
        os.chmod(self.folder, 0o755)
        nobody = pwd.getpwnam("nobody")
        for name in ("queue", "data", "mail"):
            os.mkdir(os.path.join(self.folder, name), 0o755)
        os.chown(os.path.join(self.folder, "data"), pwd.getpwnam("postfix").pw_uid, -1)
        os.chown(os.path.join(self.folder, "mail"), nobody.pw_uid, nobody.pw_gid)
        certificate = certificate or Certificate(self.folder, "mx.post.test")
        values = dict(folder=self.folder, address=POST, port=port, uid=nobody.pw_uid, gid=nobody.pw_gid,
                      chain="%s, %s" % (certificate.key, certificate.chain), relay=relay)
        for name, text in (("main.cf", POSTFIX), ("master.cf", MASTER), ("mailboxes", "joe@post.test joe/\n")):
            with open(os.path.join(self.folder, name), "w") as f:
                f.write(text % values)
        subprocess.run(["postfix", "-c", self.folder, "check"], check=True, capture_output=True)
        where = subprocess.run(["postconf", "-c", self.folder, "-h", "daemon_directory"], check=True,
                               capture_output=True, text=True).stdout.strip()
        self.process = subprocess.Popen([os.path.join(where, "master"), "-s", "-c", self.folder],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + PATIENCE
        while True:  # who comes too early is told to come again in minutes
            with contextlib.suppress(OSError), smtplib.SMTP(POST, port, timeout=PATIENCE):
                return
            assert time.monotonic() < until and self.process.poll() is None, "postfix does not answer"
            time.sleep(0.02)

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

    def __init__(self, names, more="", port=None):
        self.names = names
        self.port = port or free_port(address=A)
        self.a = self.server("a", A, "ann", "art", more=more)

    def server(self, name, address, *accounts, more="", also=()):
        """For NAME.test, on addresses of its own."""
        listen = ", ".join('"%s:%d"' % (a, self.port) for a in (address, *also))
        s = Server(hostname="mx.%s.test" % name, smtp=listen, more=(more or MORE) % (self.names.port, self.port))
        return s.setup(*accounts, domain="%s.test" % name).start()

    def login(self):
        """A connection as ann."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        smtp = smtplib.SMTP("127.0.0.1", self.a.ports["submission"], timeout=PATIENCE)
        smtp.starttls(context=context)
        smtp.login("ann@a.test", "secret")
        return smtp

    def send(self, *recipients, subject="hello", sender="ann@a.test", body="one\r\n.two\r\n", options=(), by=None):
        """One message, over a connection of its own or `by` one that is there."""
        with by and contextlib.nullcontext(by) or self.login() as smtp:
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
