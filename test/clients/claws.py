"""Claws Mail, a graphical client, on a screen that nobody looks at: the account is prepared, keys are pressed."""
import email
import email.policy
import os
import shutil
import signal
import subprocess
import sys
import time

from common import PASSWORD, PATIENCE, check_among, deliver, main, make_mail, messages, picture, wait_for
from server import Failed

NEEDED = ("claws-mail", "Xvfb", "xdotool", "import")
FILES = {
    "accountrc": """[Account: 1]
account_name=claws
is_default=1
name=Claws
address=claws@example.test
protocol=1
receive_server=localhost
smtp_server=localhost
user_id=claws@example.test
use_smtp_auth=1
ssl_imap=1
ssl_smtp=1
set_imapport=1
imap_port=%(imaps)d
set_smtpport=1
smtp_port=%(submissions)d
ssl_certs_auto_accept=1
imap_subsonly=0
""",
    "passwordstorerc": """[account:1]
recv %(password)s
send %(password)s
""",
    "clawsrc": """[Common]
config_version=4
check_on_startup=0
inc_local=0
enable_aspell=0
""",
    "folderlist.xml": """<?xml version="1.0" encoding="UTF-8"?>
<folderlist>
    <folder type="mh" name="Local" collapsed="1" path="%(home)s/Mail">
        <folderitem type="inbox" name="inbox" path="inbox" account_id="0"/>
        <folderitem type="outbox" name="sent" path="sent" account_id="0"/>
        <folderitem type="draft" name="draft" path="draft" account_id="0"/>
        <folderitem type="queue" name="queue" path="queue" account_id="0"/>
        <folderitem type="trash" name="trash" path="trash" account_id="0"/>
    </folder>
    <folder type="imap" name="claws" collapsed="0" account_id="1">
    </folder>
</folderlist>
""",
}
LETTER = "To: friend@example.test\nSubject: by Claws\n\nHello\n.\n..\n.dot\nFrom here\nthe end\n"


class Screen:
    """An X server of our own with one program on it."""

    def __init__(self, w, home):
        self.w, self.home, self.programs = w, home, []
        read, write = os.pipe()
        self.start("Xvfb", "-displayfd", str(write), "-screen", "0", "1100x750x24", "-nolisten", "tcp", "-noreset", pass_fds=[write])
        os.close(write)
        with os.fdopen(read) as f:
            number = f.readline().strip()
        self.env = dict(os.environ, DISPLAY=":" + number, HOME=home, SSL_CERT_FILE=w.ca, NO_AT_BRIDGE="1", LC_ALL="C.UTF-8",
                        GDK_BACKEND="x11", XDG_RUNTIME_DIR=home, DBUS_SESSION_BUS_ADDRESS="disabled:")

    def start(self, *command, **more):
        with open(os.path.join(self.home, command[0] + ".log"), "ab") as log:
            self.programs.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                                  start_new_session=True, **more))

    def do(self, *command):
        return subprocess.run(command, env=self.env, capture_output=True, timeout=PATIENCE, check=False).stdout

    def picture(self, name):
        path = os.path.join(os.environ.get("SCREENSHOTS", self.home), name + ".png")
        self.do("import", "-window", "root", path)
        return path

    def end(self):
        for program in reversed(self.programs):
            if program.poll() is None:
                os.killpg(program.pid, signal.SIGTERM)
            try:
                program.wait(5)
            except subprocess.TimeoutExpired:
                os.killpg(program.pid, signal.SIGKILL)
                program.wait()


def prepare(w, home):
    config = os.path.join(home, ".claws-mail")
    os.mkdir(config)
    for name, text in FILES.items():
        w.file("claws/.claws-mail/" + name, text % dict(w.ports, password=PASSWORD, home=home), 0o600)
    for name in ("inbox", "sent", "draft", "queue", "trash"):
        os.makedirs(os.path.join(home, "Mail", name))


def until(condition, act, what):
    """Acts until it has had its effect; a window takes its time to listen."""
    def again():
        act()
        end = time.monotonic() + 15  # twice would be once too often
        while time.monotonic() < end:
            if condition():
                return True
            time.sleep(0.1)
        return False
    wait_for(again, what)


def open_and_delete(w, screen, mails):
    """The list of folders, the list of messages, one opened: seen; one deleted: in the trash."""
    flags = lambda box: [f for f, _ in messages(w, "claws", box)]
    wait_for(lambda: screen.do("xdotool", "search", "--onlyvisible", "--name", "Claws Mail"), "the window")

    def look_for_folders():  # the third from the end in the menu of the account
        screen.do("xdotool", "key", "Escape")
        screen.do("xdotool", "mousemove", "80", "150", "click", "3", "sleep", "0.5", "key", "Up", "Up", "Up", "Return")
    # it makes a folder of its own for what waits to be sent
    until(lambda: "Queue" in picture(w, "claws"), look_for_folders, "the folders")
    until(lambda: flags("INBOX")[1] == {b"\\Seen"}, lambda: screen.do("claws-mail", "--select", "#imap/claws/INBOX/2"),
          "a message to be opened")
    screen.picture("claws-open")
    until(lambda: len(flags("Trash")) == 1, lambda: screen.do("xdotool", "key", "Delete"), "a message to be deleted")
    screen.picture("claws-deleted")
    check_among(mails[1], [octets for _, octets in messages(w, "claws", "Trash")])
    wait_for(lambda: len([f for f in flags("INBOX") if b"\\Deleted" not in f]) == 3, "it to be gone from INBOX")


def send(w, screen):
    """A mail from a file, by submission; its copy goes to Sent by APPEND."""
    path = w.file("claws/letter", LETTER)
    screen.do("claws-mail", "--compose-from-file", path)
    until(lambda: w.count("friend") == 1, lambda: screen.do("xdotool", "key", "ctrl+Return"), "the mail to be sent")
    wait_for(lambda: messages(w, "claws", "Sent"), "the copy of it")
    screen.picture("claws-sent")
    (_, copy), = messages(w, "claws", "Sent")
    got, = w.mails("friend")
    for mail in (copy, got):
        parsed = email.message_from_bytes(mail, policy=email.policy.SMTP)
        assert parsed["Subject"] == "by Claws" and parsed["From"] == "Claws <claws@example.test>", mail
        assert parsed.get_content().replace("\r\n", "\n").strip() == LETTER.split("\n\n", 1)[1].strip(), mail
    assert got.endswith(b"\r\n\r\n" + copy.split(b"\r\n\r\n", 1)[1]), (copy, got)
    assert len(messages(w, "claws", "Trash")) == 1


def Claws_Mail(w):
    missing = [n for n in NEEDED if not shutil.which(n)]
    if missing:
        return " and ".join(missing) + " not installed"
    home = w.home("claws")
    prepare(w, home)
    mails = [make_mail("claws %d" % i, attachment=i * 20000) for i in range(4)]
    deliver(w, "claws", mails)
    screen = Screen(w, home)
    try:
        screen.start("claws-mail", "--geometry", "1080x730+0+0", env=screen.env)
        open_and_delete(w, screen, mails)
        send(w, screen)
    except Failed as e:
        screen.picture("claws-failed")
        with open(os.path.join(home, "claws-mail.log"), encoding="utf-8", errors="replace") as f:
            raise Failed("%s; it said: %s" % (e, f.read()[-600:])) from e
    finally:
        screen.end()
    return None


if __name__ == "__main__":
    sys.exit(main(["claws", "friend"], [Claws_Mail]))
