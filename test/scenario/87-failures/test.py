"""Each way in which a server elsewhere can fail: what becomes of the message, and that it arrives when the server is well."""
import email
import re
import shutil
import sys
import time

from outbound import Names, Sink, World, inbox
from server import PATIENCE, run_cases

GOOD = ("PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES")
TLS = GOOD + ("STARTTLS",)


class Case:
    """How the server of DOMAIN.test fails, and what that means: `later` words of the last reply, `never` a status."""

    def __init__(self, domain, replies, later=None, never=None, words="", offers=GOOD, to=("x",)):
        self.domain, self.replies, self.offers, self.to = domain, replies, offers, to
        self.later, self.never, self.words = later, never, words
        self.recipients = ["%s@%s.test" % (user, domain) for user in to]


LATER = [
    # what the server says
    Case("greet421", {"CONNECT": "421 4.3.2 too busy"}, "421 4.3.2 too busy"),
    Case("greet450", {"CONNECT": "450 not now"}, "450 not now"),
    Case("greet554", {"CONNECT": "554 5.7.1 go away"}, "554 5.7.1 go away"),
    Case("greetodd", {"CONNECT": "+OK POP3 here"}, "greeting"),
    Case("ehlo421", {"EHLO": "421 4.7.0 slow down"}, "421 4.7.0 slow down"),
    Case("ehlo451", {"EHLO": "451 4.3.0 wait"}, "451 4.3.0 wait"),
    Case("ehlo554", {"EHLO": "554 5.5.0 no", "HELO": "554 5.5.0 never"}, "554 5.5.0 never"),
    Case("mail421", {"MAIL": "421 4.7.0 too many"}, "421 4.7.0 too many"),
    Case("mail452", {"MAIL": "452 4.3.1 full"}, "452 4.3.1 full"),
    Case("rcpt421", {"RCPT": "421 4.7.0 no more"}, "421 4.7.0 no more"),
    Case("data421", {"DATA": "421 4.3.2 closing"}, "421 4.3.2 closing"),
    Case("end421", {"END": "421 4.3.2 closing"}, "421 4.3.2 closing"),
    Case("end250data", {"DATA": "250 2.0.0 what?"}, "at DATA"),
    Case("mail354", {"MAIL": "354 go on"}, "at MAIL"),
    # what it does not say: it hangs up
    Case("dropgreet", {"CONNECT": None}, "greeting"),
    Case("dropehlo", {"EHLO": None}, "EHLO"),
    Case("dropmail", {"MAIL": None}, "MAIL"),
    Case("droprcpt", {"RCPT": None}, "RCPT"),
    Case("dropdata", {"DATA": None}, "DATA"),
    Case("dropbody", {"BODY": None}, ""),
    # it has the message, and nobody knows
    Case("dropend", {"END": None}, ""),
    # what no server says
    Case("longline", {"CONNECT": b"220 " + b"x" * 1000000 + b"\r\n"}, "greeting"),
    Case("manylines", {"EHLO": b"250-x\r\n" * 100000}, "EHLO"),
    Case("codes", {"EHLO": b"250-a\r\n251 b\r\n"}, "EHLO"),
    Case("binary", {"MAIL": bytes(range(256)) * 40 + b"\r\n"}, "MAIL"),
    Case("controls", {"MAIL": b"451 4.0.0 a\x1b[2Jb\0c\rd\x07\xff\xfee\xe2\x80\xaef\r\n"}, "451 4.0.0 a?[2Jb?c"),
    Case("injected", {"RCPT": b"450-4.2.0 a\r\n450 4.2.0 Bcc: b\r\n"}, "450 4.2.0 a Bcc: b"),
]
NEVER = [
    Case("greet521", {"CONNECT": "521 5.3.2 never takes mail"}, never="5.3.2", words="never takes mail"),
    Case("mail550", {"MAIL": "550 5.7.1 bad sender"}, never="5.7.1", words="bad sender"),
    Case("rcpt551", {"RCPT": "551 5.1.6 moved away"}, never="5.1.6", words="moved away"),
    Case("data550", {"DATA": "550 not this"}, never="5.0.0", words="not this"),
    Case("end552", {"END": "552 5.2.2 mailbox is full"}, never="5.2.2", words="mailbox is full"),
    Case("controls5", {"END": b"554 5.6.0 a\x1b[31mb\0c\rSubject: d\r\n"}, never="5.6.0", words="554 5.6.0 a"),
]
MIXED = Case("mixed", {"RCPT": lambda line: {"<n": "550 5.1.1 nobody", "<l": "450 4.2.2 full"}.get(
    re.search("<.", line)[0], "250 2.1.5 ok")}, to=("taken", "never", "later"))
