"""The command line, without and with a running server: rows, exit codes, words."""
import json
import os
import pty
import pwd
import re
import signal
import subprocess
import sys
import termios

from server import BARID, PATIENCE, Server, run_cases

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../..")

KEYS = {
    "domain": ["name", "accounts", "aliases"],
    "account": ["address", "name", "quota", "used", "messages", "disabled"],
    "alias": ["address", "targets"],
    "mailbox": ["name", "messages", "unseen", "bytes", "uidvalidity", "uidnext", "highestmodseq", "special_use"],
}


def expect(done, code, *words):
    assert done.returncode == code, (done.returncode, done.stderr)
    for word in words:
        assert word in done.stderr, (word, done.stderr)
    if code:
        assert done.stderr.count("\n") == 1, done.stderr


def all_commands(s):
    no = dict(check=False)
    assert s.json("domain", "list") == []
    s.cli("domain", "add", "Example.TEST")
    expect(s.cli("domain", "add", "example.test", **no), 1)
    expect(s.cli("domain", "add", "not a domain", **no), 1)
    expect(s.cli("domain", "remove", "other.test", **no), 3)
    s.add_account("alice@example.test", "pw", "--quota", "10MB", "--name", "Alice Ä.")
    s.add_account("bob@example.test")
    expect(s.cli("account", "add", "alice@example.test", "--password-stdin", stdin="x\n", **no), 1)
    expect(s.cli("account", "add", "eve@other.test", "--password-stdin", stdin="x\n", **no), 3)
    expect(s.cli("account", "add", "@@", "--password-stdin", stdin="x\n", **no), 1)
    expect(s.cli("account", "add", "carl@example.test", "--password-stdin", stdin="", **no), 2)
    rows = s.json("account", "list")
    assert [r["address"] for r in rows] == ["alice@example.test", "bob@example.test"], rows
    assert list(rows[0]) == KEYS["account"], rows
    assert rows[0]["quota"] == 10485760 and rows[0]["name"] == "Alice Ä." and rows[0]["disabled"] is False
    assert rows[1]["quota"] is None and rows[1]["name"] is None and rows[1]["used"] == 0
    s.cli("account", "set", "bob@example.test", "--disabled", "--quota", "1GB")
    assert s.json("account", "list", "example.test")[1]["disabled"] is True
    s.cli("account", "set", "bob@example.test", "--enabled", "--quota=0")
    assert s.json("account", "list")[1]["quota"] is None
    expect(s.cli("account", "list", "other.test", **no), 3)
    expect(s.cli("account", "password", "nobody@example.test", "--password-stdin", stdin="x\n", **no), 3)
    s.cli("account", "password", "bob@example.test", "--password-stdin", stdin="new\n")
    expect(s.cli("alias", "add", "x@example.test", "nobody@example.test", **no), 1)
    s.cli("alias", "add", "team@example.test", "alice@example.test", "bob@example.test")
    s.cli("alias", "add", "@example.test", "team@example.test")
    s.cli("alias", "add", "x@example.test", "far@other.test")
    assert s.json("alias", "list")[2]["targets"] == ["far@other.test"]
    s.cli("alias", "remove", "x@example.test")
    expect(s.cli("alias", "add", "team@example.test", "bob@example.test", **no), 1)
    rows = s.json("alias", "list")
    assert list(rows[0]) == KEYS["alias"] and len(rows) == 2, rows
    assert rows[1]["targets"] == ["alice@example.test", "bob@example.test"], rows
    rows = s.json("domain", "list")
    assert list(rows[0]) == KEYS["domain"] and rows[0] == {"name": "example.test", "accounts": 2, "aliases": 2}
    expect(s.cli("domain", "remove", "example.test", **no), 1)
    rows = s.json("mailbox", "list", "alice@example.test")
    assert list(rows[0]) == KEYS["mailbox"] and rows[0]["name"] == "INBOX", rows
    assert {r["special_use"] for r in rows} == {None, "\\Drafts", "\\Sent", "\\Junk", "\\Trash", "\\Archive"}
    expect(s.cli("mailbox", "list", "nobody@example.test", **no), 3)
    s.cli("alias", "remove", "@example.test")
    expect(s.cli("alias", "remove", "@example.test", **no), 3)
    s.cli("alias", "remove", "team@example.test")
    s.cli("account", "remove", "bob@example.test")
    expect(s.cli("account", "remove", "bob@example.test", **no), 3)
    assert s.cli("verify").stdout.startswith("faults 0\n")
    assert json.loads(s.cli("verify", "--json").stdout) == []


def commands_without_a_server():
    with Server() as s:
        all_commands(s)
        done = s.cli("status", check=False)
        assert done.returncode == 1 and "no server" in done.stderr, done


def commands_with_a_server():
    with Server() as s:
        s.start()
        all_commands(s)
        assert list(s.json("status")["connections"]) == ["smtp", "submission", "lmtp", "imap", "pop3", "other"]
        s.cli("reload")
        assert s.stop() == 0


