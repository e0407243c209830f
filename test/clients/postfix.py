"""Postfix on loopback, with folders and ports of its own: it relays by SMTP, delivers by LMTP, bounces."""
import os
import pwd
import re
import smtplib
import subprocess
import sys

from common import PATIENCE, SENDER, Failed, check_among, main, make_mail, run, wait_for
from ports import free_port

WAYS = ["may", "encrypt", "secure", "unix", "inet"]
MAILS = 40  # by each way
ACCOUNTS = [way + str(i) for way in WAYS for i in range(3)] + ["sender"]

MAIN = """compatibility_level = 3.6
queue_directory = %(folder)s/queue
data_directory = %(folder)s/data
mail_owner = postfix
setgid_group = postdrop
maillog_file = %(folder)s/log
maillog_file_prefixes = %(folder)s
myhostname = relay.away.test
mydestination =
mynetworks = 127.0.0.0/8
relay_domains = example.test
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
alias_database =
local_recipient_maps =
transport_maps = texthash:%(folder)s/transport
smtpd_relay_restrictions = permit_mynetworks, reject
smtp_tls_CAfile = %(ca)s
smtp_tls_loglevel = 1
smtp_tls_secure_cert_match = mx.example.test
smtp_tls_session_cache_database = btree:${data_directory}/scache
smtp_line_length_limit = 0
lmtp_line_length_limit = 0
line_length_limit = 20480
"""

MASTER = """127.0.0.1:%(port)d inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
may unix - - n - - smtp -o smtp_tls_security_level=may
encrypt unix - - n - - smtp -o smtp_tls_security_level=encrypt
secure unix - - n - - smtp -o smtp_tls_security_level=secure
"""