# TLS that breaks, and nobody wants it: the message goes without, at once
BROKEN_TLS = [
    Case("tlsgarbage", {"TLS": b"this is no handshake\r\n" * 10}, offers=TLS),
    Case("tlsalert", {"TLS": b"\x15\x03\x03\0\2\2\x28"}, offers=TLS),
    Case("tlsplain", {"STARTTLS": b"220 go on\r\n220 mx.test here in the clear\r\n"}, offers=TLS),
    Case("tlshangup", {}, offers=TLS),
    Case("tls421", {"STARTTLS": "421 4.7.0 going"}, offers=TLS),
    Case("tls501", {"STARTTLS": "501 5.5.4 no parameters"}, offers=TLS),
]
CASES = LATER + NEVER + [MIXED] + BROKEN_TLS
ADDRESS = {c.domain: "127.0.1.%d" % (i + 1) for i, c in enumerate(CASES)}

ZONE = """$ORIGIN test.
$TTL 60
@ SOA ns admin 1 3600 600 86400 60
@ NS ns
ns A 127.0.0.1
a MX 10 mx.a
mx.a A 127.0.0.2
ours MX 10 elsewhere
elsewhere A 127.0.0.2
nameless MX 10 gone
nameless MX 20 empty
empty TXT "no address"
odd MX 10 b\\032d.odd
nullandhost MX 0 .
nullandhost MX 10 mx.many
loop CNAME pool
pool CNAME loop
alias CNAME real
real MX 10 mx.many
mxloop MX 10 loop
mx.many A 127.0.2.1
many MX 0 mx.many
most A 127.0.2.1
drip MX 10 mx.drip
mx.drip A 127.0.2.2
busy MX 10 mx.busy
mx.busy A 127.0.2.3
""" + "".join("%s MX 10 mx.%s\nmx.%s A %s\n" % (d, d, d, a) for d, a in ADDRESS.items())
# answers that are cut, and come over TCP
ZONE += "".join("many MX %d a-name-to-fill-the-answer-with-%d.many\n" % (i + 1, i) for i in range(100))

names = None


def rows(w):
    return {r["recipient"]: r for r in w.a.json("queue", "list")}


def await_rows(w, recipients, known):
    """The rows of these recipients, once each was tried."""
    until = time.monotonic() + PATIENCE
    while True:
        found = rows(w)
        if all(known(found.get(r)) for r in recipients):
            return found
        assert time.monotonic() < until, [r for r in recipients if not known(found.get(r))]
        time.sleep(0.05)


def reports(w, count):
    """{recipient: (status, its facts, words for people)} of ann's INBOX."""
    found = {}
    for mail in inbox(w.a, "ann@a.test", count):
        text, facts, original = list(mail.iter_parts())
        for part in facts.get_payload()[1:]:
            found[part["Final-Recipient"].split(";")[1].strip()] = (part["Status"], part, text.get_content())
    return found


def clean(text):
    return not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)


def each_failure_has_its_class():
    with World(names) as w:
        sinks = {c.domain: Sink(w.port, dict(c.replies), c.offers, ADDRESS[c.domain]) for c in CASES}
        with w.login() as smtp:
            for c in CASES:
                w.send(*c.recipients, subject=c.domain, by=smtp)
        found = await_rows(w, [r for c in LATER for r in c.recipients] + ["later@mixed.test"],
                           lambda row: row and row["attempts"] > 0)
        for c in LATER:
            row = found[c.recipients[0]]
            assert row["state"] == "waiting" and row["attempts"] == 1 and row["next"], row
            assert c.later in row["last_reply"] and len(row["last_reply"]) <= 512, (c.domain, row)
            assert clean(row["last_reply"]), (c.domain, row)
        # what is waiting, and nothing else
        gone = [r for c in NEVER + BROKEN_TLS for r in c.recipients] + ["taken@mixed.test", "never@mixed.test"]
        found = await_rows(w, gone, lambda row: row is None)
        assert set(found) == {r for c in LATER for r in c.recipients} | {"later@mixed.test"}, found
        for c in BROKEN_TLS:
            assert sinks[c.domain].encrypted == [False], c.domain
        # what never goes is told, once each
        told = reports(w, len(NEVER) + 1)
        assert set(told) == {r for c in NEVER for r in c.recipients} | {"never@mixed.test"}, told.keys()
        for c in NEVER:
            status, facts, words = told[c.recipients[0]]
            assert status == c.never and c.words in words, (c.domain, status, words)
            assert c.words in facts["Diagnostic-Code"] and clean(facts.as_string()), facts.as_string()
        assert told["never@mixed.test"][0] == "5.1.1"
        for c in LATER:
            shown = w.a.cli("queue", "show", found[c.recipients[0]]["id"]).stdout
            assert clean(shown), (c.domain, shown)
        assert clean(w.a.log())
        # all servers are well again
        for s in sinks.values():
            s.replies, s.offers = {}, GOOD
        w.a.cli("queue", "retry")
        await_rows(w, found, lambda row: row is None)
        for c in LATER:
            assert len(sinks[c.domain].mails) == 1, (c.domain, sinks[c.domain].commands)
            assert email.message_from_bytes(sinks[c.domain].mails[0][1])["Subject"] == c.domain
        assert sum(len(e) - 1 for e, _ in sinks["mixed"].mails) == 2, sinks["mixed"].mails
        assert len(reports(w, len(NEVER) + 1)) == len(NEVER) + 1
        assert not w.a.json("queue", "list") and w.a.cli("verify").returncode == 0
        for s in sinks.values():
            s.close()


