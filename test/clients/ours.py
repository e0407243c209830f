"""Our own smtp, pop3 and imap clients against servers of Debian: Postfix, smtp-sink, Dovecot; in the clear and with TLS,
names and dates of certificates checked."""
import os
import pwd
import re
import shutil
import socket
import subprocess
import sys

from common import PASSWORD, PATIENCE, SENDER, Failed, check_among, main, make_mail, openssl, wait_for
from ports import free_ports
from server import BARID

TALK = os.environ.get("CLIENT_TALK", os.path.join(os.path.dirname(BARID), "test/clients/client-talk"))
POSTFIX = """compatibility_level = 3.6
queue_directory = %(folder)s/queue
data_directory = %(folder)s/data
mail_owner = postfix
setgid_group = postdrop
maillog_file = %(folder)s/log
maillog_file_prefixes = %(folder)s
myhostname = mx.example.test
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
virtual_mailbox_domains = b.test
virtual_mailbox_base = %(folder)s/mail
virtual_mailbox_maps = texthash:%(folder)s/mailboxes
virtual_minimum_uid = 1
virtual_uid_maps = static:%(uid)d
virtual_gid_maps = static:%(gid)d
smtpd_relay_restrictions = reject_unauth_destination
smtpd_tls_security_level = may
smtpd_tls_chain_files = %(world)s/server.key, %(world)s/server.pem
"""
MASTER = """127.0.0.1:%(port)d inet n - n - - smtpd
127.0.0.1:%(tls)d inet n - n - - smtpd -o smtpd_tls_wrappermode=yes
127.0.0.1:%(expired)d inet n - n - - smtpd -o smtpd_tls_chain_files=%(world)s/expired.key,%(world)s/expired.pem
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""
DOVECOT = """protocols = imap pop3 lmtp
base_dir = %(folder)s/run
state_dir = %(folder)s/run
log_path = %(folder)s/log
ssl = yes
ssl_cert = <%(world)s/server.pem
ssl_key = <%(world)s/server.key
local_name expired.example.test {
  ssl_cert = <%(world)s/expired.pem
  ssl_key = <%(world)s/expired.key
}
disable_plaintext_auth = no
auth_mechanisms = plain login scram-sha-256
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = nobody
mail_location = maildir:%(folder)s/mail/%%n
mail_uid = nobody
mail_gid = nogroup
first_valid_uid = 1
first_valid_gid = 1
namespace {
  inbox = yes
  separator = /
}
passdb {
  driver = static
  args = password={PLAIN}%(password)s
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=%(folder)s/mail/%%n allow_all_users=yes
}
service imap-login {
  chroot =
  inet_listener imap {
    address = 127.0.0.1
    port = %(imap)d
  }
  inet_listener imaps {
    address = 127.0.0.1
    port = %(imaps)d
  }
}
service pop3-login {
  chroot =
  inet_listener pop3 {
    address = 127.0.0.1
    port = %(pop3)d
  }
  inet_listener pop3s {
    address = 127.0.0.1
    port = %(pop3s)d
  }
}
service lmtp {
  unix_listener %(folder)s/lmtp {
    mode = 0666
  }
}
service anvil {
  chroot =
}
service stats {
  unix_listener stats-writer {
    mode = 0666
  }
}
"""


def answers(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def make_expired(w):
    """A certificate of our authority that ended in 2020."""
    pem = os.path.join(w.folder, "expired")
    if os.path.exists(pem + ".pem"):
        return
    open(os.path.join(w.folder, "index"), "w").close()
    with open(os.path.join(w.folder, "ca.conf"), "w", encoding="utf-8") as f:
        f.write("[ca]\ndefault_ca = d\n[d]\ndatabase = %s/index\nnew_certs_dir = %s\nrand_serial = yes\ndefault_md = sha256\n"
                "policy = p\nx509_extensions = e\n[p]\ncommonName = supplied\n[e]\nsubjectAltName = DNS:expired.example.test,"
                "DNS:mx.example.test\n" % (w.folder, w.folder))
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", pem + ".key", "-out",
            pem + ".csr", "-subj", "/CN=expired.example.test")
    openssl("ca", "-batch", "-config", os.path.join(w.folder, "ca.conf"), "-cert", w.ca, "-keyfile",
            os.path.join(w.folder, "ca.key"), "-in", pem + ".csr", "-out", pem + ".pem", "-notext", "-startdate",
            "20190101000000Z", "-enddate", "20200101000000Z")


def talk(protocol, address, *words, stdin=b"", fine=True):
    """What our client says; whether all went well must be as expected."""
    if isinstance(address, int):
        address = "127.0.0.1:%d" % address
    done = subprocess.run([TALK, protocol, address, *words], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=PATIENCE)
    text = done.stdout.decode("utf-8", "replace")
    if (done.returncode == 0) != fine:
        raise Failed("%s: exit %d: %s" % (" ".join((protocol, *words)), done.returncode, text[-1500:]))
    return text


def verified(w, name="mx.example.test"):
    return ["--ca", w.ca, "--name", name]


def guard(process):
    """Ends it when its input is closed, which our own end does too."""
    return subprocess.Popen(["sh", "-c", "cat; kill %d" % process.pid], stdin=subprocess.PIPE, start_new_session=True)


class Peer:
    """A server of Debian: process and guard are set by who starts it."""

    def stop(self):
        self.guard.stdin.close()
        self.guard.wait(PATIENCE)
        self.process.wait(PATIENCE)


# ---- Postfix ----

class Postfix(Peer):
    def __init__(self, w):
        self.folder = os.path.join(w.folder, "receiver")
        self.port, self.tls, self.expired = free_ports(3)
        nobody = pwd.getpwnam("nobody")
        for name in ("", "queue", "data", "mail"):
            os.mkdir(os.path.join(self.folder, name), 0o755)
        os.chown(os.path.join(self.folder, "data"), pwd.getpwnam("postfix").pw_uid, -1)
        os.chown(os.path.join(self.folder, "mail"), nobody.pw_uid, nobody.pw_gid)
        values = dict(folder=self.folder, world=w.folder, uid=nobody.pw_uid, gid=nobody.pw_gid, port=self.port,
                      tls=self.tls, expired=self.expired)
        self.write("main.cf", POSTFIX % values)
        self.write("master.cf", MASTER % values)
        self.write("mailboxes", "".join("%s@b.test %s/\n" % (n, n) for n in ("a", "c", "d")))
        subprocess.run(["postfix", "-c", self.folder, "check"], check=True, capture_output=True)
        where = subprocess.run(["postconf", "-c", self.folder, "-h", "daemon_directory"], check=True,
                               capture_output=True).stdout.decode().strip()
        self.process = subprocess.Popen([os.path.join(where, "master"), "-s", "-c", self.folder], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.guard = guard(self.process)
        wait_for(lambda: all(answers(p) for p in (self.port, self.tls, self.expired)), "Postfix")

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as f:
            f.write(text)

    def mails(self, name):
        found = []
        folder = os.path.join(self.folder, "mail", name, "new")
        for file in os.listdir(folder) if os.path.isdir(folder) else []:
            with open(os.path.join(folder, file), "rb") as f:
                found.append(f.read())
        return found


def send(w, mail, *options, name="a", port=None):
    """Twice over one connection, to one who exists and one who does not."""
    before = len(w.receiver.mails(name))
    text = talk("smtp", port or w.receiver.port, *options, SENDER, name + "@b.test", "nobody@b.test", stdin=mail)
    assert text.count("to %s@b.test: ok end of message: 250 2.0.0" % name) == 2, text
    assert text.count("to nobody@b.test: permanent RCPT TO: 550 5.1.1") == 2, text
    wait_for(lambda: len(w.receiver.mails(name)) == before + 2, "two mails")
    return text


def check_two(found, mail):
    for one in found:
        check_among(mail, [one], b"\n")


def Postfix_in_the_clear_by_BDAT(w):
    mail = make_mail("postfix bdat", attachment=300000)
    send(w, mail)
    check_two(w.receiver.mails("a"), mail)


def Postfix_with_STARTTLS_by_DATA(w):
    mail = make_mail("postfix data", attachment=300000)
    text = send(w, mail, "--starttls", "--no-chunking", *verified(w), name="c")
    assert re.search(r"^tls: TLSv1\.3 \S+ verified$", text, re.M), text
    check_two(w.receiver.mails("c"), mail)


def Postfix_with_TLS_at_once_without_a_name(w):
    mail = make_mail("postfix tls")
    text = send(w, mail, "--tls", name="d", port=w.receiver.tls)
    assert re.search(r"^tls: TLSv1\.3 \S+ unverified$", text, re.M), text


def Postfix_under_a_wrong_name(w):
    text = talk("smtp", w.receiver.port, "--starttls", *verified(w, "mx.other.test"), SENDER, "a@b.test", stdin=b"x",
                fine=False)
    assert "starttls: untrusted TLS handshake: 0 4.7.5 the certificate is refused: hostname mismatch" in text, text
    assert "send" not in text
    text = talk("smtp", w.receiver.tls, "--tls", *verified(w, "mx.other.test"), fine=False)
    assert "connect: untrusted the certificate is refused: hostname mismatch" in text, text


def Postfix_with_an_expired_certificate(w):
    text = talk("smtp", w.receiver.expired, "--starttls", *verified(w), fine=False)
    assert "certificate has expired" in text, text
    talk("smtp", w.receiver.expired, "--starttls")


# ---- smtp-sink ----

def sink(*options):
    port = free_ports(1)[0]
    process = subprocess.Popen(["smtp-sink", "-u", "nobody", *options, "127.0.0.1:%d" % port, "10"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: answers(port), "smtp-sink")
        protocol = "lmtp" if "-L" in options else "smtp"
        words = (SENDER, "a@b.test", "c@b.test")
        done = subprocess.run([TALK, protocol, "127.0.0.1:%d" % port, *words], input=make_mail("sink"),
                              stdout=subprocess.PIPE, timeout=PATIENCE)
        return done.stdout.decode()
    finally:
        process.terminate()
        process.wait(PATIENCE)


def smtp_sink_of_every_kind(w):
    """HELO only, no pipelining, LMTP; each recipient is taken twice."""
    for options in ((), ("-e",), ("-p",), ("-L",), ("-L", "-p")):
        text = sink(*options)
        assert text.count(": ok end of message: 250") == 4 and "quit: ok" in text, (options, text)


def smtp_sink_that_refuses_or_goes(w):
    """What goes wrong, where, and what it means."""
    cases = [("-r", "mail", "temporary MAIL FROM: 450"), ("-f", "rcpt", "permanent RCPT TO: 500"),
             ("-r", "data", "temporary DATA: 450"), ("-f", ".", "permanent end of message: 500"),
             ("-q", "mail", "lost MAIL FROM: 0"), ("-q", "data", "lost DATA: 0"),
             ("-q", ".", "unknown end of message: 0")]
    for option, command, wanted in cases:
        for more in ((), ("-p",)):
            text = sink(option, command, *more)
            assert "to a@b.test: " + wanted in text, (option, command, more, text)


# ---- Dovecot ----

class Dovecot(Peer):
    def __init__(self, w):
        self.folder = os.path.join(w.folder, "dovecot")
        self.lmtp = self.folder + "/lmtp"
        self.ports = dict(zip(("imap", "imaps", "pop3", "pop3s"), free_ports(4)))
        nobody = pwd.getpwnam("nobody")
        for name in ("", "mail"):
            os.mkdir(os.path.join(self.folder, name), 0o755)
        os.chown(os.path.join(self.folder, "mail"), nobody.pw_uid, nobody.pw_gid)
        conf = os.path.join(self.folder, "conf")
        with open(conf, "w", encoding="utf-8") as f:
            f.write(DOVECOT % dict(self.ports, folder=self.folder, world=w.folder, password=PASSWORD))
        self.process = subprocess.Popen(["dovecot", "-F", "-c", conf], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.guard = guard(self.process)
        wait_for(lambda: all(answers(p) for p in self.ports.values()) and os.path.exists(self.lmtp), "Dovecot")


def as_user(name, only):
    return ["--user", name, "--password", PASSWORD, "--only", only]


def Dovecot_LMTP(w):
    mail = make_mail("dovecot", attachment=100000)
    text = talk("lmtp", "unix:" + w.dovecot.lmtp, SENDER, *(n + "@b.test" for n in ("pop", "pops", "popscram")), stdin=mail)
    assert text.count(": ok end of message: 250 2.0.0") == 6, text


def pop(w, name, port, *options):
    home = os.path.join(w.folder, name)
    os.mkdir(home)
    text = talk("pop3", w.dovecot.ports[port], *options, home)
    found = []
    for file in sorted(os.listdir(home)):
        with open(os.path.join(home, file), "rb") as f:
            found.append(f.read())
    assert len(found) == 2, text
    for one in found:
        check_among(make_mail("dovecot", attachment=100000), [one])
    os.mkdir(home + "2")
    talk("pop3", w.dovecot.ports[port], *options, home + "2")
    assert not os.listdir(home + "2")
    return text


def Dovecot_POP3_with_USER(w):
    pop(w, "pop", "pop3", *as_user("pop", "USER"))


def Dovecot_POP3S_with_PLAIN(w):
    pop(w, "pops", "pop3s", "--tls", *verified(w), *as_user("pops", "PLAIN"))


def Dovecot_POP3_with_STLS_and_SCRAM(w):
    text = pop(w, "popscram", "pop3", "--starttls", *verified(w), *as_user("popscram", "SCRAM-SHA-256"))
    assert " verified" in text


def imap(w, name, port, *options):
    mail = make_mail(name, attachment=200000)
    path = os.path.join(w.folder, name)
    text = talk("imap", port, *options, "Sent &- more", path, stdin=mail)
    with open(path, "rb") as f:
        assert f.read() == mail
    assert re.search(r"^message: uid 1 flags .*\\Seen.* day 22 bytes %d$" % len(mail), text, re.M), text
    assert "$Forwarded" in text and "listed: Sent &- more" in text, text
    return text


def Dovecot_IMAP_with_LOGIN(w):
    text = imap(w, "imaplogin", w.dovecot.ports["imap"], *as_user("imaplogin", "PASSWORD"))
    assert "appended: uid 1" in text


def Dovecot_IMAPS_with_PLAIN(w):
    imap(w, "imapplain", w.dovecot.ports["imaps"], "--tls", *verified(w), *as_user("imapplain", "PLAIN"))


def Dovecot_IMAP_with_STARTTLS_and_SCRAM(w):
    text = imap(w, "imapscram", w.dovecot.ports["imap"], "--starttls", *verified(w),
                *as_user("imapscram", "SCRAM-SHA-256"))
    assert " verified" in text


def Dovecot_with_a_wrong_password(w):
    for protocol, only in (("imap", "PASSWORD"), ("imap", "SCRAM-SHA-256"), ("pop3", "PLAIN"), ("pop3", "USER")):
        text = talk(protocol, w.dovecot.ports[protocol], "--user", "x", "--password", "wrong", "--only", only, fine=False)
        assert "login: permanent" in text, text


def Dovecot_under_wrong_names_and_expired(w):
    for protocol, port in (("imap", "imap"), ("pop3", "pop3")):
        for name, words in (("mx.other.test", "hostname mismatch"), ("expired.example.test", "certificate has expired")):
            text = talk(protocol, w.dovecot.ports[port], "--starttls", *verified(w, name), *as_user("x", "PLAIN"), fine=False)
            assert words in text and "login" not in text, text
            text = talk(protocol, w.dovecot.ports[port + "s"], "--tls", *verified(w, name), fine=False)
            assert words in text and "connect: untrusted" in text, text


# ---- barid ----

def barid_with_TLS(w):
    """The same clients and our own server."""
    mail = make_mail("barid")
    text = talk("smtp", w.ports["smtp"], "--starttls", *verified(w), SENDER, "ann@example.test", "nobody@example.test",
                stdin=mail)
    assert text.count("ann@example.test: ok end of message: 250") == 2, text
    talk("lmtp", "unix:" + w.lmtp, SENDER, "ann@example.test", stdin=mail)
    home = os.path.join(w.folder, "barid-pop3")
    os.mkdir(home)
    talk("pop3", w.ports["pop3"], "--starttls", *verified(w), *as_user("ann@example.test", "SCRAM-SHA-256-PLUS"), home)
    assert len(os.listdir(home)) == 4 and w.count("ann") == 0
    text = imap(w, "barid-imap", w.ports["imap"], "--starttls", *verified(w),
                *as_user("ann@example.test", "SCRAM-SHA-256-PLUS"))
    assert "appended: uid 1" in text and " verified" in text


def needs(program, start):
    def mark(case):
        def call(w):
            if os.geteuid() != 0:
                return "needs root"
            if not shutil.which(program):
                return program + " is not installed"
            make_expired(w)
            start(w)
            return case(w)
        call.__name__ = case.__name__
        return call
    return mark


def with_postfix(w):
    if not hasattr(w, "receiver"):
        w.receiver = Postfix(w)


def with_dovecot(w):
    if not hasattr(w, "dovecot"):
        w.dovecot = Dovecot(w)


def they_end(w):
    for server in ("receiver", "dovecot"):
        if hasattr(w, server):
            getattr(w, server).stop()


os.environ["PATH"] += ":/usr/sbin"
sys.exit(main(["ann"], [needs("postfix", with_postfix)(c) for c in (
    Postfix_in_the_clear_by_BDAT, Postfix_with_STARTTLS_by_DATA, Postfix_with_TLS_at_once_without_a_name,
    Postfix_under_a_wrong_name, Postfix_with_an_expired_certificate)] + [needs("smtp-sink", lambda w: None)(c) for c in (
        smtp_sink_of_every_kind, smtp_sink_that_refuses_or_goes)] + [needs("dovecot", with_dovecot)(c) for c in (
            Dovecot_LMTP, Dovecot_POP3_with_USER, Dovecot_POP3S_with_PLAIN, Dovecot_POP3_with_STLS_and_SCRAM,
            Dovecot_IMAP_with_LOGIN, Dovecot_IMAPS_with_PLAIN, Dovecot_IMAP_with_STARTTLS_and_SCRAM,
            Dovecot_with_a_wrong_password, Dovecot_under_wrong_names_and_expired)] + [barid_with_TLS, they_end]))
