"""barid mailbox import and export, with and without a server."""
import json
import mailbox
import os
import random
import re
import select
import signal
import smtplib
import subprocess
import sys
import tempfile
import time

from server import BARID, PATIENCE, Server, run_cases

ALICE, BOB = "alice@example.test", "bob@example.test"
SUMMARY = ["imported", "already", "skipped", "mailboxes", "bytes", "seconds", "problems"]


class Maildir:
    """Files as another server would have left them."""

    def __init__(self, folder):
        self.folder, self.n = folder, 0

    def path(self, sub, where="cur"):
        path = os.path.join(self.folder, sub, where)
        for d in ("cur", "new", "tmp"):
            os.makedirs(os.path.join(self.folder, sub, d), exist_ok=True)
        return path

    def add(self, sub="", flags="", text=None, where="cur", date=1500000000, name=None):
        self.n += 1
        name = name or "%d.M%dP7.host%s" % (date, self.n, ":2," + flags if where == "cur" else "")
        path = os.path.join(self.path(sub, where), name)
        with open(path, "wb") as f:
            f.write(text if text is not None else message(self.n))
        os.utime(path, (date, date))
        return path


def message(n, lines=3):
    return b"From: a@b.example\nSubject: number %d\nMessage-ID: <%d@x>\n\n" % (n, n) + b"line %d\n" % n * lines


class Case(Server):
    """A server with two accounts and a folder for files; told whether it runs."""

    def __init__(self, running, **options):
        super().__init__(**options)
        self.setup("alice", "bob")
        self.files = tempfile.mkdtemp(dir=self.folder)
        if running:
            self.start()

    def port(self, do, address, kind, path, code=0, *more):
        done = self.cli("mailbox", do, address, kind, path, "--json", *more, check=False)
        assert done.returncode == code, (done.returncode, done.stderr, done.stdout)
        return json.loads(done.stdout) if done.stdout else done.stderr

    def mailboxes(self, address=ALICE):
        return {r["name"]: r for r in self.json("mailbox", "list", address)}

    def maildir(self, address, name):
        """The account as an exported Maildir: [(folder, flags, date, bytes, keywords)] in order."""
        path = os.path.join(self.folder, name)
        self.port("export", address, "maildir", path)
        return read_maildir(path)

    def sound(self):
        """Stops it, and nothing is wrong."""
        if self.process:
            assert self.stop() == 0
        assert self.cli("verify").stdout.startswith("faults 0\n")


def read_maildir(path):
    out = {}
    for folder in sorted(d for d in os.listdir(path) if d.startswith(".")) + [""]:
        base = os.path.join(path, folder)
        names = {}
        if os.path.exists(os.path.join(base, "dovecot-keywords")):
            for line in open(os.path.join(base, "dovecot-keywords")):
                number, word = line.split()
                names[chr(97 + int(number))] = word
        assert os.listdir(os.path.join(base, "tmp")) == os.listdir(os.path.join(base, "new")) == []
        rows = []
        for name in os.listdir(os.path.join(base, "cur")):
            file = os.path.join(base, "cur", name)
            uid = int(re.search(r"U(\d+)\.barid", name)[1])
            info = name.split(":2,")[1]
            rows.append((uid, "".join(c for c in info if c.isupper()), sorted(names[c] for c in info if c.islower()),
                         os.stat(file).st_mtime, open(file, "rb").read()))
        out[folder] = [r[1:] for r in sorted(rows)]
    return out


def both(case):
    """The case with a running server and without one."""
    def with_server():
        return case(True)

    def without_server():
        return case(False)
    with_server.__name__ = case.__name__ + "_with_a_server"
    without_server.__name__ = case.__name__ + "_without_one"
    return [with_server, without_server]


# ---- what comes over ----

