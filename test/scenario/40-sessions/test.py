"""barid session list and kick, and account commands that end sessions, over POP3."""
import poplib
import re
import select
import smtplib
import ssl
import sys
import time

from server import PATIENCE, Server, run_cases

KEYS = ["id", "protocol", "account", "peer", "tls", "since", "idle"]
MORE = "auth = { plaintext_without_tls = true }"


def login(s, name, password="secret"):
    pop = poplib.POP3("127.0.0.1", s.ports["pop3"], timeout=PATIENCE)
    pop.user(name + "@example.test")
    pop.pass_(password)
    return pop


def ended(pop):
    """The goodbye, and then the end of the connection."""
    said = pop.file.readline()
    assert said.startswith(b"-ERR [SYS/TEMP] The server ends this connection"), said
    assert pop.file.readline() == b""
    pop.close()


def sessions(s, **want):
    return [r for r in s.json("session", "list") if all(r[k] == v for k, v in want.items())]


def listed_and_kicked():
    with Server(more=MORE) as s:
        s.setup("alice", "bob").start()
        assert s.json("session", "list") == []
        alice, bob = login(s, "alice"), login(s, "bob")
        stranger = poplib.POP3("127.0.0.1", s.ports["pop3"], timeout=PATIENCE)
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        tls = poplib.POP3_SSL("127.0.0.1", s.ports["pop3s"], context=context, timeout=PATIENCE)
        smtp = smtplib.SMTP("127.0.0.1", s.ports["smtp"], timeout=PATIENCE)
        rows = sessions(s)
        assert all(list(r) == KEYS for r in rows) and len(rows) == 5, rows
        assert len({r["id"] for r in rows}) == 5
        assert all(r["peer"] == "127.0.0.1" and r["idle"] in range(60) for r in rows), rows
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", r["since"]) for r in rows), rows
        assert [(r["protocol"], r["tls"]) for r in rows if r["account"]] == [("pop3", None)] * 2
        assert len(sessions(s, protocol="smtp", account=None, tls=None)) == 1
        assert len(sessions(s, protocol="pop3", account=None, tls="TLSv1.3")) == 1
        assert "alice@example.test" in s.cli("session", "list").stdout
        s.cli("session", "kick", str(sessions(s, account="alice@example.test")[0]["id"]))
        ended(alice)
        assert bob.noop().startswith(b"+OK") and stranger.capa() and tls.capa() and smtp.noop()[0] == 250
        assert len(sessions(s)) == 4 and not sessions(s, account="alice@example.test")
        kicked = sessions(s, protocol="smtp")[0]["id"]
        s.cli("session", "kick", str(kicked))
        assert smtp.getreply()[0] == 421
        for wrong, code in ((str(kicked), 3), ("18446744073709551615", 3), ("0", 3), ("x", 2), ("1x", 2)):
            done = s.cli("session", "kick", wrong, check=False)
            assert done.returncode == code and done.stderr.count("\n") == 1, (wrong, done)
        login(s, "alice").quit()
        for pop in (bob, stranger, tls):
            pop.quit()
        assert s.stop() == 0


def many():
    with Server(more=MORE) as s:
        s.setup("a").start()
        conns = [smtplib.SMTP("127.0.0.1", s.ports["smtp"], timeout=PATIENCE) for i in range(700)]
        rows = sessions(s)
        assert len(rows) == 700 and len({r["id"] for r in rows}) == 700, len(rows)
        for c in conns:
            c.close()


def account_commands_end_sessions():
    with Server(more=MORE) as s:
        s.setup("alice", "bob").start()
        bob = login(s, "bob")
        alice = login(s, "alice")
        s.cli("account", "password", "ALICE@example.TEST", "--password-stdin", stdin="new\n")
        ended(alice)
        alice = login(s, "alice", "new")
        s.cli("account", "set", "alice@example.test", "--quota", "1GB")
        s.cli("account", "set", "alice@example.test", "--enabled")
        assert alice.noop().startswith(b"+OK")
        s.cli("account", "set", "alice@example.test", "--disabled")
        ended(alice)
        s.cli("account", "set", "alice@example.test", "--enabled")
        alice = login(s, "alice", "new")
        s.cli("account", "remove", "alice@example.test")
        ended(alice)
        assert bob.noop().startswith(b"+OK")
        bob.quit()
        assert s.stop() == 0
        assert s.cli("verify").stdout.startswith("faults 0\n")


def one_who_does_not_read_is_cut_off():
    """A client in the middle of a RETR that it does not take."""
    with Server(more=MORE) as s:
        s.setup("alice").start()
        with smtplib.SMTP("127.0.0.1", s.ports["smtp"], timeout=PATIENCE) as smtp:
            smtp.sendmail("a@b.example", "alice@example.test", "Subject: x\r\n\r\n" + 200000 * ("x" * 98 + "\r\n"))
        alice = login(s, "alice")
        alice.sock.sendall(b"RETR 1\r\n")
        select.select([alice.sock], [], [], PATIENCE)
        s.cli("session", "kick", str(sessions(s, account="alice@example.test")[0]["id"]))
        until = time.monotonic() + PATIENCE  # its task may be waiting for the disk
        while sessions(s, account="alice@example.test"):
            assert time.monotonic() < until, "it is still there"
        alice.close()


def without_a_server():
    with Server() as s:
        s.setup("alice")
        for words in (["list"], ["kick", "1"]):
            done = s.cli("session", *words, check=False)
            assert done.returncode == 1 and "no server is running" in done.stderr, done


sys.exit(run_cases([
    listed_and_kicked,
    many,
    account_commands_end_sessions,
    one_who_does_not_read_is_cut_off,
    without_a_server,
]))
