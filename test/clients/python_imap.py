"""Python's imaplib: every command that it knows and we offer, and IDLE by raw lines."""
import imaplib
import re
import sys
import time

from common import PASSWORD, PATIENCE, deliver, imap, main, make_mail, messages

ACCOUNTS = ["login", "box", "append", "flags", "move", "search", "idle", "sync"]
ADDRESS = "%s@example.test"


def ok(answer):
    assert answer[0] == "OK", answer
    return answer[1]


def no(answer, text=b""):
    assert answer[0] == "NO" and text in answer[1][-1], answer


def numbers(answer):
    return [int(n) for n in ok(answer)[0].split()]


def STARTTLS_and_every_login(w):
    context = w.context()
    with imaplib.IMAP4("127.0.0.1", w.ports["imap"], timeout=PATIENCE) as c:
        assert "STARTTLS" in c.capabilities, c.capabilities
        ok(c.starttls(context))
        assert "STARTTLS" not in c.capabilities, c.capabilities
        try:
            c.login(ADDRESS % "login", "wrong")
            raise AssertionError("a wrong password was taken")
        except imaplib.IMAP4.error as e:
            assert b"[AUTHENTICATIONFAILED]" in e.args[0], e
        ok(c.login(ADDRESS % "login", PASSWORD))
    for mechanism, answer in (("PLAIN", lambda _: b"\0login@example.test\0" + PASSWORD.encode()),
                              ("LOGIN", lambda asked: {b"Username:": b"login@example.test",
                                                       b"Password:": PASSWORD.encode()}.get(asked, b"?"))):
        with imaplib.IMAP4_SSL("127.0.0.1", w.ports["imaps"], ssl_context=context, timeout=PATIENCE) as c:
            assert "AUTH=" + mechanism in c.capabilities, c.capabilities
            ok(c.authenticate(mechanism, answer))
            ok(c.select())
            ok(c.noop())


def mailboxes(w):
    c = imap(w, "box")
    names = lambda data: sorted(re.search(rb'"/" "?([^"]*)"?$', d).group(1) for d in data if d)
    start = names(ok(c.list()))
    assert start == [b"Archive", b"Drafts", b"INBOX", b"Junk", b"Sent", b"Trash"], start
    assert names(ok(c.lsub())) == start
    ok(c.create("Work/2026/November"))
    ok(c.create('"with space"'))
    no(c.create("Work"), b"[ALREADYEXISTS]")
    ok(c.subscribe("Work/2026"))
    assert names(ok(c.lsub('""', '"Work*"'))) == [b"Work/2026"]
    ok(c.unsubscribe("Work/2026"))
    assert ok(c.lsub('""', '"Work*"')) == [None]
    assert names(ok(c.list('""', "Work/%"))) == [b"Work/2026"]
    assert names(ok(c.list('"Work/"', "*"))) == [b"Work/2026", b"Work/2026/November"]
    ok(c.rename("Work", '"Old work"'))
    assert names(ok(c.list('""', '"Old*"'))) == [b"Old work", b"Old work/2026", b"Old work/2026/November"]
    no(c.rename("Nowhere", "Somewhere"), b"[NONEXISTENT]")
    ok(c.append('"Old work/2026"', None, None, make_mail("in a mailbox")))
    said = ok(c.status('"Old work/2026"', "(MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN)"))[0]
    values = dict(re.findall(rb"([A-Z]+) (\d+)", said))
    assert len(values) == 5 and values[b"MESSAGES"] == values[b"UNSEEN"] == b"1" and values[b"UIDNEXT"] == b"2", said
    ok(c.delete('"Old work/2026/November"'))
    no(c.delete('"Old work/2026/November"'), b"[NONEXISTENT]")
    no(c.delete("INBOX"))
    assert ok(c.namespace()) == [b'(("" "/")) NIL NIL']
    assert c.xatom("ID", "NIL")[0] == "OK" and b'"name"' in c.response("ID")[1][0].lower()
    c.logout()