def a_maildir(running):
    with Case(running) as s:
        m = Maildir(s.files)
        m.add(flags="S", date=1400000002)
        m.add(flags="DFPRSTab", date=1400000001)
        m.add(where="new", date=1400000003)
        m.add(".Sent", flags="S")
        m.add(".Sub.Folder &- Co")
        m.add(".Entw&APw-rfe")
        m.add(".Spam")
        m.add(".INBOX.deep")
        m.add("Plain/Nested")
        m.path(".Empty")
        with open(os.path.join(s.files, "dovecot-keywords"), "w") as f:
            f.write("0 work\n1 $Label1\n2 unused\n")
        for junk in ("subscriptions", "dovecot-uidlist", "cur/.hidden"):
            open(os.path.join(s.files, junk), "w").close()
        done = s.port("import", ALICE, "maildir", s.files)
        assert list(done) == SUMMARY and done["imported"] == 9 and done["skipped"] == 0, done
        boxes = s.mailboxes()
        assert {n: b["messages"] for n, b in boxes.items() if b["messages"]} == {
            "INBOX": 3, "Sent": 1, "Sub/Folder & Co": 1, "Entwürfe": 1, "Junk": 1, "INBOX/deep": 1, "Plain/Nested": 1}
        assert {"Sub", "Plain", "Empty"} <= set(boxes) and "Spam" not in boxes, boxes
        assert boxes["INBOX"]["unseen"] == 1
        got = s.maildir(ALICE, "out")
        assert [r[:3] for r in got[""]] == [("DFPRST", ["$Label1", "work"], 1400000001), ("S", [], 1400000002),
                                           ("", [], 1400000003)], got[""]
        assert got[""][0][3] == message(2)
        again = s.port("import", ALICE, "maildir", s.files)
        assert again["imported"] == 0 and again["already"] == 9, again
        assert s.mailboxes()["INBOX"]["messages"] == 3
        os.rename(os.path.join(s.files, "new", os.listdir(os.path.join(s.files, "new"))[0]),
                  os.path.join(s.files, "cur", "x:2,S"))
        m.add()
        last = s.port("import", ALICE, "maildir", s.files)
        assert (last["imported"], last["already"]) == (2, 8), last  # the new one, and the one with another name
        s.sound()


def an_mbox(running):
    with Case(running) as s:
        path = os.path.join(s.files, "alice")
        with open(path, "wb") as f:
            f.write(b"From a@b Thu Jan  1 00:01:00 2015\nStatus: RO\nX-Status: AF\nX-Keywords: work later\n"
                    b"Subject: one\n\n>From here\n>>From there\nFrom now\n\n"
                    b"From b Thu Jan  1 00:02:00 2015 +0100\nSubject: two\nContent-Length: 5000\n\nx\n\n\n"
                    b"From nobody\nSubject: no message\n\n"
                    b"From c@d Thu Jan  1 00:03:00 2015\nX-UID: 7\nSubject: three\n\nends without newline")
        done = s.port("import", ALICE, "mbox", path)
        assert done["imported"] == 3 and done["mailboxes"] == 1, done
        got = s.maildir(ALICE, "out")[""]
        assert [r[:3] for r in got] == [("FRS", ["later", "work"], 1420070460), ("", [], 1420066920),
                                        ("", [], 1420070580)], got
        assert got[0][3] == b"Subject: one\n\nFrom here\n>From there\nFrom now\n"
        assert got[1][3] == (b"Subject: two\nContent-Length: 5000\n\nx\n\n\nFrom nobody\nSubject: no message\n")
        assert got[2][3] == b"Subject: three\n\nends without newline"
        assert s.port("import", ALICE, "mbox", path)["already"] == 3
        s.sound()


