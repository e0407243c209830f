"""Programs that send with a sendmail: mail(1), mutt, swaks, and what cron and PHP say, all with `barid sendmail`."""
import email
import email.policy
import os
import pwd
import subprocess
import sys

from common import PATIENCE, Failed, main, needs
from server import BARID

ROOT = os.geteuid() == 0


def prepare(w):
    """A sendmail with this server's config, and ann as the account of the user daemon."""
    path = os.path.join(w.folder, "sendmail.sh")
    if not os.path.exists(path):
        w.file("sendmail.sh", '#!/bin/sh\nexec "%s" sendmail -C "%s" "$@"\n' % (os.path.abspath(BARID), w.conf), mode=0o755)
        with open(w.conf, "a") as f:
            f.write('sendmail = { users = ["daemon ann@example.test"] }\n')
        w.cli("reload")
    return path


def call(w, *command, stdin=b"", env=None, code=0, user="daemon"):
    more = {}
    if ROOT and user:
        p = pwd.getpwnam(user)
        more = dict(user=p.pw_uid, group=p.pw_gid, extra_groups=[])
    home = os.path.join(w.folder, "home-" + user)
    if not os.path.isdir(home):
        os.mkdir(home)
        os.chmod(home, 0o777)
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=PATIENCE, cwd="/", **more,
                          env=dict(os.environ, LC_ALL="C.UTF-8", HOME=home, **(env or {})))
    if done.returncode != code:
        raise Failed("%s: exit %d: %r" % (command, done.returncode, done.stderr[-1000:]))
    return done


def arrived(w, name, sender="ann@example.test"):
    text, = w.mails(name)
    assert not ROOT or text.startswith(b"Return-Path: <%s>\r\nReceived: by mx.example.test (from uid " % sender.encode()), text
    mail = email.message_from_bytes(text, policy=email.policy.default)
    assert mail["Date"] and mail["Message-ID"] and mail["From"], text
    assert not ROOT or mail["From"].addresses[0].addr_spec == sender, text
    return mail


def body(mail):
    return mail.get_body().get_content().replace("\r\n", "\n")


@needs("bsd-mailx")
def mail_1(w):
    rc = w.file("mailrc", "set sendmail=%s\n" % prepare(w))
    call(w, "bsd-mailx", "-s", "Gr\u00fc\u00dfe", "-c", "copy@example.test", "mail@example.test", stdin="l\u00e4ne\n.\nend\n".encode(),
         env={"MAILRC": rc})
    for name in ("mail", "copy"):
        mail = arrived(w, name)
        assert mail["To"] == "mail@example.test" and mail["Cc"] == "copy@example.test", mail
        assert body(mail).startswith("l\u00e4ne\n"), body(mail)


@needs("bsd-mailx")
def mail_1_to_nobody(w):
    rc = w.file("mailrc", "set sendmail=%s\nset sendwait\n" % prepare(w))
    done = call(w, "bsd-mailx", "-s", "x", "no-such-user@example.test", stdin=b"x\n", env={"MAILRC": rc}, code=1)
    assert b"550 5.1.1 No such user here" in done.stderr, done


@needs("mutt")
def mutt(w):
    rc = w.file("muttrc", 'set sendmail="%s -oem -oi"\nset use_envelope_from=yes\nset from="ann@example.test"\nset copy=no\n'
                % prepare(w))
    path = w.file("attached.bin", bytes(range(256)) * 1000)
    call(w, "mutt", "-n", "-F", rc, "-s", "with an attachment", "-a", path, "--", "mutt@example.test", stdin=b"hello\n.\nend\n")
    mail = arrived(w, "mutt")
    attached, = list(mail.iter_attachments())
    assert body(mail) == "hello\n.\nend\n" and attached.get_content() == bytes(range(256)) * 1000


@needs("swaks")
def swaks_through_a_pipe(w):
    call(w, "swaks", "--pipe", "%s -bs" % prepare(w), "--ehlo", "me.test", "--from", "ann@example.test", "--to",
         "swaks@example.test,swaks2@example.test", "--body", "by a pipe")
    for name in ("swaks", "swaks2"):
        assert body(arrived(w, name)).startswith("by a pipe\n")
    done = call(w, "swaks", "--pipe", "%s -bs" % prepare(w), "--from", "bob@example.test", "--to", "swaks@example.test",
                code=23 if ROOT else 0)
    assert not ROOT or b"553 5.7.1 You may not send as <bob@example.test>" in done.stdout, done


def as_PHP_says_it(w):
    call(w, prepare(w), "-t", "-i", stdin="To: php@example.test\r\nSubject: =?utf-8?q?x?=\r\nX-PHP-Originating-Script: 0:x.php\r\n"
         "Bcc: php2@example.test\r\n\r\nHello\n.\nend\n".encode())
    for name in ("php", "php2"):
        mail = arrived(w, name)
        assert body(mail) == "Hello\n.\nend\n" and mail["Bcc"] is None


def as_cron_says_it(w):
    call(w, prepare(w), "-i", "-FCronDaemon", "-B8BITMIME", "-oem", "cron@example.test", stdin=(
        b"From: root (Cron Daemon)\nTo: cron\nSubject: Cron <root@machine> true\nMIME-Version: 1.0\n"
        b"Content-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\nX-Cron-Env: <SHELL=/bin/sh>\n\n\xc3\xa4\n"))
    mail = arrived(w, "cron")
    assert mail["From"].addresses[0].display_name == "Cron Daemon" and body(mail) == "\u00e4\n", mail


def users_without_an_account(w):
    if not ROOT:
        return "only root can be somebody else"
    done = call(w, prepare(w), "mail@example.test", stdin=b"x\n", user="games", code=77)
    assert b"sendmail.users" in done.stderr, done


sys.exit(main(["ann", "bob", "mail", "copy", "mutt", "swaks", "swaks2", "php", "php2", "cron"], [
    mail_1, mail_1_to_nobody, mutt, swaks_through_a_pipe, as_PHP_says_it, as_cron_says_it, users_without_an_account,
]))
