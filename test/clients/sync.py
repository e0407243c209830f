"""mbsync, OfflineIMAP, interimap: two copies of one account stay the same, whichever side changes."""
import os
import re
import sys

from common import PASSWORD, deliver, imap, main, make_mail, needs, picture, run, say

ACCOUNTS = ["mbsync", "offline", "inter", "inter2"]


def maildir_picture(root):
    """The same of a Maildir++ or nested Maildirs: {folder: sorted [(Message-ID, flags)]}."""
    names = {"S": b"\\Seen", "R": b"\\Answered", "F": b"\\Flagged", "T": b"\\Deleted", "D": b"\\Draft"}
    boxes = {}
    for folder, folders, _ in os.walk(root):
        if not {"cur", "new"} <= set(folders):
            continue
        rows = []
        for sub in ("cur", "new"):
            for name in os.listdir(os.path.join(folder, sub)):
                with open(os.path.join(folder, sub, name), "rb") as f:
                    head = f.read().replace(b"\r\n", b"\n").split(b"\n\n")[0]
                letters = name.rsplit(":2,", 1)[1] if ":2," in name else ""
                flags = tuple(sorted(names[x] for x in letters if x in names))
                rows.append((re.search(rb"(?im)^message-id:.*$", head).group(0), flags))
        boxes[os.path.relpath(folder, root)] = sorted(rows)
    return boxes


def same(server, local, boxes):
    for box in boxes:
        left = [(i.lower(), f) for i, f in server[box]]
        right = [(i.lower(), f) for i, f in local[box]]
        assert left == right, "%s: server %r, here %r" % (box, left, right)


def rename_flags(folder, match, letters):
    """Sets the flags of the one message whose bytes hold `match`."""
    for sub in ("cur", "new"):
        for name in os.listdir(os.path.join(folder, sub)):
            path = os.path.join(folder, sub, name)
            with open(path, "rb") as f:
                if match not in f.read():
                    continue
            base = name.split(":2,")[0]
            os.rename(path, os.path.join(folder, "cur", base + ":2," + letters))
            return
    raise AssertionError("no message with %r in %s" % (match, folder))


def remove(folder, match):
    for sub in ("cur", "new"):
        for name in os.listdir(os.path.join(folder, sub)):
            path = os.path.join(folder, sub, name)
            with open(path, "rb") as f:
                if match in f.read():
                    os.unlink(path)
                    return
    raise AssertionError("no message with %r in %s" % (match, folder))


def own(home):
    """Everything in it belongs to whom the home belongs to."""
    st = os.stat(home)
    for folder, folders, files in os.walk(home):
        for name in folders + files:
            os.lchown(os.path.join(folder, name), st.st_uid, st.st_gid)


def both_ways(w, name, sync, inbox, sent):
    """Mail, flags and deletions from both sides; after each round both sides are the same."""
    deliver(w, name, [make_mail("%s %d" % (name, i), attachment=i * 1000) for i in range(6)])
    sync()
    boxes = {"INBOX": os.path.relpath(inbox, os.path.dirname(inbox)), "Sent": sent}
    compare = lambda: same(picture(w, name), {
        "INBOX": maildir_picture(inbox)["."], "Sent": maildir_picture(sent).get(".", [])}, boxes)
    compare()
    # the server changes
    c = imap(w, name)
    c.select("INBOX")
    say(c, "STORE", "1", "+FLAGS", "(\\Seen \\Answered)")
    say(c, "STORE", "2", "+FLAGS", "(\\Flagged)")
    say(c, "COPY", "3", "Sent")
    say(c, "STORE", "4", "+FLAGS", "(\\Deleted)")
    say(c, "EXPUNGE")
    c.logout()
    sync()
    compare()
    # here it changes, and a mail is written here
    rename_flags(inbox, b"Subject: %s 1\n" % name.encode(), "S")
    remove(inbox, b"Subject: %s 5\n" % name.encode())
    draft = os.path.join(sent, "new", "1.1.here")
    with open(draft, "wb") as f:
        f.write(make_mail(name + " written here").replace(b"\r\n", b"\n"))
    own(sent)
    sync()
    sync()
    compare()
    now = picture(w, name)
    assert len(now["INBOX"]) == 4 and len(now["Sent"]) == 2, now
    # nothing more happens
    before = picture(w, name)
    sync()
    assert picture(w, name) == before


