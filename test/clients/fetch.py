"""getmail, fetchmail, mpop: mail is fetched once, kept or deleted."""
import os
import sys

from common import PASSWORD, check_among, deliver, main, make_mail, needs, run

ACCOUNTS = ["getmail", "getmail2", "fetchmail", "fetchmail2", "mpop", "mpop2", "scram"]


def batch(name, *attachments):
    return [make_mail("%s %d" % (name, size), attachment=size) for size in attachments]


def stored(*folders):
    """What a program put into its folders."""
    found = []
    for folder in folders:
        for name in os.listdir(folder):
            with open(os.path.join(folder, name), "rb") as f:
                found.append(f.read())
    return found


def maildir(home):
    path = os.path.join(home, "Maildir")
    for name in ("", "new", "cur", "tmp"):
        os.mkdir(os.path.join(path, name), 0o700)
        os.chown(os.path.join(path, name), os.stat(home).st_uid, os.stat(home).st_gid)
    return path


def keep_and_delete(w, name, fetch, folder):
    """fetch(delete): twice with keep, the second time with new mail, then once more with delete."""
    first = batch(name, 0, 300000)
    deliver(w, name, first)
    fetch(False)
    check_all(first, stored(folder))
    fetch(False)
    check_all(first, stored(folder))
    late = batch(name + " late", 1, 1000)
    deliver(w, name, late)
    fetch(False)
    check_all(first + late, stored(folder))
    assert w.count(name) == 4
    last = batch(name + " last", 2)
    deliver(w, name, last)
    fetch(True)
    check_all(first + late + last, stored(folder))
    return w.count(name)


def check_all(mails, found):
    assert len(found) == len(mails), "%d mails were fetched, %d expected" % (len(found), len(mails))
    for mail in mails:
        check_among(mail, found, b"\n")


@needs("getmail")
def getmail_POP3S(w):
    home = w.home("getmail")
    folder = maildir(home)

    def fetch(delete):
        w.file("getmail/rc", """[retriever]
type = SimplePOP3SSLRetriever
server = 127.0.0.1
port = %d
username = getmail@example.test
password = %s
ca_certs = %s
[destination]
type = Maildir
path = %s/
[options]
read_all = false
delete = %s
""" % (w.ports["pop3s"], PASSWORD, w.ca, folder, delete), 0o600)
        run("getmail", "--getmaildir", home, "--rcfile", os.path.join(home, "rc"), humble=True, cwd=home)

    left = keep_and_delete(w, "getmail", fetch, os.path.join(folder, "new"))
    assert left == 0, left


def fetchmail(w, name, options, secure):
    home = w.home(name)
    os.mkdir(os.path.join(home, "mail"))
    os.chown(os.path.join(home, "mail"), os.stat(home).st_uid, os.stat(home).st_gid)
    w.file(name + "/mda", "#!/bin/sh\nexec cat >\"$(mktemp %s/mail/XXXXXXXX)\"\n" % home, 0o700)

    def fetch(delete):
        port = w.ports["pop3s" if secure else "pop3"]
        w.file(name + "/rc", 'poll localhost service %d protocol pop3 uidl\n user "%s@example.test" password "%s" '
               '%s sslcertck sslcertfile "%s" %s no rewrite mda "%s/mda"\n' % (
                   port, name, PASSWORD, "ssl" if secure else 'sslproto "TLS1.2+"', w.ca,
                   "no keep" if delete else "keep", home), 0o600)
        # 1: there was no new mail
        run("fetchmail", "-v", "-f", os.path.join(home, "rc"), "--idfile", os.path.join(home, "ids"), *options,
            codes=(0, 1), humble=True, cwd=home, env={"HOME": home, "FETCHMAILHOME": home})
    return fetch, os.path.join(home, "mail")


@needs("fetchmail")
def fetchmail_POP3S(w):
    """Deletes what it fetches; what it kept before stays."""
    left = keep_and_delete(w, "fetchmail", *fetchmail(w, "fetchmail", (), True))
    assert left == 4, left


@needs("fetchmail")
def fetchmail_STLS(w):
    left = keep_and_delete(w, "fetchmail2", *fetchmail(w, "fetchmail2", (), False))
    assert left == 4, left


def mpop(w, name, secure, method):
    home = w.home(name)
    folder = maildir(home)

    def fetch(delete):
        w.file(name + "/rc", """account default
host 127.0.0.1
port %d
tls on
tls_starttls %s
tls_trust_file %s
user %s@example.test
password %s
auth %s
delivery maildir %s
uidls_file %s/uidls
keep %s
""" % (w.ports["pop3s" if secure else "pop3"], "off" if secure else "on", w.ca, name, PASSWORD, method, folder, home,
            "off" if delete else "on"), 0o600)
        run("mpop", "-C", os.path.join(home, "rc"), humble=True, cwd=home, env={"HOME": home})
    return fetch, os.path.join(folder, "new")


@needs("mpop")
def mpop_POP3S(w):
    left = keep_and_delete(w, "mpop", *mpop(w, "mpop", True, "plain"))
    assert left == 0, left


@needs("mpop")
def mpop_STLS_and_USER(w):
    left = keep_and_delete(w, "mpop2", *mpop(w, "mpop2", False, "user"))
    assert left == 0, left


@needs("mpop")
def mpop_SCRAM_SHA_256(w):
    fetch, folder = mpop(w, "scram", True, "scram-sha-256")
    mails = batch("scram", 0, 5000)
    deliver(w, "scram", mails)
    fetch(True)
    check_all(mails, stored(folder))
    assert w.count("scram") == 0


sys.exit(main(ACCOUNTS, [
    getmail_POP3S, fetchmail_POP3S, fetchmail_STLS, mpop_POP3S, mpop_STLS_and_USER, mpop_SCRAM_SHA_256,
]))