def a_folder_of_mboxes(running):
    with Case(running) as s:
        def put(name, *numbers):
            path = os.path.join(s.files, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as f:
                for n in numbers:
                    f.write(b"From a@b Thu Jan  1 00:01:00 2015\r\n" +
                            message(n).replace(b"\n", b"\r\n") + b"\r\n")
        put("Inbox", 1, 2, 2, 2)  # equal messages are so many messages
        put("Work", 1)
        put("Work.sbd/2020", 4)
        put("plain/deep/er", 5)
        put("Deleted Items", 6)
        put("empty")
        for name in ("Inbox.msf", ".hidden"):
            open(os.path.join(s.files, name), "w").write("nothing\n")
        for name in ("notes.txt", "plain/also"):
            open(os.path.join(s.files, name), "w").write("Dear diary\n")
        done = s.port("import", ALICE, "mbox", s.files, 1)
        assert (done["imported"], done["skipped"]) == (8, 2), done
        assert [p["file"] for p in done["problems"]] == ["notes.txt", "plain/also"], done
        assert {n: b["messages"] for n, b in s.mailboxes().items() if b["messages"]} == {
            "INBOX": 4, "Work": 1, "Work/2020": 1, "plain/deep/er": 1, "Trash": 1}
        assert "empty" in s.mailboxes() and "notes.txt" not in s.mailboxes()
        assert s.port("import", ALICE, "mbox", s.files, 1)["already"] == 8
        s.sound()


# ---- there and back ----

def random_source(folder, n, seed):
    """A Maildir of many shapes; also a message that is larger than memory keeps."""
    r = random.Random(seed)
    m = Maildir(folder)
    for i in range(n):
        sub = r.choice(["", "", "", ".Sent", ".A.B", ".A", ".INBOX.x", ".R&-D", ".john&AC4-doe", ".&AC4-&AC4-"])
        body = b"".join(r.choice([b"From x\n", b">From y\n", b"\n", b"text\n", b".\n", b"\xe4\xff 8bit\n",
                                  b"tail \r inside\n", b"Status: R\n"]) for k in range(r.randrange(20)))
        head = b"Return-Path: <x%d@y.example>\nSubject: %d\n" % (i, i)
        if r.random() < 0.1:
            head += b"Status: RO\nX-Keywords: leaked\nX-UID: 3\n"
        if i % 50 == 7:
            body += b"z" * 70 + b"\n" + b"".join(b"%070d\n" % k for k in range(8000))
        m.add(sub, "".join(sorted(c for c in "DFPRSTabc" if r.random() < 0.3)), head + b"\n" + body + b"end\n",
              date=1000000000 + r.randrange(10**9))
    for sub in os.listdir(folder):
        if sub.startswith("."):
            open(os.path.join(folder, sub, "dovecot-keywords"), "w").write("0 one\n1 $Two\n2 three\n")
    open(os.path.join(folder, "dovecot-keywords"), "w").write("0 one\n1 $Two\n2 three\n")


def there_and_back(running):
    with Case(running) as s:
        random_source(s.files, 120, 1)
        assert s.port("import", ALICE, "maildir", s.files)["imported"] == 120
        first = s.maildir(ALICE, "one")
        for kind in ("maildir", "mbox"):
            s.cli("account", "remove", BOB)
            s.add_account(BOB)
            out = os.path.join(s.folder, "again-" + kind)
            s.port("export", ALICE, kind, out)
            s.port("import", BOB, kind, out)
            second = s.maildir(BOB, "two-" + kind)
            assert list(first) == list(second), (kind, list(first), list(second))
            for folder in first:
                if kind == "maildir":  # by date; UIDs of the same date by name
                    assert sorted(first[folder]) == sorted(second[folder]), (kind, folder)
                else:
                    assert first[folder] == second[folder], (kind, folder)
            if kind == "mbox":
                box = mailbox.mbox(os.path.join(out, "INBOX"))
                assert len(box) == len(first[""])
        s.sound()


def python_reads_what_we_write(running):
    with Case(running) as s:
        random_source(s.files, 30, 2)
        s.port("import", ALICE, "maildir", s.files)
        out = os.path.join(s.folder, "out")
        s.port("export", ALICE, "maildir", out)
        box = mailbox.Maildir(out)
        boxes = s.mailboxes()
        assert len(box) == boxes["INBOX"]["messages"]
        assert {f: len(box.get_folder(f)) for f in ("Sent", "A.B", "A")} == {
            f: boxes[f.replace(".", "/")]["messages"] for f in ("Sent", "A.B", "A")}
        s.sound()


def the_target_must_be_new(running):
    with Case(running) as s:
        for path in ("cur", "a file"):
            open(os.path.join(s.files, path), "w").close()
        said = s.port("export", ALICE, "maildir", s.files, 1)
        assert "is not empty" in said, said
        assert sorted(os.listdir(s.files)) == ["a file", "cur"]
        s.port("export", ALICE, "mbox", os.path.join(s.files, "a file"), 1)
        s.port("export", ALICE, "mbox", os.path.join(s.files, "none", "below"), 1)
        s.sound()


# ---- what is bad ----

def bad_messages(running):
    with Case(running, more='') as s:
        s.write_config(open(s.conf).read().replace("limits = {", 'limits = { message_size = "100KB"'))
        if running:
            s.stop()
            s.start()
        m = Maildir(s.files)
        good = [m.add(text=message(n)) for n in range(3)]
        m.add(text=b"Subject: nul\n\na\0b\n", name="nul:2,")
        m.add(text=b"", name="empty:2,")
        m.add(text=b"\x7fELF\x01\x02 no header here\nnor here\n", name="binary:2,")
        m.add(text=b"Subject: large\n\n" + b"x" * 100 * 1024, name="large:2,")
        m.add(text=b"Subject: larger here\n\n" + b"\n" * 60 * 1024, name="grows:2,")  # as CRLF
        m.add(text=b"Subject: fits\n\n" + b"x" * 100000, name="fits:2,")
        cur = os.path.join(s.files, "cur")
        os.symlink("/etc/passwd", os.path.join(cur, "link:2,"))
        os.mkfifo(os.path.join(cur, "fifo:2,"))
        os.mkdir(os.path.join(cur, "folder:2,"))
        os.symlink("/etc", os.path.join(s.files, ".Way"))
        done = s.port("import", ALICE, "maildir", s.files, 1)
        assert done["imported"] == 4 and done["skipped"] == 9, done
        reasons = {p["file"]: p["reason"] for p in done["problems"]}
        for name, words in (("nul", "NUL"), ("empty", "empty"), ("binary", "not a message"), ("large", "message_size"),
                            ("grows", "message_size"), ("link", "symbolic link"), ("fifo", "no regular file"),
                            ("folder", "no regular file")):
            assert words in reasons["cur/%s:2," % name], (name, reasons)
        assert "symbolic link" in reasons[".Way"], reasons
        again = s.port("import", ALICE, "maildir", s.files, 1)
        assert (again["imported"], again["already"]) == (0, 4), again
        s.sound()


def unreadable_files(running):
    """Those who are not root: what they may not read is skipped."""
    if os.geteuid() == 0:
        return "root reads all"
    with Case(running) as s:
        m = Maildir(s.files)
        m.add()
        os.chmod(m.add(), 0)
        done = s.port("import", ALICE, "maildir", s.files, 1)
        assert (done["imported"], done["skipped"]) == (1, 1), done


def hostile_names(running):
    with Case(running) as s:
        m = Maildir(s.files)
        for sub in (".a..b", "...", ".\x01\x1b[2J", ".%s" % ("x" * 250), ".&AC8-etc", "..x", ".-rf", ".a\\b"):
            m.add(sub)
        os.makedirs(os.fsencode(s.files) + b"/.\xff\xfe/cur")
        m.add("deep/" + "/".join(["d" * 30] * 14))
        done = s.port("import", ALICE, "maildir", s.files)
        assert done["imported"] == 9, done
        names = set(s.mailboxes())
        assert {"a/b", "__[2J", "-rf", "a\\b", "__", "x" * 250, "&AC8-etc"} <= names, names
        assert all(not re.search(r"[\x00-\x1f\x7f]", n) and len(n.encode()) <= 400 for n in names)
        assert len(done["problems"]) >= 5, done
        out = os.path.join(s.folder, "out")
        s.port("export", ALICE, "maildir", out)
        s.port("export", ALICE, "mbox", os.path.join(s.folder, "out2"))
        assert sorted(os.listdir(s.folder)) == sorted(
            set(os.listdir(s.folder)) & {"barid.conf", "data", "log", "lmtp", "sendmail", "out", "out2", os.path.basename(s.files)})
        s.sound()


def over_quota(running):
    with Case(running) as s:
        m = Maildir(s.files)
        for n in range(30):
            m.add(text=b"Subject: %d\n\n" % n + b"x" * 10000, date=1500000000 + n)
        s.cli("account", "set", ALICE, "--quota", "100KB")
        done = s.cli("mailbox", "import", ALICE, "maildir", s.files, check=False)
        assert done.returncode == 1 and "over its quota" in done.stderr and "imported 10 messages" in done.stdout, done
        assert s.mailboxes()["INBOX"]["messages"] == 10
        s.cli("account", "set", ALICE, "--quota", "1MB")
        more = s.port("import", ALICE, "maildir", s.files)
        assert (more["imported"], more["already"]) == (20, 10), more
        s.sound()


def usage_and_absence(running):
    with Case(running) as s:
        for args, code in ((["import", "x@example.test", "maildir", s.files], 1),
                           (["import", ALICE, "maildir", "/nonexistent"], 1),
                           (["import", ALICE, "maildir", s.files], 1), (["import", ALICE, "mbox", s.files], 1),
                           (["import", ALICE, "eml", s.files], 2), (["import", ALICE, "mbox"], 2),
                           (["export", "x@example.test", "maildir", os.path.join(s.files, "new")], 3),
                           (["import", "x@example.test", "mbox", "/dev/null"], 1)):
            done = s.cli("mailbox", *args, check=False)
            assert done.returncode == code and done.stderr.startswith("barid: "), (args, done)
        Maildir(s.files).add()
        done = s.cli("mailbox", "import", "x@example.test", "maildir", s.files, check=False)
        assert done.returncode == 3, done
        assert not os.path.exists(os.path.join(s.files, "new", "cur"))
        s.sound()


# ---- cut off ----

def start_import(s, kind, path):
    return subprocess.Popen([BARID, "mailbox", "import", ALICE, kind, path, "--json", "-c", s.conf],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)


def many_files(folder, n):
    m = Maildir(folder)
    for i in range(n):
        m.add(".Sent" if i % 3 == 0 else "", "S", message(i, 20), date=1500000000 + i)


def many_in_mbox(folder, n):
    path = os.path.join(folder, "mbox")
    with open(path, "wb") as f:
        for i in range(n):
            f.write(b"From a@b Thu Jan  1 00:01:00 2015\n" + message(i // 2, 20) + b"\n")  # each twice
    return path


def cut_off(running):
    """The command is killed, again and again; then it is let through. Nothing is lost or doubled."""
    total = 1200
    for kind in ("maildir", "mbox"):
        with Case(running) as s:
            path = s.files
            if kind == "maildir":
                many_files(s.files, total)
            else:
                path = many_in_mbox(s.files, total)
            r = random.Random(kind)
            for i in range(6):
                p = start_import(s, kind, path)
                try:
                    p.wait(r.uniform(0.02, 0.3))
                except subprocess.TimeoutExpired:
                    pass
                if p.poll() is None:
                    if i % 2:  # the store's process too, when there is no server
                        os.killpg(p.pid, signal.SIGKILL)
                    else:
                        p.send_signal(signal.SIGINT if i % 4 else signal.SIGKILL)
                p.communicate()
            wait_for_store(s)
            done = s.port("import", ALICE, kind, path)
            assert done["imported"] + done["already"] == total, done
            assert sum(b["messages"] for b in s.mailboxes().values()) == total
            assert s.port("import", ALICE, kind, path)["already"] == total
            got = s.maildir(ALICE, "out")
            count = {}
            for folder in got:
                for row in got[folder]:
                    count[row[3]] = count.get(row[3], 0) + 1
            assert set(count.values()) == {1 if kind == "maildir" else 2}
            s.sound()


def wait_for_store(s):
    """Until nobody holds the store who outlives a killed command."""
    until = time.monotonic() + PATIENCE
    while s.cli("account", "list", check=False).returncode == 4 and time.monotonic() < until:
        select.select([], [], [], 0.02)


def imported(s):
    return sum(b["messages"] for b in s.mailboxes().values())


def killed_workers():
    """kill -9 of the worker in the middle: the command says so (4), and goes on when said again."""
    total = 3000
    with Case(True) as s:
        many_files(s.files, total)
        seen = 0
        for i in range(4):
            ready, there = s.log().count("event=ready"), imported(s)
            p = start_import(s, "maildir", s.files)
            while p.poll() is None and imported(s) <= there + 100 * i:  # it is in the middle
                pass
            if p.poll() is None:
                os.kill(s.worker_pid(), signal.SIGKILL)
                out, err = p.communicate(timeout=PATIENCE)
                s.wait_log("event=ready", ready + 1)
                if p.returncode:
                    assert p.returncode == 4 and b"goes on where it stopped" in err, (p.returncode, err)
                    assert list(json.loads(out)) == SUMMARY
                    seen += 1
            p.communicate()
        assert seen, "the imports were too fast to be cut off"
        done = s.port("import", ALICE, "maildir", s.files)
        assert done["imported"] + done["already"] == total, done
        assert sum(b["messages"] for b in s.mailboxes().values()) == total
        s.sound()


def a_server_that_stops():
    """SIGTERM: what was sent is stored, the rest goes on later."""
    with Case(True) as s:
        many_files(s.files, 3000)
        p = start_import(s, "maildir", s.files)
        until = time.monotonic() + PATIENCE
        while s.mailboxes()["INBOX"]["messages"] == 0 and time.monotonic() < until:
            pass
        assert s.stop() == 0
        out, err = p.communicate(timeout=PATIENCE)
        assert p.returncode in (0, 4), (p.returncode, err)
        s.start()
        told = json.loads(out)["imported"]
        done = s.port("import", ALICE, "maildir", s.files)
        assert done["imported"] + done["already"] == 3000 and done["already"] >= told, (told, done)
        s.sound()


def mail_comes_in_meanwhile():
    with Case(True) as s:
        many_files(s.files, 2000)
        p = start_import(s, "maildir", s.files)
        sent = 0
        with smtplib.SMTP("127.0.0.1", s.ports["smtp"], timeout=PATIENCE) as smtp:
            while sent < 20:
                smtp.sendmail("x@y.example", [ALICE], "Subject: in between\r\n\r\nx\r\n")
                sent += 1
        p.communicate(timeout=PATIENCE)
        assert p.returncode == 0
        assert sum(b["messages"] for b in s.mailboxes().values()) == 2000 + sent
        s.sound()


def a_progress_bar():
    """On a terminal only."""
    import pty
    with Case(False) as s:
        many_files(s.files, 300)
        ours, theirs = pty.openpty()
        p = subprocess.Popen([BARID, "mailbox", "import", ALICE, "maildir", s.files, "-c", s.conf],
                             stdout=subprocess.PIPE, stderr=theirs)
        out, _ = p.communicate(timeout=PATIENCE)
        os.close(theirs)
        said = os.read(ours, 65536).decode()
        assert p.returncode == 0 and b"imported 300 messages" in out, out
        assert "0%" in said and said.endswith("\r\x1b[K"), said
        assert s.cli("mailbox", "import", ALICE, "maildir", s.files).stderr == ""


def a_large_mbox():
    """Memory does not grow with the file."""
    with Case(False) as s:
        path = os.path.join(s.files, "mbox")
        with open(path, "wb") as f:
            for i in range(60):
                f.write(b"From a@b Thu Jan  1 00:01:00 2015\nSubject: %d\n\n" % i + (b"x" * 75 + b"\n") * 20000 + b"\n")
        p = start_import(s, "mbox", path)
        most = 0
        while p.poll() is None:
            try:
                status = open("/proc/%d/status" % p.pid).read()
                most = max(most, int(re.search(r"VmHWM:\s+(\d+)", status)[1]))
            except (OSError, TypeError):
                pass
            select.select([], [], [], 0.01)
        out, err = p.communicate()
        assert p.returncode == 0 and json.loads(out)["imported"] == 60, (out, err)
        from server import sanitized
        assert sanitized() or 0 < most < 40 * 1024, most
        s.sound()


sys.exit(run_cases([
    *both(a_maildir),
    *both(an_mbox),
    *both(a_folder_of_mboxes),
    *both(there_and_back),
    *both(python_reads_what_we_write),
    *both(the_target_must_be_new),
    *both(bad_messages),
    *both(unreadable_files),
    *both(hostile_names),
    *both(over_quota),
    *both(usage_and_absence),
    *both(cut_off),
    killed_workers,
    a_server_that_stops,
    mail_comes_in_meanwhile,
    a_progress_bar,
    a_large_mbox,
]))