def APPEND_and_FETCH(w):
    mails = [make_mail("append %d" % i, attachment=i * 250000, line=30000) for i in range(3)]
    c = imap(w, "append")
    for i, mail in enumerate(mails):
        when = imaplib.Time2Internaldate(time.mktime((2020, 2, 29, 12, 0, i, 0, 0, 0)))
        said = ok(c.append("INBOX", "(\\Seen $Mine)" if i else None, when, mail))[0]
        assert re.match(rb"\[APPENDUID \d+ %d\] " % (i + 1), said), said
    no(c.append("Nowhere", None, None, mails[0]), b"[TRYCREATE]")
    assert int(ok(c.select())[0]) == 3
    for i, mail in enumerate(mails):
        data = ok(c.fetch(str(i + 1), "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])"))
        head, octets = data[0]
        assert octets == mail and b"RFC822.SIZE %d " % len(mail) in head, (i, head, len(octets))
        assert b"29-Feb-2020 12:00:0%d" % i in head, head
        assert (b"$Mine" in head) == (b"\\Seen" in head) == (i > 0), head
        for item, part in (("RFC822", mail), ("RFC822.HEADER", mail.split(b"\r\n\r\n")[0] + b"\r\n\r\n"),
                           ("RFC822.TEXT", mail.split(b"\r\n\r\n", 1)[1]), ("BODY[]<3.1000>", mail[3:1003]),
                           ("BODY.PEEK[]<%d.10>" % len(mail), b"")):
            assert ok(c.uid("FETCH", str(i + 1), item))[0][1] == part, (i, item)
    said = ok(c.fetch("1:3", "FULL"))
    assert len(said) == 3 and all(b'"Sun, 22 Nov 2026 04:00:00 +0000" "append %d" (("Joe" NIL "joe" "away.test"))' % i
                                  in s and b'"mixed"' in s.lower() for i, s in enumerate(said)), said
    assert b"\\Seen" in ok(c.fetch("1", "FLAGS"))[0]
    c.logout()
    assert [m for _, m in messages(w, "append", "INBOX")] == mails


def flags_and_expunge(w):
    deliver(w, "flags", [make_mail("flags %d" % i) for i in range(6)])
    c = imap(w, "flags")
    ok(c.select())
    assert all(b"\\Flagged" in s for s in ok(c.store("1:3", "+FLAGS", "(\\Flagged work)")))
    assert all(b"\\Flagged" not in s and b"work" in s for s in ok(c.store("2", "-FLAGS", "\\Flagged")))
    assert ok(c.store("3", "FLAGS.SILENT", "(\\Answered)")) == [None]
    assert numbers(c.search(None, "KEYWORD", "work")) == [1, 2]
    ok(c.uid("STORE", "2,4", "+FLAGS", "\\Deleted"))
    assert ok(c.expunge()) in ([b"2", b"3"], [b"4", b"2"])
    ok(c.store("1", "+FLAGS", "\\Deleted"))
    ok(c.select("INBOX", readonly=True))
    no(c._simple_command("STORE", "1", "-FLAGS", "\\Deleted"))
    ok(c.select())
    ok(c.check())
    ok(c.close())
    assert c.state == "AUTH"
    assert int(ok(c.select())[0]) == 3
    ok(c.store("1", "+FLAGS", "\\Deleted"))
    ok(c.unselect())
    assert int(ok(c.select())[0]) == 3
    ok(c.uid("EXPUNGE", "3"))
    assert int(ok(c.select())[0]) == 2
    c.logout()


def COPY_and_MOVE(w):
    mails = [make_mail("move %d" % i, attachment=i * 20000) for i in range(5)]
    c = imap(w, "move")
    for mail in mails:
        ok(c.append("INBOX", "(\\Seen)", None, mail))
    ok(c.select())
    assert ok(c.copy("1:2", "Archive"))
    assert re.match(rb"\d+ 1:2 1:2$", c.untagged_responses.get("COPYUID", c.response("COPYUID")[1])[0] or b""), "COPYUID"
    ok(c.uid("COPY", "5", "Archive"))
    no(c.copy("1", "Nowhere"), b"[TRYCREATE]")
    assert c._simple_command("MOVE", "2,4", "Trash")[0] == "OK"
    assert c.response("EXPUNGE")[1] in ([b"2", b"3"], [b"4", b"2"])
    ok(c.uid("MOVE", "1", "Trash"))
    c.logout()
    for box, wanted in (("INBOX", [2, 4]), ("Archive", [0, 1, 4]), ("Trash", [1, 3, 0])):
        found = messages(w, "move", box)
        assert [m for _, m in found] == [mails[i] for i in wanted], box
        assert all(flags == {b"\\Seen"} for flags, _ in found), found


