"""neomutt and mutt on a terminal that nobody looks at: keys are pushed; mail is sent by submission."""
import email
import email.policy
import os
import pty
import re
import select
import subprocess
import sys
import termios
import time

from common import PASSWORD, PATIENCE, check_among, deliver, main, make_mail, messages, needs, run, wait_for

ACCOUNTS = ["neomutt", "mutt", "friend"]
RC = """
set my_pass = "%(password)s"
set from = "%(name)s@example.test"
set realname = "Mutt"
set imap_user = "%(name)s@example.test"
set imap_pass = "$my_pass"
set folder = "%(scheme)s://localhost:%(imap)d/"
set spoolfile = "+INBOX"
set record = "+Sent"
set postponed = "+Drafts"
set smtp_url = "smtp://%(name)s@example.test@localhost:%(submission)d/"
set smtp_pass = "$my_pass"
# else they choose -PLUS if it is offered, have no channel binding, and give up
set smtp_authenticators = "%(mechanism)s"
set sleep_time = 0
set ssl_starttls = yes
set ssl_force_tls = yes
set certificate_file = "%(ca)s"
set header_cache = "%(home)s/cache"
set mark_old = no
set confirmappend = no
set delete = yes
set quit = yes
set move = no
set sort = mailbox-order
set wait_key = no
set hostname = "me.test"
set send_charset = "utf-8"
set allow_8bit = yes
set copy = yes
set editor = "cp %(home)s/text"
set abort_unmodified = no
"""


def on_terminal(program, rc, home, keys):
    """Pushes keys; the last ones must end it. What was on the screen, if it did not end."""
    commands = os.path.join(home, "keys")
    with open(commands, "w") as f:
        f.write('push "%s"\n' % keys)
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (50, 132))
    process = subprocess.Popen([program, "-n", "-F", rc, "-e", "source " + commands], stdin=slave, stdout=slave, stderr=slave,
                               start_new_session=True, env=dict(os.environ, HOME=home, TERM="vt100", LC_ALL="C.UTF-8"))
    os.close(slave)
    screen, until = b"", time.monotonic() + PATIENCE
    try:
        while process.poll() is None and time.monotonic() < until:
            if select.select([master], [], [], 0.05)[0]:
                try:
                    screen += os.read(master, 65536)
                except OSError:  # the other side is closed
                    break
        code = process.wait(max(1, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        code = "none"
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(master)
    text = re.sub(rb"\x1b[\[(][0-9;?]*[a-zA-Z]?", b" ", screen).decode("utf-8", "replace")
    assert code == 0, "%s %s, exit %s: %s" % (program, keys, code, text[-900:])


def subjects(w, name, box):
    return [(re.search(rb"\nSubject: (.*)\r", octets).group(1).decode(), flags) for flags, octets in messages(w, name, box)]


def organise(w, program, scheme, mechanism):
    name = program
    home = w.home(name)
    rc = w.file(name + "/rc", RC % dict(password=PASSWORD, name=name, scheme=scheme, imap=w.ports[scheme],
                                        mechanism=mechanism, submission=w.ports["submission"], ca=w.ca, home=home), 0o600)
    mails = [make_mail("%s %d" % (name, i), attachment=i * 30000) for i in range(7)]
    deliver(w, name, mails)
    tag = "<untag-pattern>~A<enter><tag-pattern>%s<enter>"
    on_terminal(program, rc, home, "".join([
        "<limit>all<enter>", tag % ("~s '%s [12]$'" % name), "<tag-prefix><copy-message>=Archive<enter>",
        tag % ("~s '%s [34]$'" % name), "<tag-prefix><save-message>=Trash<enter>",
        tag % ("~s '%s 5$'" % name), "<tag-prefix><flag-message>",
        tag % ("~s '%s 6$'" % name), "<tag-prefix><delete-message>",
        tag % ("~s '%s 0$'" % name), "<tag-prefix><set-flag>r",
        "<untag-pattern>~A<enter><sync-mailbox>", "<quit>"]))
    inbox = subjects(w, name, "INBOX")
    assert [s for s, _ in inbox] == [name + " %d" % i for i in (0, 1, 2, 5)], inbox
    assert b"\\Answered" in inbox[0][1] and b"\\Flagged" in inbox[3][1], inbox
    for box, wanted in (("INBOX", (0, 1, 2, 5)), ("Archive", (1, 2)), ("Trash", (3, 4))):
        found = [octets for _, octets in messages(w, name, box)]
        assert len(found) == len(wanted), (box, subjects(w, name, box))
        for i in wanted:
            check_among(mails[i], found)
    # a message opened is seen; the next run reads from the cache
    on_terminal(program, rc, home, "<limit>all<enter><search>~s '%s 2$'<enter><display-message><exit><quit>" % name)
    inbox = subjects(w, name, "INBOX")
    assert [s for s, flags in inbox if b"\\Seen" in flags] in ([name + " 2"], [name + " 0", name + " 2"]), inbox
    create_and_delete(w, program, rc, home)
    send(w, program, rc, home)


def create_and_delete(w, program, rc, home):
    """A folder made by saving into it; the browser's list of what there is."""
    on_terminal(program, rc, home, "".join([
        "<limit>all<enter><search>~s '%s 5$'<enter><copy-message>=Projects/x<enter>y" % program,
        "<change-folder>=Projects/x<enter><delete-message><sync-mailbox><quit>"]))
    assert messages(w, program, "Projects/x") == []


def send(w, program, rc, home):
    """A mail with an attachment, by submission; a copy is appended to Sent, the same but for the trace."""
    before = w.count("friend")
    body = "".join("line %d\n.\n..\nFrom here\n\u00e4\u20ac \t\n" % i for i in range(300))
    data = bytes(range(256)) * 300
    attachment = w.file(program + "/data.bin", data)
    w.file(program + "/text", body)
    on_terminal(program, rc, home, "".join([
        "<mail>friend@example.test<enter>sent by %s<enter>" % program, "<attach-file>%s<enter>" % attachment,
        "<send-message><quit>"]))
    wait_for(lambda: w.count("friend") == before + 1, "mail of friend")
    got = w.mails("friend")[-1]
    (_, copy), = messages(w, program, "Sent")
    for mail in (got, copy):
        parsed = email.message_from_bytes(mail, policy=email.policy.SMTP)
        assert parsed["Subject"] == "sent by " + program, mail[:900]
        text, file = parsed.iter_parts()
        assert text.get_content().replace("\r\n", "\n") == body and file.get_content() == data
    assert got.endswith(copy.split(b"\r\n\r\n", 1)[1]), (len(got), len(copy))


@needs("neomutt")
def neomutt_by_TLS(w):
    organise(w, "neomutt", "imaps", "plain")


@needs("mutt")
def mutt_by_STARTTLS(w):
    organise(w, "mutt", "imap", "scram-sha-256")


if __name__ == "__main__":
    sys.exit(main(ACCOUNTS, [neomutt_by_TLS, mutt_by_STARTTLS]))