@needs("mbsync")
def mbsync_both_ways(w):
    home = w.home("mbsync")
    mail = os.path.join(home, "Mail")
    os.makedirs(mail)
    own(home)
    config = w.file("mbsyncrc", """
IMAPAccount barid
Host localhost
Port %d
User mbsync@example.test
Pass %s
SSLType IMAPS
CertificateFile %s

IMAPStore far
Account barid

MaildirStore near
Path %s/
Inbox %s/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Remove Both
Expunge Both
SyncState *
""" % (w.ports["imaps"], PASSWORD, w.ca, mail, mail), 0o600)
    both_ways(w, "mbsync", lambda: run("mbsync", "-c", config, "-a", env={"HOME": home}), os.path.join(mail, "INBOX"),
              os.path.join(mail, "Sent"))


@needs("offlineimap")
def OfflineIMAP_both_ways(w):
    home = w.home("offline")
    mail = os.path.join(home, "Mail")
    os.makedirs(mail)
    config = w.file("offlineimaprc", """
[general]
metadata = %s/state
accounts = barid
ui = quiet
[Account barid]
localrepository = near
remoterepository = far
[Repository near]
type = Maildir
localfolders = %s
sep = /
[Repository far]
type = IMAP
remotehost = localhost
remoteport = %d
ssl = yes
sslcacertfile = %s
remoteuser = offline@example.test
remotepass = %s
""" % (home, mail, w.ports["imaps"], w.ca, PASSWORD), 0o600)
    both_ways(w, "offline", lambda: run("offlineimap", "-o", "-c", config, env={"HOME": home}),
              os.path.join(mail, "INBOX"), os.path.join(mail, "Sent"))


@needs("interimap")
def interimap_with_QRESYNC(w):
    """Two accounts of ours: what one has the other gets, by VANISHED and CHANGEDSINCE."""
    home = w.home("inter")
    config = w.file("interimap.conf", "database = %s/inter.db\nlist-mailbox = *\n" % home + "".join("""
[%s]
type = imaps
host = localhost
port = %d
username = %s@example.test
password = %s
SSL_CAfile = %s
compress = NO
""" % (side, w.ports["imaps"], name, PASSWORD, w.ca) for side, name in (("local", "inter"), ("remote", "inter2"))),
                    0o600)

    def sync():
        run("interimap", "--config=" + config, "--quiet", env={"HOME": home, "XDG_CONFIG_HOME": home,
                                                                "XDG_DATA_HOME": home})
        left, right = picture(w, "inter"), picture(w, "inter2")
        assert left == right, (left, right)
        return left

    deliver(w, "inter", [make_mail("inter %d" % i, attachment=i * 5000) for i in range(5)])
    deliver(w, "inter2", [make_mail("other %d" % i) for i in range(5)])
    assert len(sync()["INBOX"]) == 10
    for name in ("inter", "inter2"):
        c = imap(w, name)
        c.create('"Projects/%s"' % name)
        c.select("INBOX")
        say(c, "STORE", "1", "+FLAGS", "(\\Seen $Forwarded)" if name == "inter" else "(\\Flagged)")
        say(c, "UID", "MOVE", "4", '"Projects/%s"' % name)
        c.append("Sent", "(\\Seen)", None, make_mail(name + " sent"))
        c.logout()
    boxes = sync()
    assert len(boxes["INBOX"]) == 8 and len(boxes["Sent"]) == 2 and len(boxes["Projects/inter"]) == 1, boxes
    assert sync() == boxes


if __name__ == "__main__":
    sys.exit(main(ACCOUNTS, [mbsync_both_ways, OfflineIMAP_both_ways, interimap_with_QRESYNC]))