def search(w):
    for i in range(4):
        with imap(w, "search") as c:
            ok(c.append("INBOX", "(\\Seen)" if i % 2 else None, None, make_mail("search %d" % i, attachment=i * 1000)))
    c = imap(w, "search")
    ok(c.select())
    for keys, wanted in ((["ALL"], [1, 2, 3, 4]), (["UNSEEN"], [1, 3]), (["OR", "SUBJECT", '"search 0"', "SEEN"], [1, 2, 4]),
                         (["LARGER", "4500", "NOT", "4"], [3]), (["SENTON", "22-Nov-2026", "2:3"], [2, 3]),
                         (["HEADER", "Message-ID", '""'], [1, 2, 3, 4]), (["BODY", '"From here on"', "SEEN"], [2, 4]),
                         (["TEXT", '"no such text"'], [])):
        assert numbers(c.search(None, *keys)) == wanted, keys
        assert numbers(c.uid("SEARCH", *keys)) == wanted, keys
    c.literal = "From here on: ".encode()
    assert numbers(c.uid("SEARCH", "CHARSET", "UTF-8", "BODY")) == [1, 2, 3, 4]
    said = c._simple_command("SEARCH", "RETURN", "(MIN MAX COUNT ALL)", "SEEN")
    assert said[0] == "OK" and re.search(rb"MIN 2 MAX 4 COUNT 2 ALL 2,4", c.response("ESEARCH")[1][0]), said
    no(c.search("KLINGON", "ALL"), b"[BADCHARSET")
    c.logout()


def what_is_not_offered_is_refused(w):
    """Each with BAD, and the connection goes on."""
    c = imap(w, "search")
    ok(c.select())
    for name, arguments in (("sort", ("(DATE)", "UTF-8", "ALL")), ("thread", ("REFERENCES", "UTF-8", "ALL")),
                            ("getacl", ("INBOX",)), ("setacl", ("INBOX", "joe", "l")), ("myrights", ("INBOX",)),
                            ("getquota", ("INBOX",)), ("getquotaroot", ("INBOX",)), ("getannotation", ("INBOX", "/comment", "x")),
                            ("partial", ("1", "RFC822", "1", "9"))):
        try:
            getattr(c, name)(*arguments)
            raise AssertionError(name + " was not refused")
        except imaplib.IMAP4.error as e:
            assert "BAD" in str(e), (name, e)
        ok(c.noop())
    assert c.logout()[0] == "BYE"


def lines_until(c, wanted):
    got = []
    while not got or not re.match(wanted, got[-1]):
        got.append(c.readline())
        assert got[-1], "closed behind %r" % got
    return got


def IDLE(w):
    c, other = imap(w, "idle"), imap(w, "idle")
    ok(c.select())
    ok(other.select())
    c.send(b"i1 IDLE\r\n")
    lines_until(c, rb"\+ ")
    deliver(w, "idle", [make_mail("idle")])
    lines_until(c, rb"\* 1 EXISTS\r\n")
    ok(other.noop())
    ok(other.store("1", "+FLAGS", "\\Flagged"))
    said = lines_until(c, rb"\* 1 FETCH ")
    assert b"\\Flagged" in said[-1], said
    ok(other.uid("MOVE", "1", "Archive"))
    lines_until(c, rb"\* 1 EXPUNGE\r\n")
    c.send(b"DONE\r\n")
    said = lines_until(c, rb"i1 ")
    assert said[-1].startswith(b"i1 OK "), said
    ok(c.noop())
    c.logout()
    other.logout()


def ENABLE_and_QRESYNC(w):
    mails = [make_mail("sync %d" % i) for i in range(5)]
    deliver(w, "sync", mails)
    c = imap(w, "sync")
    assert "QRESYNC" in c.capabilities and "CONDSTORE" in c.capabilities, c.capabilities
    ok(c.enable("QRESYNC"))
    ok(c.select())
    validity, = c.response("UIDVALIDITY")[1]
    modseq = re.search(rb"HIGHESTMODSEQ (\d+)", ok(c.status("INBOX", "(HIGHESTMODSEQ)"))[0]).group(1)
    c.logout()
    other = imap(w, "sync")
    ok(other.select())
    ok(other.uid("STORE", "2", "+FLAGS", "(\\Answered)"))
    ok(other.uid("MOVE", "3:4", "Junk"))
    other.logout()
    c = imap(w, "sync")
    ok(c.enable("QRESYNC"))
    assert c._simple_command("SELECT", "INBOX", "(QRESYNC (%s %s))" % (validity.decode(), modseq.decode()))[0] == "OK"
    assert c.response("VANISHED")[1] == [b"(EARLIER) 3:4"]
    changed, = c.response("FETCH")[1]
    assert changed.startswith(b"2 (UID 2 FLAGS (") and b"\\Answered" in changed and b"MODSEQ (" in changed, changed
    c.logout()


if __name__ == "__main__":
    sys.exit(main(ACCOUNTS, [
        STARTTLS_and_every_login, mailboxes, APPEND_and_FETCH, flags_and_expunge, COPY_and_MOVE, search,
        what_is_not_offered_is_refused, IDLE, ENABLE_and_QRESYNC,
    ]))