def usage_errors():
    with Server() as s:
        for args in (["fly"], ["domain"], ["domain", "add"], ["domain", "add", "a", "b"], ["account", "add", "a@b"],
                     ["domain", "list", "--quota", "1MB"], ["account", "set", "a@b", "--quota", "much"],
                     ["alias", "add", "a@b"], ["--frob"], ["account", "set", "a@b", "--quota"]):
            done = s.cli(*args, check=False)
            assert done.returncode == 2 and done.stderr.startswith("barid: "), (args, done)
        page = s.cli("--help").stdout
        assert "barid serve" in page and "SMTP, LMTP, IMAP and POP3" in page
        assert "limits.message_size" in s.cli("settings").stdout


def make_alone_installs_no_other_mail_server():
    done = subprocess.run(["make", "-n"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert [line for line in done.stdout.splitlines() if "tools/deps" in line] == ["tools/deps build"], done.stdout


def the_config_may_stand_before_the_command():
    with Server() as s:
        done = subprocess.run([BARID, "-c", s.conf, "domain", "list", "--json"], capture_output=True, text=True)
        assert done.returncode == 0 and json.loads(done.stdout) == [], done


def config_problems_are_all_told():
    with Server() as s:
        s.write_config('hostname = "x"\ndata_dir = "%s"\nlimits = { mesage_size = "1MB" }\n'
                       'listen = { smtp = ["nonsense"]; lmtp = ["192.0.2.1:24"] }\n'
                       'tls = { certificate = "/nonexistent"; key = "/nonexistent" }\n' % s.data)
        done = s.cli("check", check=False)
        assert done.returncode == 2
        assert "barid.conf:3: unknown setting limits.mesage_size (did you mean limits.message_size?)" in done.stderr
        s.write_config('hostname = "x"\ndata_dir = "%s"\n'
                       'listen = { smtp = ["nonsense"]; lmtp = ["192.0.2.1:24"] }\n'
                       'tls = { certificate = "/nonexistent"; key = "/nonexistent" }\n' % s.data)
        done = s.cli("check", check=False)
        assert done.returncode == 2
        for words in ("barid.conf:3: listen.smtp:", "barid.conf:3: listen.lmtp:", "cannot read /nonexistent"):
            assert words in done.stderr, (words, done.stderr)
        s.start(ready=False)
        assert s.process.wait(PATIENCE) == 2
        assert "config problem" in s.log()


def a_server_that_does_not_answer_is_exit_4():
    with Server() as s:
        import fcntl
        s.setup("a")
        f = open(os.path.join(s.data, "lock"), "r+")
        fcntl.flock(f, fcntl.LOCK_EX)
        done = s.cli("account", "list", check=False)
        assert done.returncode == 4, done


def a_wrong_data_dir_is_told():
    with Server() as s:
        s.setup("a")
        text = open(s.conf).read()
        s.write_config(text.replace(s.data, s.conf))
        expect(s.cli("domain", "list", check=False), 2, "Not a directory")
        expect(s.cli("mailbox", "import", "a@example.test", "mbox", s.folder, check=False), 2, "Not a directory")
        s.write_config(text)
        if os.geteuid() != 0:
            return
        os.chmod(s.conf, 0o644)
        daemon = pwd.getpwnam("daemon")
        become = dict(user=daemon.pw_uid, group=daemon.pw_gid, extra_groups=[])
        for command in (["domain", "list"], ["mailbox", "import", "a@example.test", "mbox", "/tmp"]):
            done = subprocess.run([BARID, "-c", s.conf, *command], capture_output=True, text=True, **become)
            assert done.returncode == 1 and "belongs to another user: run the command as" in done.stderr, done
        os.chmod(s.data, 0o755)
        done = subprocess.run([BARID, "-c", s.conf, "serve"], capture_output=True, text=True, **become)
        assert done.returncode == 2 and "does not belong to the user that runs barid" in done.stderr, done


def an_interrupted_password_leaves_the_terminal_as_it_was():
    with Server() as s:
        s.add_domain()
        pid, fd = pty.fork()
        if pid == 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.execv(BARID, [BARID, "-c", s.conf, "account", "add", "a@example.test"])
        said = b""
        while b"Password: " not in said:
            said += os.read(fd, 100)
        assert not termios.tcgetattr(fd)[3] & termios.ECHO
        os.write(fd, b"sec\x03")
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGINT
        assert termios.tcgetattr(fd)[3] & termios.ECHO
        os.close(fd)
        assert s.json("account", "list") == []


def the_docs_have_every_setting():
    page = open(os.path.join(ROOT, "docs/administration.md")).read()
    with Server() as s:
        rows = re.findall(r"^(\S+) \(.*, default (.*)\)$", s.cli("settings").stdout, re.M)
    assert len(rows) > 40, rows
    for name, default in rows:
        row = "| `%s` | %s | " % (name, "" if default == "empty" else "`%s`" % default)
        assert row in page, row


sys.exit(run_cases([
    commands_without_a_server,
    commands_with_a_server,
    usage_errors,
    make_alone_installs_no_other_mail_server,
    the_config_may_stand_before_the_command,
    config_problems_are_all_told,
    a_server_that_does_not_answer_is_exit_4,
    a_wrong_data_dir_is_told,
    an_interrupted_password_leaves_the_terminal_as_it_was,
    the_docs_have_every_setting,
]))