class Postfix:
    def __init__(self, w):
        self.folder = os.path.join(w.folder, "postfix")
        self.w = w
        user = pwd.getpwnam("postfix").pw_uid
        for name in ("", "queue", "data"):
            os.mkdir(os.path.join(self.folder, name), 0o755)
        os.chown(os.path.join(self.folder, "data"), user, -1)
        self.port = free_port()
        hops = {"unix": "lmtp:unix:" + w.lmtp, "inet": "lmtp:inet:127.0.0.1:%d" % w.ports["lmtp"]}
        routes = {"%s%d" % (way, i): hops.get(way, "%s:[127.0.0.1]:%d" % (way, w.ports["smtp"]))
                  for way in WAYS for i in range(3)}
        routes.update(sender=routes["may0"], nobody=routes["encrypt0"], nobodyunix=routes["unix0"])
        self.write("main.cf", MAIN % dict(folder=self.folder, ca=w.ca))
        self.write("master.cf", MASTER % dict(port=self.port))
        self.write("transport", "".join("%s@example.test %s\n" % row for row in routes.items()))

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as f:
            f.write(text)

    def log(self):
        with open(os.path.join(self.folder, "log"), encoding="utf-8", errors="replace") as f:
            return f.read()

    def start(self):
        """`postfix start` would leave the master behind if we are killed; the guard sees our end."""
        run("postfix", "-c", self.folder, "check")
        master = os.path.join(run("postconf", "-c", self.folder, "-h", "daemon_directory").decode().strip(), "master")
        self.process = subprocess.Popen([master, "-s", "-c", self.folder], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.guard = subprocess.Popen(["sh", "-c", "cat; kill %d" % self.process.pid], stdin=subprocess.PIPE,
                                      start_new_session=True)
        wait_for(self.answers, "Postfix")

    def answers(self):
        if self.process.poll() is not None:
            raise Failed("Postfix ended: exit %d" % self.process.returncode)
        try:
            with smtplib.SMTP("127.0.0.1", self.port, timeout=PATIENCE) as c:
                return c.noop()[0] == 250
        except OSError:
            return False

    def stop(self):
        self.guard.stdin.close()
        self.guard.wait(PATIENCE)
        self.process.wait(PATIENCE)

    def send(self, mails, sender=SENDER):
        """Pairs of names and a mail."""
        with smtplib.SMTP("127.0.0.1", self.port, "client.away.test", timeout=PATIENCE) as c:
            for names, mail in mails:
                c.sendmail(sender, [name + "@example.test" for name in names], mail, ["BODY=8BITMIME"])

    def deliver(self, mails, **more):
        """Sends, and waits until each recipient has an end."""
        before = len(re.findall(r" status=\w+ ", self.log()))
        self.send(mails, **more)
        wanted = before + sum(len(names) for names, _ in mails)
        wait_for(lambda: len(re.findall(r" status=\w+ ", self.log())) >= wanted, "%d deliveries" % wanted)


def relay(w, way):
    """Each mail goes to two of three accounts; the first has an attachment."""
    mails = [(["%s%d" % (way, (i + j) % 3) for j in range(2)],
              make_mail("%s %d" % (way, i), attachment=0 if i else 300000)) for i in range(MAILS)]
    w.postfix.deliver(mails)
    for n in range(3):
        name = "%s%d" % (way, n)
        mine = [mail for names, mail in mails if name in names]
        found = w.mails(name)
        assert len(found) == len(mine), "%d mails for %s, %d expected" % (len(found), name, len(mine))
        for mail in mine:
            check_among(mail, found)
    log = w.postfix.log()
    assert "status=deferred" not in log, re.findall(r".*status=deferred.*", log)[0]


def SMTP_with_TLS_may(w):
    relay(w, "may")
    assert "TLS connection established to 127.0.0.1" in w.postfix.log()


def SMTP_with_TLS_encrypt(w):
    relay(w, "encrypt")


def SMTP_with_TLS_secure(w):
    relay(w, "secure")
    assert re.search(r"Verified TLS connection established to 127\.0\.0\.1\S* TLSv1\.3", w.postfix.log())


def LMTP_by_unix_socket(w):
    relay(w, "unix")


def LMTP_by_loopback(w):
    relay(w, "inet")


def unknown_users_bounce_at_postfix(w):
    """The others get it, the sender a report for each, with our reply in it."""
    mail = make_mail("bounce")
    before = [w.count(name) for name in ("encrypt1", "unix1")]
    w.postfix.deliver([(["encrypt1", "nobody"], mail), (["unix1", "nobodyunix"], mail)], sender="sender@example.test")
    assert [w.count(name) for name in ("encrypt1", "unix1")] == [n + 1 for n in before]
    wait_for(lambda: w.count("sender") == 2, "two bounces")
    for report in w.mails("sender"):
        assert report.startswith(b"Return-Path: <>\r\n"), report[:200]
        assert b"\nStatus: 5.1.1\r\n" in report and b"550 5.1.1 " in report, report


def the_queue_is_empty(w):
    wait_for(lambda: b"Mail queue is empty" in run("postqueue", "-c", w.postfix.folder, "-p"), "an empty queue")
    log = w.postfix.log()
    odd = re.findall(r".*/(?:smtp|lmtp|qmgr|bounce|tlsmgr)\[.*(?:warning|panic|fatal|lost connection|deferred).*", log)
    assert not odd, odd[:5]
    assert len(re.findall(r" status=sent ", log)) == len(WAYS) * MAILS * 2 + 4


def cases():
    def with_postfix(case):
        def call(w):
            if os.geteuid() != 0:
                return "needs root"
            if not hasattr(w, "postfix"):
                w.postfix = Postfix(w)
                w.postfix.start()
            return case(w)
        call.__name__ = case.__name__
        return call

    def postfix_ends(w):
        if hasattr(w, "postfix"):
            w.postfix.stop()

    return [with_postfix(c) for c in (
        SMTP_with_TLS_may, SMTP_with_TLS_encrypt, SMTP_with_TLS_secure, LMTP_by_unix_socket, LMTP_by_loopback,
        unknown_users_bounce_at_postfix, the_queue_is_empty)] + [postfix_ends]


os.environ["PATH"] += ":/usr/sbin"
sys.exit(main(ACCOUNTS, cases(), "postfix"))