def lost_replies_are_counted_twice_and_never_lost():
    """The server has the message and hangs up before it says so: it gets it again, no more often than that happens."""
    with World(names) as w:
        sink = Sink(w.port, address=ADDRESS["dropend"])
        taken = []

        def end(_):
            taken.append(1)
            return None if len(taken) <= 3 else "250 2.0.0 taken"
        sink.replies["END"] = end
        for i in range(4):
            w.send("x@dropend.test", subject=str(i))
        until = time.monotonic() + PATIENCE
        while w.a.json("queue", "list"):
            assert time.monotonic() < until
            w.a.cli("queue", "retry")
            time.sleep(0.05)
        subjects = sorted(email.message_from_bytes(body)["Subject"] for _, body in sink.mails)
        assert subjects == ["0", "1", "2", "3"] and len(taken) == 7, (subjects, len(taken))
        assert not inbox(w.a, "ann@a.test", 0)
        sink.close()


def a_421_in_the_middle_of_many():
    """The connection takes two messages; the others follow on further ones, without a pause and without a failure."""
    def mail(line):
        taken[0] += 1
        return "250 2.1.0 ok" if taken[0] % 3 else "421 4.7.0 enough for one connection"
    taken = [0]
    with World(names) as w:
        w.send("x@busy.test", subject="0")
        w.a.wait_log("event=route_down")
        with w.login() as smtp:
            for i in range(1, 8):
                w.send("x@busy.test", subject=str(i), by=smtp)
        sink = Sink(w.port, {"MAIL": mail}, address="127.0.2.3")
        w.a.cli("queue", "retry")
        await_rows(w, ["x@busy.test"], lambda row: row is None)
        assert sorted(email.message_from_bytes(b)["Subject"] for _, b in sink.mails) == [str(i) for i in range(8)]
        assert "event=deferred" not in w.a.log()
        sink.close()


def a_refused_rset_is_not_about_the_next_message():
    """What was refused leaves a transaction behind; the server does not want it taken back, the next message goes by another connection."""
    def rcpt(line):
        return "550 5.1.1 nobody" if "nobody" in line.lower() else "250 2.1.5 ok"
    with World(names) as w:
        w.send("nobody@busy.test", subject="first")
        w.a.wait_log("event=route_down")
        w.send("x@busy.test", subject="second")
        sink = Sink(w.port, {"RCPT": rcpt, "RSET": "554 5.5.1 too many errors"}, offers=("8BITMIME",),
                    address="127.0.2.3")
        w.a.cli("queue", "retry")
        await_rows(w, ["nobody@busy.test", "x@busy.test"], lambda row: row is None)
        told = reports(w, 1)
        assert list(told) == ["nobody@busy.test"], told
        assert [email.message_from_bytes(b)["Subject"] for _, b in sink.mails] == ["second"]
        sink.close()


def a_greeting_that_drips():
    """A byte at a time: the server is slow, not broken."""
    with World(names) as w:
        sink = Sink(w.port, {"CONNECT": [bytes([b]) for b in b"220-slow\r\n220 but steady\r\n"]}, address="127.0.2.2")
        w.send("x@drip.test")
        await_rows(w, ["x@drip.test"], lambda row: row is None)
        assert len(sink.mails) == 1
        sink.close()


def names_that_fail():
    later = {"loop": "", "mxloop": ""}
    never = {"ours": "5.4.6", "nameless": "5.4.4", "odd": "5.4.4"}
    taken = ("many", "alias", "nullandhost", "most")
    with World(names) as w:
        sink = Sink(w.port, address="127.0.2.1")
        with w.login() as smtp:
            for name in (*later, *never, *taken):
                w.send("x@%s.test" % name, subject=name, by=smtp)
        found = await_rows(w, ["x@%s.test" % n for n in later], lambda row: row and row["attempts"] == 1)
        for name in later:
            assert found["x@%s.test" % name]["state"] == "waiting" and found["x@%s.test" % name]["last_reply"], found
        await_rows(w, ["x@%s.test" % n for n in (*never, *taken)], lambda row: row is None)
        told = reports(w, len(never))
        assert {n: told["x@%s.test" % n][0] for n in never} == never, told
        assert sorted(email.message_from_bytes(b)["Subject"] for _, b in sink.mails) == sorted(taken)
        sink.close()


if not shutil.which("nsd") or sys.platform != "linux":
    print("skip failures of other servers: nsd is not installed")
    sys.exit(0)
names = Names(ZONE)
try:
    code = run_cases([each_failure_has_its_class, lost_replies_are_counted_twice_and_never_lost,
                      a_421_in_the_middle_of_many,
                      a_refused_rset_is_not_about_the_next_message, a_greeting_that_drips, names_that_fail])
finally:
    names.close()
sys.exit(code)
